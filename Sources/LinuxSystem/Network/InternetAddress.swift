internal import Glibc

/// Whether a text is an address of IPv4 or IPv6.
///
/// See inet_pton(3).
package func isInternetAddress(_ text: String) -> Bool {
    var four = in_addr()
    var six = in6_addr()
    return inet_pton(AF_INET, text, &four) == 1 || inet_pton(AF_INET6, text, &six) == 1
}
