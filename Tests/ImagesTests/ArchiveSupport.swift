import Archive
import GRDB
import Glibc
import Images
import LinuxSystem
import OCI
import Storage
import SystemPackage

/// Layers that exist as blobs only, read by decompressing them.
struct BlobLayers: ImageLayers {
    let store: Store

    func layer(diffID: Digest, blob: Descriptor, isChecked: Bool, in lease: Lease) async throws -> LayerID {
        let id = try await store.database.write { db in
            if let id = try LayerID.fetchOne(db, sql: "SELECT id FROM layers WHERE diff_id = ?", arguments: [diffID]) {
                return id
            }
            try db.execute(
                sql: "INSERT INTO layers (diff_id, created, last_used) VALUES (?, 0, 0)",
                arguments: [diffID]
            )
            let id = LayerID(rawValue: db.lastInsertedRowID)
            try db.execute(
                sql: "INSERT INTO layer_blobs (layer_id, digest, media_type, size) VALUES (?, ?, ?, ?)",
                arguments: [id, blob.digest, blob.mediaType.rawValue, blob.size]
            )
            return id
        }
        try await lease.hold([.layer(id)])
        return id
    }

    func archiveSize(of layer: LayerID, in lease: Lease) async throws -> Int64 {
        Int64(try await content(of: layer).count)
    }

    func writeArchive(
        of layer: LayerID,
        expecting diffID: Digest,
        in lease: Lease,
        to write: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Void
    ) async throws {
        let bytes = try await content(of: layer)
        try await onBlockingPool { try bytes.withUnsafeBytes { try write($0) } }
    }

    private func content(of layer: LayerID) async throws -> [UInt8] {
        let digest = try await store.database.read { db in
            try Digest.fetchOne(db, sql: "SELECT digest FROM layer_blobs WHERE layer_id = ?", arguments: [layer])
        }
        guard let digest else { return [] }
        let bytes = try await store.blobs.read(digest)
        return try await onBlockingPool { try decompressing(MemorySource(bytes)).source.readToEnd() }
    }
}

/// What goes into an archive of a test.
enum Member {
    case file(String, [UInt8])
    case text(String, String)
    case link(String, to: String)
    case hardLink(String, to: String)
    case directory(String)
    case device(String)
    case pipe(String)
}

/// A tar archive of these members.
func makeArchive(_ members: [Member], compression: Compression = .uncompressed) async throws -> [UInt8] {
    try await onBlockingPool {
        let sink = MemorySink()
        let compressed = try compressing(into: sink, compression, threads: 1)
        let writer = TarWriter(compressed)
        for member in members {
            var content: [UInt8] = []
            var entry: TarEntry
            switch member {
            case .file(let path, let bytes):
                entry = TarEntry(path: Array(path.utf8), kind: .regular)
                content = bytes
            case .text(let path, let text):
                entry = TarEntry(path: Array(path.utf8), kind: .regular)
                content = Array(text.utf8)
            case .link(let path, let target):
                entry = TarEntry(path: Array(path.utf8), kind: .symbolicLink(target: Array(target.utf8)))
            case .hardLink(let path, let target):
                entry = TarEntry(path: Array(path.utf8), kind: .hardLink(target: Array(target.utf8)))
            case .directory(let path): entry = TarEntry(path: Array(path.utf8), kind: .directory, mode: 0o755)
            case .device(let path): entry = TarEntry(path: Array(path.utf8), kind: .characterDevice(major: 1, minor: 3))
            case .pipe(let path): entry = TarEntry(path: Array(path.utf8), kind: .fifo)
            }
            entry.size = Int64(content.count)
            try writer.begin(entry)
            if !content.isEmpty { try writer.write(content) }
        }
        try writer.finish()
        try compressed.finish()
        return sink.bytes
    }
}

/// Lends an archiver on a store of its own and a directory for files.
func withArchiver<Value>(_ body: (ImageArchiver, FilePath) async throws -> Value) async throws -> Value {
    try await withImages { images in
        let scratch = images.store.root.removingLastComponent().appending("files")
        try await onBlockingPool { _ = try HostFiles.createDirectory(scratch) }
        return try await body(ImageArchiver(images: images, layers: BlobLayers(store: images.store)), scratch)
    }
}

extension ImageArchiver {
    /// Loads an archive that is in memory.
    func load(bytes: [UInt8], in scratch: FilePath, platforms: [Platform] = []) async throws -> [LoadedImage] {
        try await load(try await file(bytes, in: scratch), platforms: platforms)
    }

    func file(_ bytes: [UInt8], in scratch: FilePath) async throws -> OpenFile {
        try await onBlockingPool {
            let path = scratch.appending("input-\(UInt32.random(in: .min ... .max))")
            try OpenFile.open(path, [.writeOnly, .create]).write(bytes)
            return try OpenFile.open(path, .readOnly)
        }
    }

    /// The bytes of a saved archive.
    func saved(_ names: [String], in scratch: FilePath) async throws -> [UInt8] {
        let path = scratch.appending("saved-\(UInt32.random(in: .min ... .max)).tar")
        try await save(names, to: path)
        return try await onBlockingPool { try OpenFile.open(path, .readOnly).readToEnd() }
    }

    /// Makes an image of one file.
    @discardableResult
    func importSample(_ name: String, content: String = "hello\n", in scratch: FilePath) async throws -> Digest {
        let archive = try await makeArchive([.directory("etc"), .text("etc/motd", content)])
        return try await importFileSystem(
            try await file(archive, in: scratch),
            name: try ImageReference(parsing: name),
            created: FileTime(seconds: 1_700_000_000)
        )
    }
}
