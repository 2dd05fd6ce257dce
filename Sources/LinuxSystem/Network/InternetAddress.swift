internal import Glibc

/// An address of IPv4 or IPv6.
///
/// See inet_pton(3).
package struct InternetAddress: Sendable, Hashable {
    /// In network order: 4 of IPv4, 16 of IPv6.
    package let bytes: [UInt8]

    /// Reads an address as it is written; nil if the text is malformed.
    package init?(_ text: String) {
        var four = [UInt8](repeating: 0, count: 4)
        var six = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &four) == 1 {
            bytes = four
        } else if inet_pton(AF_INET6, text, &six) == 1 {
            bytes = six
        } else {
            return nil
        }
    }

    package var isIPv6: Bool { bytes.count == 16 }

    /// Whether it leads to this machine: 127.0.0.0/8 or ::1.
    package var isLoopback: Bool { isIPv6 ? bytes == [UInt8](repeating: 0, count: 15) + [1] : bytes[0] == 127 }

    /// Whether its first bits are those of a network.
    package func isIn(_ network: InternetAddress, prefix: Int) -> Bool {
        guard bytes.count == network.bytes.count else { return false }
        return (0..<max(0, prefix)).allSatisfy { bit in
            let difference: UInt8 = bytes[bit / 8] ^ network.bytes[bit / 8]
            return difference & (0x80 >> UInt8(bit % 8)) == 0
        }
    }
}
