package import SystemPackage

/// How TLS is spoken to a host.
package struct TLSTrust: Hashable, Sendable {
    /// A client certificate with its private key, both PEM files.
    package struct KeyPair: Sendable, Hashable {
        package var certificate: FilePath
        package var key: FilePath

        package init(certificate: FilePath, key: FilePath) {
            self.certificate = certificate
            self.key = key
        }
    }

    package var verifies = true
    package var authorities: [FilePath] = []
    package var keyPairs: [KeyPair] = []

    package init() {}
}
