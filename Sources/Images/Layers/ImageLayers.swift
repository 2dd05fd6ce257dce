package import OCI
package import Storage

/// The layers of images, as those see them who move images whole: known by their diff ids, readable as archives.
package protocol ImageLayers: Sendable {
    /// The layer of a diff id, which can be unpacked from a blob; neither is fetched or unpacked.
    ///
    /// `isChecked` says that the blob has been read and has that diff id.
    func layer(diffID: Digest, blob: Descriptor, isChecked: Bool, in lease: Lease) async throws -> LayerID

    /// How many bytes the layer's archive has without compression.
    func archiveSize(of layer: LayerID, in lease: Lease) async throws -> Int64

    /// Gives out the layer's archive without compression, byte for byte that of its diff id, in pieces and in order.
    ///
    /// `write` is called on a thread that may block, never twice at a time.
    /// - Throws: at the end, where the bytes are not those of `diffID`.
    func writeArchive(
        of layer: LayerID,
        expecting diffID: Digest,
        in lease: Lease,
        to write: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Void
    ) async throws
}
