package import Containers
package import Images

/// The disk usage of one volume.
package struct VolumeUsage: Sendable {
    package let volume: VolumeRecord
    /// How many containers have it.
    package let links: Int
    package let size: Int64

    /// All volumes.
    package static func all(_ containers: ContainerStore) async throws -> [VolumeUsage] {
        let users = try await containers.volumeUsers()
        var usage: [VolumeUsage] = []
        for volume in try await containers.listVolumes() {
            let size = try await containers.size(of: volume)
            usage.append(VolumeUsage(volume: volume, links: users[volume.name]?.count ?? 0, size: size))
        }
        return usage
    }

    /// What the table says of volumes.
    package static func row(_ volumes: [VolumeUsage]) -> SystemUsage.Row {
        SystemUsage.Row(
            kind: .volumes,
            total: volumes.count,
            active: volumes.count { $0.links > 0 },
            size: volumes.reduce(0) { $0 + $1.size },
            reclaimable: volumes.reduce(0) { $0 + ($1.links > 0 ? 0 : $1.size) }
        )
    }
}
