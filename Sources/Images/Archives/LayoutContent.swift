package import ClientServices
internal import LinuxSystem
package import OCI
package import Storage

/// The documents and blobs of images by their digests: a layout directory of this machine, or one that a client keeps.
package protocol LayoutContent: Sendable {
    /// A document, compared with its digest.
    /// - Parameters:
    ///   - digest: its digest.
    ///   - size: what something else says of its size; nil for nothing.
    /// - Returns: the bytes.
    /// - Throws: what is wrong with the layout.
    func document(_ digest: Digest, size: Int64?) async throws -> [UInt8]

    /// How many bytes a blob has.
    func size(of digest: Digest) async throws -> Int64

    /// Takes a blob into the store, compared with its digest and size.
    func take(_ blob: Descriptor, into blobs: BlobStore, in lease: Lease) async throws
}

extension ImageLayout: LayoutContent {
    package func document(_ digest: Digest, size: Int64?) async throws -> [UInt8] {
        try await onBlockingPool { try self.read(digest, size: size) }
    }

    package func size(of digest: Digest) async throws -> Int64 {
        try await onBlockingPool { try self.blob(digest).status().size }
    }

    package func take(_ blob: Descriptor, into blobs: BlobStore, in lease: Lease) async throws {
        let name = ImageLayout.name(of: blob.digest)
        do {
            try await blobs.ingest(in: lease, expecting: blob.digest, size: blob.size) { writer in
                try await onCancellablePool { isCancelled in
                    let file = try self.blob(blob.digest)
                    try withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 4096) { buffer in
                        while true {
                            if isCancelled() { throw CancellationError() }
                            let count = try file.read(into: buffer)
                            if count == 0 { return }
                            try writer.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                        }
                    }
                }
            }
        } catch StorageError.digestMismatch(_, let actual, _) {
            throw wrongDigest(name, actual)
        } catch StorageError.sizeMismatch(let expected, let actual) {
            throw wrongSize(name, expected, actual)
        }
    }
}

/// A layout that a client keeps.
package struct ClientLayout: LayoutContent {
    private let content: any ContentStore

    package init(_ content: any ContentStore) { self.content = content }

    package func document(_ digest: Digest, size: Int64?) async throws -> [UInt8] {
        try await content.document(digest, size: size, limit: StrictJSON.maximumSize)
    }

    package func size(of digest: Digest) async throws -> Int64 {
        guard let size = try await content.size(of: digest) else {
            throw ClientServiceError.blobMissing(digest, store: content.name)
        }
        return size
    }

    package func take(_ blob: Descriptor, into blobs: BlobStore, in lease: Lease) async throws {
        try await blobs.ingest(
            in: lease,
            expecting: blob.digest,
            size: blob.size,
            partialKey: blob.digest.description
        ) { writer in
            try await content.read(blob.digest, from: writer.offset) { try await writer.write($0) }
        }
    }
}

extension ContentStore {
    /// Sends a blob of the store to the client, who compares it with its digest.
    package func put(_ blob: Descriptor, from blobs: BlobStore) async throws {
        try await write(blob.digest, size: blob.size) { send in
            let file = try await onBlockingPool { try blobs.open(blob.digest) }
            try await file.pieces(send)
        }
    }

    /// Sends a document to the client.
    package func put(_ bytes: [UInt8], as digest: Digest) async throws {
        try await write(digest, size: Int64(bytes.count)) { send in try await send(bytes) }
    }
}
