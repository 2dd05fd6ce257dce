internal import GRDB
internal import LinuxSystem
internal import OCI
internal import Snapshots
internal import Storage
internal import SystemPackage
internal import Text

/// What `system df` shows: what takes how much of the disk, and how much of it nobody uses.
package struct SystemUsage: Sendable {
    /// One line of the table.
    package struct Row: Sendable, Hashable {
        package enum Kind: String, Sendable, Hashable, CaseIterable {
            case images = "Images"
            case containers = "Containers"
            case volumes = "Local Volumes"
            case buildCache = "Build Cache"
        }

        package let kind: Kind
        package let total: Int
        /// How many of them are in use.
        package let active: Int
        /// In bytes; what several share counts once.
        package let size: Int64
        package let reclaimable: Int64

        package init(kind: Kind, total: Int, active: Int, size: Int64, reclaimable: Int64) {
            self.kind = kind
            self.total = total
            self.active = active
            self.size = size
            self.reclaimable = reclaimable
        }
    }

    /// A container as far as its disk usage goes.
    package struct Container: Sendable, Hashable {
        package let id: String
        package let name: String
        package let image: String
        package let isRunning: Bool
        /// Bytes of its directory: changed files, logs.
        package let size: Int64
    }

    package let rows: [Row]
    package let images: [ImageSummary]
    package let containers: [Container]
}

extension ImageStore {
    /// The disk usage of images and containers.
    ///
    /// `isRunning` says of a container (by its id) whether it runs now; nil believes what the store last noted.
    package func systemUsage(isRunning: (@Sendable (String) async -> Bool)? = nil) async throws -> SystemUsage {
        let usage = try await store.diskUsage()
        let images = try await list()
        let (users, active) = try await store.database.read { [users] db in
            let users = try users(db)
            return (users, try Self.activeBytes(users, in: db))
        }
        var containers: [SystemUsage.Container] = []
        for container in users.sorted(by: { ($1.created, $0.id) < ($0.created, $1.id) }) {
            let runs = if let isRunning { await isRunning(container.id) } else { container.isRunning }
            let directory = store.layout.containers.appending(container.id)
            let size = try await onBlockingPool { try treeSize(directory) }
            containers.append(
                SystemUsage.Container(
                    id: container.id,
                    name: container.name,
                    image: container.imageName,
                    isRunning: runs,
                    size: size
                )
            )
        }
        let imageBytes = usage.imageLayers + usage.blobs
        let rows = [
            SystemUsage.Row(
                kind: .images,
                total: images.count,
                active: images.count { $0.containers > 0 },
                size: imageBytes,
                reclaimable: max(0, imageBytes - active)
            ),
            SystemUsage.Row(
                kind: .containers,
                total: containers.count,
                active: containers.count(where: \.isRunning),
                size: containers.reduce(0) { $0 + $1.size },
                reclaimable: containers.reduce(0) { $0 + ($1.isRunning ? 0 : $1.size) }
            ),
        ]
        return SystemUsage(rows: rows, images: images, containers: containers)
    }

    /// Bytes of the layers, unpacked and as blobs, of images that containers were made of.
    private static func activeBytes(_ users: [ImageUser], in db: Database) throws -> Int64 {
        let images = Set(users.compactMap(\.image))
        let sql = "SELECT layer_id FROM image_layers WHERE image_id IN (SELECT value FROM json_each(?))"
        let layers = try LayerID.fetchSet(db, sql: sql, arguments: [Digest.json(images)]).union(users.flatMap(\.layers))
        let blobs = try LayerTable.blobs(of: layers, in: db).union(images)
        return try LayerTable.unpackedBytes(of: layers, in: db) + BlobTable.bytes(of: blobs, in: db)
    }
}

/// Bytes on the disk of a directory tree; nothing there is 0.
///
/// Links are not followed, hard links count each time.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
private func treeSize(_ path: FilePath) throws -> Int64 {
    let root: RootedDirectory
    do throws(SystemCallError) {
        root = try RootedDirectory(path)
    } catch {
        if error.errno == .noSuchFileOrDirectory { return 0 }
        throw error
    }
    var total: Int64 = 0
    var pending: [FilePath] = ["."]
    while let directory = pending.popLast() {
        for name in try root.entriesIfPresent(of: directory) {
            let entry = FilePath(bytes: directory.bytes + "/" + name)
            guard let status = try root.statusIfPresent(entry) else { continue }
            total += status.blocks * 512
            if status.type == .directory { pending.append(entry) }
        }
    }
    return total
}
