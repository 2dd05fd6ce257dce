package import HTTP

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
