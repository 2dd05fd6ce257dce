import GRDB
import Glibc
import Images
import LinuxSystem
import OCI
import Snapshots
import Storage
import Synchronization
import SystemPackage
import Text

/// The containers that tests have noted, by the directory of the store.
private let containers = Mutex<[FilePath: [ImageUser]]>([:])

/// Lends an image store in a directory of its own, which is removed when the test is over.
func withImages<Value>(_ body: (ImageStore) async throws -> Value) async throws -> Value {
    var template = Array("/tmp/slipway-images-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw SystemCallError("mkdtemp", errno: Errno(rawValue: errno)) }
    let root = FilePath(platformString: template)
    do {
        let store = try await Store.open(
            at: root.appending("store"),
            tables: StoreTables([LayerTable.self, ImageTable.self])
        )
        let images = ImageStore(store: store) { [path = store.root] _ in containers.withLock { $0[path] ?? [] } }
        let value = try await body(images)
        await store.close()
        try await onBlockingPool { try removeTree(root) }
        return value
    } catch {
        try await onBlockingPool { try removeTree(root) }
        throw error
    }
}

extension ImageStore {
    /// Keeps an image with as many layers of 100 bytes as there are numbers; equal numbers are equal layers.
    @discardableResult
    func addSample(
        _ names: String...,
        layers numbers: [Int] = [1],
        created: String = "2026-01-02T03:04:05Z",
        labels: [String: String] = [:],
        digests: [String] = []
    ) async throws -> Digest {
        var configuration = ImageConfiguration(platform: Platform(os: "linux", architecture: "amd64"))
        configuration.created = created
        configuration.config = ContainerDefaults()
        configuration.config?.labels = labels
        configuration.rootFileSystem.diffIDs = numbers.map { Digest.sha256(of: "layer \($0)") }
        configuration.history = numbers.map { HistoryEntry(created: created, createdBy: "step \($0)", comment: "made") }
        let diffIDs = configuration.rootFileSystem.diffIDs
        let layers = try await store.database.write { db in
            try diffIDs.map { diffID in
                if let id = try LayerID.fetchOne(
                    db,
                    sql: "SELECT id FROM layers WHERE diff_id = ?",
                    arguments: [diffID]
                ) {
                    return id
                }
                try db.execute(
                    sql: "INSERT INTO layers (diff_id, size, created, last_used) VALUES (?, 100, 0, 0)",
                    arguments: [diffID]
                )
                let id = LayerID(rawValue: db.lastInsertedRowID)
                try db.execute(
                    sql: "INSERT INTO layer_blobs (layer_id, digest, media_type, size) VALUES (?, ?, 'x', 7)",
                    arguments: [id, diffID]
                )
                return id
            }
        }
        var image = NewImage(configuration: try StrictJSON.encode(configuration), layers: layers)
        image.names = try names.map { try ImageReference(parsing: $0) }
        image.repositoryDigests = try digests.map { try ImageReference(parsing: $0) }
        return try await add(image)
    }

    /// Notes a container of an image, as the code that runs containers does.
    func addContainer(_ id: String, of image: Digest, isRunning: Bool) async throws {
        let user = ImageUser(
            id: id,
            name: "name-\(id)",
            image: image,
            imageName: "",
            created: 0,
            isRunning: isRunning
        )
        containers.withLock { $0[store.root, default: []].append(user) }
    }
}
