package import HTTP
package import Settings
internal import SystemPackage

/// One host that answers for a registry: a mirror of it, or the registry itself.
package struct Endpoint: Hashable, Sendable {
    /// The name that its credentials and its table are kept under, for example `docker.io` or `mirror.local:5000`.
    package let domain: String
    package let authority: Authority
    /// In the order in which they are tried; a later one only where the TLS handshake with an earlier one fails.
    package let schemes: [HTTPURL.Scheme]
    /// Comes before the repository's path.
    package let pathPrefix: String
    package let isMirror: Bool
    package let trust: TLSTrust
    package let authHosts: [String]

    /// The address of something below `/v2/`.
    /// - Parameters:
    ///   - scheme: one of `schemes`.
    ///   - repository: the repository's path in the mirrored registry.
    ///   - rest: what follows it, for example `manifests/latest`.
    /// - Returns: the address at this host; for a mirror, below the path at which it holds the registry.
    func url(_ scheme: HTTPURL.Scheme, repository: String?, _ rest: String) -> HTTPURL {
        let parts = ["/v2", pathPrefix, repository ?? "", rest].filter { !$0.isEmpty }
        return HTTPURL(
            scheme: scheme,
            host: authority.host,
            port: authority.port,
            target: repository == nil && rest.isEmpty ? "/v2/" : parts.joined(separator: "/")
        )
    }

    /// The repository's path as this host names it, which is what a token is asked for.
    func path(of repository: String) -> String { pathPrefix.isEmpty ? repository : "\(pathPrefix)/\(repository)" }
}

/// Which hosts answer for which registry, from the configuration.
package struct EndpointResolver: Sendable {
    private var configuration: SlipwayConfiguration
    /// Domains that may speak plain HTTP where they speak no TLS.
    private var plainDomains: Set<String> = []
    /// Directories laid out as docker's `/etc/docker/certs.d`: `HOST/*.crt`, `HOST/NAME.cert` with `HOST/NAME.key`.
    private let certificates: [String: TLSTrust]

    /// - Parameters:
    ///   - configuration: the user's.
    ///   - certificates: what `HostCertificates` found, by host.
    package init(_ configuration: SlipwayConfiguration, certificates: [String: TLSTrust] = [:]) {
        self.configuration = configuration
        self.certificates = certificates
    }

    /// The same, but a host may speak plain HTTP, and its certificates are trusted unseen.
    package func trusting(_ domain: String) -> EndpointResolver {
        var resolver = self
        resolver.configuration.registries[domain, default: SlipwayConfiguration.RegistryTable()].insecure = true
        resolver.plainDomains.insert(domain)
        return resolver
    }

    /// The hosts to ask for content: the mirrors in their order, then the registry.
    package func pullEndpoints(for domain: String) throws(RegistryError) -> [Endpoint] {
        var endpoints: [Endpoint] = []
        for text in table(for: domain).mirrors {
            guard let mirror = MirrorAddress(parsing: text) else {
                throw .invalidURL(text, reason: "it is not a mirror's address")
            }
            endpoints.append(
                try endpoint(
                    host: mirror.host,
                    domain: mirror.host,
                    scheme: mirror.scheme,
                    path: mirror.path,
                    isMirror: true
                )
            )
        }
        endpoints.append(try originEndpoint(for: domain))
        return endpoints
    }

    /// The registry itself.
    package func originEndpoint(for domain: String) throws(RegistryError) -> Endpoint {
        let host = domain == "docker.io" ? "registry-1.docker.io" : domain
        return try endpoint(host: host, domain: domain, scheme: nil, path: "", isMirror: false)
    }

    private func table(for domain: String) -> SlipwayConfiguration.RegistryTable {
        configuration.registries[domain] ?? SlipwayConfiguration.RegistryTable()
    }

    private func endpoint(
        host: String,
        domain: String,
        scheme: HTTPURL.Scheme?,
        path: String,
        isMirror: Bool
    ) throws(RegistryError) -> Endpoint {
        guard let authority = Authority(parsing: host) else { throw .invalidURL(host, reason: "the host is not valid") }
        let table = table(for: domain)
        var trust = certificates[domain] ?? TLSTrust()
        trust.authorities += table.authorities
        trust.keyPairs = table.keyPairs + trust.keyPairs
        let isLoopback = HostPolicy.reach(of: authority.host) == .loopback
        let schemes: [HTTPURL.Scheme]
        if let scheme {
            schemes = [scheme]
        } else if let http = table.http {
            schemes = [http ? .http : .https]
        } else if isLoopback || plainDomains.contains(domain) {
            // As docker does for 127.0.0.0/8: nobody is between us and a registry on this machine.
            schemes = [.https, .http]
        } else {
            schemes = [.https]
        }
        trust.verifies =
            !table.insecure && !(isLoopback && table.http == nil && scheme == nil && trust.authorities.isEmpty)
        return Endpoint(
            domain: domain,
            authority: authority,
            schemes: schemes,
            pathPrefix: path,
            isMirror: isMirror,
            trust: trust,
            authHosts: table.authHosts
        )
    }
}
