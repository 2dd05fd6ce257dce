internal import LinuxSystem
internal import Text

/// What is known about a host from its name alone, to decide where credentials and redirects may go.
package struct HostPolicy: Hashable, Sendable {
    /// Where a host's address lies.
    package enum Reach: Hashable, Sendable {
        /// `localhost` and the loopback addresses.
        case loopback
        /// Addresses of private networks, link-local and other special ones, and spellings of numbers that resolvers read differently.
        case special
        case open
    }

    /// Where a host lies that is given in lower case, without brackets or port.
    package static func reach(of host: String) -> Reach {
        if host == "localhost" || host.hasSuffix(".localhost") { return .loopback }
        if host.utf8.contains(":") { return reach(ofIPv6: host) }
        let labels = host.split(separator: ".", omittingEmptySubsequences: false)
        guard let last = labels.last, isNumeric(last) else { return .open }
        let parts = labels.compactMap { label -> UInt8? in
            // "010" is octal to some resolvers and decimal to others.
            label.count > 1 && label.first == "0" ? nil : UInt8(label)
        }
        guard labels.count == 4, parts.count == 4 else { return .special }
        return reach(ofIPv4: parts)
    }

    private static func isNumeric(_ label: Substring) -> Bool {
        label.hasPrefix("0x") || (!label.isEmpty && label.utf8.allSatisfy { (0x30...0x39).contains($0) })
    }

    private static func reach(ofIPv4 parts: [UInt8]) -> Reach {
        switch (parts[0], parts[1]) {
        case (127, _): .loopback
        case (0, _), (10, _), (169, 254), (192, 168), (172, 16...31), (100, 64...127), (198, 18...19), (224..., _):
            .special
        default: .open
        }
    }

    private static func reach(ofIPv6 host: String) -> Reach {
        guard let address = InternetAddress(host), address.isIPv6 else { return .special }
        if address.isLoopback { return .loopback }
        let bytes = address.bytes
        // Only 2000::/3 is open; forms that carry an IPv4 address inside (6to4, mapped, NAT64) count as special.
        if bytes[0] == 0x20, bytes[1] == 0x02 { return .special }
        return bytes[0] & 0xe0 == 0x20 ? .open : .special
    }

    /// The part of a name that one owner registers, for example `gitlab.com` of `registry.gitlab.com`.
    ///
    /// An approximation of the public suffix list that errs on the side of a longer name: such a realm has to be allowed by configuration.
    package static func registrableDomain(of host: String) -> String {
        let labels = host.split(separator: ".")
        guard labels.count > 2, reach(of: host) == .open, !host.utf8.contains(":") else { return host }
        let lastTwo = labels.suffix(2).joined(separator: ".")
        let secondLevel = labels[labels.count - 2]
        let isCountrySuffix =
            labels.last?.count == 2
            && (secondLevel.count <= 3 || ["info", "name", "asso", "gouv", "govt", "school"].contains(secondLevel))
        if sharedSuffixes.contains(lastTwo) { return host }
        return labels.suffix(isCountrySuffix ? 3 : 2).joined(separator: ".")
    }

    /// Domains below which anyone can register a name.
    private static let sharedSuffixes: Set<String> = [
        "amazonaws.com", "azurecr.io", "azurewebsites.net", "cloudapp.net", "cloudfront.net", "appspot.com", "run.app",
        "pkg.dev", "github.io", "gitlab.io", "herokuapp.com", "fly.dev", "onrender.com", "vercel.app", "netlify.app",
        "workers.dev", "pages.dev", "ngrok.io", "ngrok.app", "windows.net", "azure.com", "nip.io", "sslip.io",
        "duckdns.org",
        "in-addr.arpa", "web.app", "firebaseapp.com", "googleusercontent.com", "digitaloceanspaces.com",
        "oraclecloud.com",
    ]
}
