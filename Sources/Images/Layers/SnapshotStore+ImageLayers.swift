internal import Archive
internal import LinuxSystem
package import OCI
package import Snapshots
package import Storage

extension SnapshotStore: ImageLayers {
    /// How many bytes the layer's archive has without compression; found out once and remembered.
    package func archiveSize(of layer: LayerID, in lease: Lease) async throws -> Int64 {
        if let known = try await knownArchiveSize(of: layer) { return known }
        let plain: [MediaType] = [.ociLayer, .dockerLayer]
        if let blob = try await info(of: layer).blobs.first(where: { plain.contains($0.mediaType) }) {
            return blob.size
        }
        let counter = CountingSink()
        try await leased(by: lease).writeArchive(of: layer, to: counter)
        try await noteArchiveSize(counter.count, of: layer)
        return counter.count
    }

    /// Gives out the layer's archive without compression, in pieces and in order.
    package func writeArchive(
        of layer: LayerID,
        expecting diffID: Digest,
        in lease: Lease,
        to write: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Void
    ) async throws {
        try await leased(by: lease).writeArchive(of: layer, expecting: diffID, to: ForwardingSink(write))
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
