package import LinuxSystem
package import Sandboxes
internal import Settings
package import SystemPackage

extension SlipwayConfiguration {
    /// What makes the networks of steps, as the file says.
    /// - Parameters:
    ///   - tag: what their interfaces on the host are called after.
    ///   - level: whose the host's networks are.
    ///   - scratch: makes empty directories.
    /// - Returns: it, with nothing made yet.
    /// - Throws: `SettingsError.invalid` naming file and key.
    package func networks(
        tag: String,
        level: PrivilegeLevel = .root,
        scratch: @escaping @Sendable () throws -> FilePath = SandboxNetworks.temporaryScratch
    ) throws -> SandboxNetworks {
        let mode = try networkMode.map { name in
            guard let mode = SandboxNetworks.Mode(rawValue: name) else {
                let known = SandboxNetworks.Mode.allCases.map(\.rawValue).joined(separator: ", ")
                throw SettingsError.invalid(
                    file: file,
                    key: "worker.oci.networkMode",
                    reason: "\"\(name)\" is not one of \(known)"
                )
            }
            return mode
        }
        return SandboxNetworks(
            name: tag,
            mode: mode ?? (level.mounts ? .automatic : .host),
            level: level,
            scratch: scratch,
            resolverLines: resolverLines
        )
    }

    private var resolverLines: SandboxConfiguration.ResolverLines? {
        var lines = dns.nameServers.map { "nameserver \($0)" }
        if !dns.searchDomains.isEmpty { lines.append("search " + dns.searchDomains.joined(separator: " ")) }
        if !dns.options.isEmpty { lines.append("options " + dns.options.joined(separator: " ")) }
        return lines.isEmpty ? nil : .init(lines, replacesNameServers: !dns.nameServers.isEmpty)
    }
}
