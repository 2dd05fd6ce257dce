internal import HTTP
internal import LinuxSystem
internal import Settings
package import SystemPackage

extension RegistryClient.Configuration {
    /// What the machine and the user have set: `slipway.toml`, certificates by host, docker's credentials,
    /// `SSL_CERT_FILE`, proxies.
    /// - Parameters:
    ///   - file: `slipway.toml`; it need not exist.
    ///   - environment: of the process.
    ///   - certificateDirectories: laid out as docker's `/etc/docker/certs.d`.
    /// - Returns: a configuration that the caller may change before it makes a client of it.
    /// - Throws: `RegistryError.invalidConfiguration` naming file and key, `SystemCallError`.
    package static func standard(
        file: FilePath = "/etc/slipway/slipway.toml",
        environment: [String: String],
        certificateDirectories: [FilePath] = HostCertificates.directories
    ) async throws -> RegistryClient.Configuration {
        let (tables, certificates) = try await onBlockingPool {
            (try SlipwayConfiguration(reading: file), try HostCertificates.read(certificateDirectories))
        }
        var configuration = RegistryClient.Configuration(
            endpoints: EndpointResolver(tables, certificates: certificates),
            credentials: DockerCredentials(path: DockerCredentials.defaultPath(environment: environment))
        )
        if let path = environment["SSL_CERT_FILE"], !path.isEmpty { configuration.systemAuthorities = FilePath(path) }
        configuration.proxies = ProxySettings(environment: environment)
        return configuration
    }
}
