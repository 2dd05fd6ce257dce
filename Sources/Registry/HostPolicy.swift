internal import Glibc

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
        if host.utf8.contains(UInt8(ascii: ":")) { return reach(ofIPv6: host) }
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
        var address = in6_addr()
        guard inet_pton(AF_INET6, host, &address) == 1 else { return .special }
        let bytes = withUnsafeBytes(of: address) { Array($0.prefix(16)) }
        if bytes == [UInt8](repeating: 0, count: 15) + [1] { return .loopback }
        // Only 2000::/3 is open; forms that carry an IPv4 address inside (6to4, mapped, NAT64) count as special.
        if bytes[0] == 0x20, bytes[1] == 0x02 { return .special }
        return bytes[0] & 0xe0 == 0x20 ? .open : .special
    }

    /// The part of a name that one owner registers, for example `gitlab.com` of `registry.gitlab.com`.
    ///
    /// An approximation of the public suffix list that errs on the side of a longer name: such a realm has to be allowed by configuration.
    package static func registrableDomain(of host: String) -> String {
        let labels = host.split(separator: ".")
        guard labels.count > 2, reach(of: host) == .open, !host.utf8.contains(UInt8(ascii: ":")) else { return host }
        let lastTwo = labels.suffix(2).joined(separator: ".")
        let secondLevel = labels[labels.count - 2]
        let isCountrySuffix =
            labels.last?.count == 2
            && (secondLevel.count <= 3 || ["info", "name", "asso", "gouv", "govt", "school"].contains(secondLevel))
        if sharedSuffixes.contains(lastTwo) { return host }
        return labels.suffix(isCountrySuffix ? 3 : 2).joined(separator: ".")
    }

    /// Domains below which anybody can have a name.
    private static let sharedSuffixes: Set<String> = [
        "amazonaws.com", "azurecr.io", "azurewebsites.net", "cloudapp.net", "cloudfront.net", "appspot.com", "run.app",
        "pkg.dev", "github.io", "gitlab.io", "herokuapp.com", "fly.dev", "onrender.com", "vercel.app", "netlify.app",
        "workers.dev", "pages.dev", "ngrok.io", "ngrok.app", "windows.net", "azure.com", "nip.io", "sslip.io",
        "duckdns.org",
        "in-addr.arpa", "web.app", "firebaseapp.com", "googleusercontent.com", "digitaloceanspaces.com",
        "oraclecloud.com",
    ]
}

/// Decides whether credentials of a registry may be sent to the token service it names.
///
/// Clients in the field send them wherever it says; see docs/decisions for what is refused here, and why the port is not.
package struct RealmPolicy: Sendable {
    /// The registry's address as it is being talked to.
    package let registry: HTTPURL
    /// Hosts that the configuration allows for this registry.
    package let allowedHosts: [String]

    package init(registry: HTTPURL, allowedHosts: [String]) {
        self.registry = registry
        self.allowedHosts = allowedHosts
    }

    /// Token services that are known to belong to a registry of another name.
    private static let known: [String: String] = ["registry-1.docker.io": "auth.docker.io"]

    /// Why a request without credentials must not be made; nil where it may.
    package func refusal(of realm: HTTPURL) -> String? {
        if realm.scheme == .http, registry.scheme == .https { return "it is plain HTTP" }
        let isAllowed = allowedHosts.contains(realm.host) || realm.host == registry.host
        if !isAllowed, HostPolicy.reach(of: realm.host) != .open,
            HostPolicy.reach(of: realm.host) != HostPolicy.reach(of: registry.host)
        {
            return "it is an address of this machine or of a private network"
        }
        return nil
    }

    /// Why credentials must not be sent there; nil where they may.
    package func refusalOfCredentials(to realm: HTTPURL) -> String? {
        if let reason = refusal(of: realm) { return reason }
        if realm.host == registry.host || allowedHosts.contains(realm.host) { return nil }
        if realm.scheme == .http { return "it is plain HTTP and another host" }
        if Self.known[registry.host] == realm.host { return nil }
        let isSameOwner =
            HostPolicy.reach(of: realm.host) == .open
            && HostPolicy.registrableDomain(of: realm.host) == HostPolicy.registrableDomain(of: registry.host)
        return isSameOwner ? nil : "it is another host"
    }
}

/// Decides where a redirect leads and whether the registry's credentials go with it.
package struct RedirectPolicy: Sendable {
    /// How many redirects one request may go through.
    package static let maximum = 5

    /// The registry's address as it is being talked to.
    package let registry: HTTPURL

    package init(registry: HTTPURL) { self.registry = registry }

    /// The target of a redirect or of an upload's `Location`.
    /// - Parameters:
    ///   - url: what was asked for.
    ///   - location: the header's value.
    /// - Returns: the address, and whether it has the registry's origin, so that credentials and client certificates go with it.
    /// - Throws: `RegistryError.unsafeRedirect` for a downgrade to plain HTTP or a way into a private network.
    package func follow(from url: HTTPURL, location: String) throws(RegistryError) -> (url: HTTPURL, isRegistry: Bool) {
        func refuse(_ reason: String) -> RegistryError {
            .unsafeRedirect(from: url.redacted, to: String(location.prefix { $0 != "?" }), reason: reason)
        }
        let next: HTTPURL
        do throws(RegistryError) { next = try url.resolving(location: location) } catch {
            throw refuse("the address is not valid")
        }
        if next.hasSameOrigin(as: registry) { return (next, true) }
        if url.scheme == .https, next.scheme == .http { throw refuse("it leads from https to plain http") }
        let reach = HostPolicy.reach(of: next.host)
        if reach != .open, HostPolicy.reach(of: registry.host) == .open {
            throw refuse("it leads to an address of this machine or of a private network")
        }
        return (next, false)
    }
}
