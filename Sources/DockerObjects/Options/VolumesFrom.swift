package import Containers
package import Terminal

/// `CONTAINER[:ro|rw]`.
package struct VolumesFrom: Sendable, Hashable {
    package let container: String
    /// Nil is as the other container has each.
    package var isReadOnly: Bool?

    package init(_ bytes: [UInt8]) throws(FlagValueError) {
        let text = try FlagValues.text(bytes)
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard parts.count <= 2, !parts[0].isEmpty else { throw FlagValueError("invalid volumes-from: \(text)") }
        container = parts[0]
        switch parts.count == 2 ? parts[1] : nil {
        case nil: break
        case "ro"?: isReadOnly = true
        case "rw"?, "z"?, "Z"?: isReadOnly = false
        case let mode?: throw FlagValueError("invalid mode: \(mode)")
        }
    }
}

extension [VolumesFrom] {
    /// The mounts that are asked for, and those of other containers at places that are still free.
    package func joining(
        _ own: [ContainerMount],
        in containers: ContainerStore
    ) async throws -> [ContainerMount] {
        var mounts = own
        for source in self {
            let container = try await containers.container(source.container)
            for var mount in container.configuration.mounts where !mounts.contains(where: { $0.target == mount.target })
            {
                if case .tmpfs = mount.kind { continue }
                if let isReadOnly = source.isReadOnly { mount.isReadOnly = isReadOnly }
                mounts.append(mount)
            }
        }
        return mounts
    }
}
