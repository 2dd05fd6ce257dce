package import HTTP
internal import LinuxSystem
package import SystemPackage
internal import Text

/// Certificates by host in docker's layout, `/etc/docker/certs.d/HOST[:PORT]/`: `*.crt` are authorities, `NAME.cert` with
/// `NAME.key` is a client certificate.
package enum HostCertificates {
    /// Where docker and Slipway look.
    package static let directories: [FilePath] = ["/etc/slipway/certs.d", "/etc/docker/certs.d"]

    /// Reads the directories; one that does not exist is empty.
    /// - Throws: `SettingsError.invalid` for a certificate without its key, `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func read(_ directories: [FilePath]) throws -> [String: TLSTrust] {
        var found: [String: TLSTrust] = [:]
        for directory in directories {
            for name in try entries(of: directory) {
                guard let host = String(validating: name, as: UTF8.self), Authority(parsing: host) != nil else {
                    continue
                }
                let trust = try trust(in: directory.appending(name: name))
                found[host, default: TLSTrust()].authorities += trust.authorities
                found[host, default: TLSTrust()].keyPairs += trust.keyPairs
            }
        }
        return found
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func trust(in directory: FilePath) throws -> TLSTrust {
        var trust = TLSTrust()
        let files = try entries(of: directory).map { directory.appending(name: $0) }
        for file in files {
            switch file.extension {
            case "crt": trust.authorities.append(file)
            case "cert":
                guard let stem = file.stem else { continue }
                let key = directory.appending("\(stem).key")
                guard files.contains(key) else {
                    throw SettingsError.invalid(
                        file: escapedForDisplay(file.bytes),
                        key: nil,
                        reason: "the certificate's key \(escapedForDisplay(key.bytes)) is missing"
                    )
                }
                trust.keyPairs.append(TLSTrust.KeyPair(certificate: file, key: key))
            default: continue
            }
        }
        return trust
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func entries(of directory: FilePath) throws -> [[UInt8]] {
        do throws(SystemCallError) {
            return try RootedDirectory(directory).entries()
        } catch {
            if error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory { return [] }
            throw error
        }
    }
}
