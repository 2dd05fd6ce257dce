internal import Archive
internal import GRDB
internal import LinuxSystem
internal import OCI
package import Snapshots
package import Storage

extension SnapshotStore: ImageLayers {
    /// How many bytes the layer's archive has without compression; found out once and remembered.
    package func archiveSize(of layer: LayerID, in lease: Lease) async throws -> Int64 {
        let known = try await store.database.read { db in
            try Int64.fetchOne(db, sql: "SELECT archive_size FROM layers WHERE id = ?", arguments: [layer])
        }
        if let known { return known }
        let plain: [MediaType] = [.ociLayer, .dockerLayer]
        if let blob = try await info(of: layer).blobs.first(where: { plain.contains($0.mediaType) }) {
            return blob.size
        }
        let counter = CountingSink()
        try await leased(by: lease).writeArchive(of: layer, to: counter)
        let size = counter.count
        try await store.database.write { db in
            try db.execute(sql: "UPDATE layers SET archive_size = ? WHERE id = ?", arguments: [size, layer])
        }
        return size
    }

    /// Gives out the layer's archive without compression, in pieces and in order.
    package func writeArchive(
        of layer: LayerID,
        in lease: Lease,
        to write: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Void
    ) async throws {
        try await leased(by: lease).writeArchive(of: layer, to: ForwardingSink(write))
    }
}

private final class ForwardingSink: ByteSink, Sendable {
    private let body: @Sendable (UnsafeRawBufferPointer) throws -> Void

    init(_ body: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Void) { self.body = body }

    func write(_ bytes: UnsafeRawBufferPointer) throws { try body(bytes) }
}

/// Counts what is written to it.
private final class CountingSink: ByteSink, @unchecked Sendable {
    // Written on the one thread that writes the archive, read after that has ended.
    private(set) var count: Int64 = 0

    func write(_ bytes: UnsafeRawBufferPointer) throws { count += Int64(bytes.count) }
}
