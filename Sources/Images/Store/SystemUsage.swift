internal import GRDB
internal import LinuxSystem
internal import OCI
package import Storage
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
    package let buildCache: [CacheUsage]
}

extension ImageStore {
    /// The disk usage of everything in the store.
    ///
    /// `isRunning` says of a container (by its id) whether it runs now; nil believes what the store last noted.
    package func systemUsage(isRunning: (@Sendable (String) async -> Bool)? = nil) async throws -> SystemUsage {
        let usage = try await store.diskUsage()
        let cache = try await store.buildCache()
        let images = try await list()
        let active = try await store.database.read { db in try Self.activeBytes(in: db) }
        var containers: [SystemUsage.Container] = []
        for container in try await noted() {
            let runs = if let isRunning { await isRunning(container.id) } else { container.isRunning }
            let directory = store.layout.containers.appending(container.id)
            let size = try await onBlockingPool { try treeSize(directory) }
            containers.append(
                SystemUsage.Container(
                    id: container.id,
                    name: container.name,
                    image: container.image,
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
            SystemUsage.Row(kind: .volumes, total: 0, active: 0, size: 0, reclaimable: 0),
            SystemUsage.Row(
                kind: .buildCache,
                total: cache.count,
                active: 0,
                size: usage.cacheLayers,
                reclaimable: usage.cacheLayers
            ),
        ]
        return SystemUsage(rows: rows, images: images, containers: containers, buildCache: cache)
    }

    private func noted() async throws -> [(id: String, name: String, image: String, isRunning: Bool)] {
        try await store.database.read { db in
            try Row.fetchAll(db, sql: "SELECT id, name, image_name, running FROM containers ORDER BY created DESC, id")
                .map { ($0[0], $0[1], $0[2], $0[3]) }
        }
    }

    /// Bytes of the layers, unpacked and as blobs, of images that containers were made of.
    private static func activeBytes(in db: Database) throws -> Int64 {
        let used = """
            SELECT layer_id FROM image_layers JOIN containers USING (image_id)
            UNION SELECT layer_id FROM container_layers
            """
        let files = "SELECT sum(COALESCE(size, 0)) FROM layers WHERE unpacked = 1 AND id IN (\(used))"
        let blobs = """
            SELECT sum(size) FROM blobs WHERE digest IN (SELECT digest FROM layer_blobs WHERE layer_id IN (\(used)))
            OR digest IN (SELECT image_id FROM containers)
            """
        return (try Int64.fetchOne(db, sql: files) ?? 0) + (try Int64.fetchOne(db, sql: blobs) ?? 0)
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
