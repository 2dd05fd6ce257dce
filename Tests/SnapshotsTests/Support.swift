import Archive
import Fakes
import Foundation
import Glibc
import LinuxSystem
import OCI
import Snapshots
import Storage
import Synchronization
import SystemPackage

/// Lends the layers of a store of its own, which is removed when the test is over.
///
/// Trees are copied: neither a mount nor root is needed.
func withSnapshots<Value>(
    fetching provider: any BlobProvider = NoBlobProvider(),
    _ body: (SnapshotStore) async throws -> Value
) async throws -> Value {
    try await withTemporaryDirectory { root in
        let store = try await Store.open(at: root.appending("store"), tables: StoreTables([LayerTable.self]))
        let value = try await body(SnapshotStore(store: store, blobProvider: provider, means: .copying))
        await store.close()
        return value
    }
}

extension SnapshotStore {
    /// The layers for a test: what it uses is held until the process ends.
    var lasting: LeasedSnapshots { get async throws { leased(by: try await store.lastingLease) } }

    /// Makes a layer of files with these contents; a path that ends with a slash is a directory.
    func layer(on tree: FileTree = .empty, _ files: [String: String]) async throws -> LayerID {
        try await layer(on: tree) { root in
            for (path, text) in files { try write(text, to: root.appending(path: path)) }
        }
    }

    /// Makes a layer of what is done in the root of a tree.
    func layer(on tree: FileTree = .empty, changing change: (URL) throws -> Void) async throws -> LayerID {
        try await lasting.withActiveSnapshot(on: tree) { try change(URL(filePath: $0.root.string)) }.layer
    }

    /// What a tree shows: the text of each file by its path; of a directory "/".
    func contents(of layers: LayerID...) async throws -> [String: String] {
        try await lasting.withDiscardedSnapshot(on: FileTree(layers: layers)) { active in
            let root = URL(filePath: active.root.string)
            return try FileManager.default.subpathsOfDirectory(atPath: root.path).reduce(into: [:]) { found, path in
                let file = root.appending(path: path)
                let isDirectory = try file.resourceValues(forKeys: [.isDirectoryKey]).isDirectory == true
                found[path] = isDirectory ? "/" : try String(contentsOf: file, encoding: .utf8)
            }
        }
    }

    /// The names in a layer's archive, sorted.
    func archivedNames(of layer: LayerID) async throws -> [String] {
        let archive = Collector()
        try await lasting.writeArchive(of: layer, to: archive)
        return try await onBlockingPool {
            let reader = TarReader(MemorySource(archive.bytes))
            var names: [String] = []
            while let entry = try reader.next() { names.append(String(decoding: entry.path, as: UTF8.self)) }
            return names.sorted()
        }
    }

    /// A layer that came as an archive with these members, neither read nor unpacked yet.
    func arrivedLayer(_ members: KeyValuePairs<String, String>, diffID: Digest? = nil) async throws -> LayerID {
        let bytes = try await onBlockingPool { try archive(members) }
        let digest = try await store.blobs.put(bytes, in: store.lastingLease)
        let blob = Descriptor(mediaType: .ociLayer, digest: digest, size: Int64(bytes.count))
        return try await layer(diffID: diffID ?? digest, blob: blob, isChecked: false, in: store.lastingLease)
    }

    /// Takes a blob of another store's layer in, as one that is claimed to be a layer's.
    func arrivedLayer(_ blob: Descriptor, from other: SnapshotStore, diffID: Digest) async throws -> LayerID {
        _ = try await store.blobs.put(try await other.store.blobs.read(blob.digest), in: store.lastingLease)
        return try await layer(diffID: diffID, blob: blob, isChecked: false, in: store.lastingLease)
    }
}

/// Writes a file and the directories that it needs.
func write(_ text: String, to file: URL) throws {
    if file.hasDirectoryPath {
        return try FileManager.default.createDirectory(at: file, withIntermediateDirectories: true)
    }
    try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(text.utf8).write(to: file)
}

/// A tar archive; a name that ends with a slash is a directory.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
func archive(_ members: KeyValuePairs<String, String>) throws -> [UInt8] {
    let sink = MemorySink()
    let writer = TarWriter(sink)
    for (name, text) in members {
        let isDirectory = name.hasSuffix("/")
        var entry = TarEntry(path: Array(name.utf8), kind: isDirectory ? .directory : .regular)
        entry.mode = isDirectory ? 0o755 : 0o644
        (entry.userID, entry.groupID) = (geteuid(), getegid())
        entry.size = Int64(text.utf8.count)
        try writer.begin(entry)
        try writer.write(Array(text.utf8))
    }
    try writer.finish()
    return sink.bytes
}

/// Keeps what is written to it.
final class Collector: ByteSink, Sendable {
    private let collected = Mutex<[UInt8]>([])
    var bytes: [UInt8] { collected.withLock { $0 } }
    func write(_ bytes: UnsafeRawBufferPointer) { collected.withLock { $0 += bytes } }
}
