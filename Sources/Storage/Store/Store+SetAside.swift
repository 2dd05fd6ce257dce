internal import LinuxSystem
package import SystemPackage

extension Store {
    /// The directories of layers that were set aside, those that were set aside last first.
    package func snapshotsSetAside() async throws -> [FilePath] {
        try await onBlockingPool { [layout] in
            guard try HostFiles.status(of: layout.quarantine) != nil else { return [] }
            let prefix = Array("snapshots-".utf8)
            return try HostFiles.entries(of: layout.quarantine).reversed().flatMap { time in
                let place = layout.quarantine.appending(name: time)
                return try HostFiles.entries(of: place).filter { $0.starts(with: prefix) }
                    .map { place.appending(name: $0) }
            }
        }
    }
}
