package import OCI

/// Blobs that a client keeps by their digests: a layout directory, or one of a build cache.
///
/// What comes from it is only claimed to be what its digest says.
package protocol ContentStore: Sendable {
    /// What messages call it.
    var name: String { get }

    /// The size of a blob; nil where the store does not have it.
    func size(of digest: Digest) async throws -> Int64?

    /// Gives out the bytes of a blob from an offset on.
    func read(_ digest: Digest, from offset: Int64, _ receive: ([UInt8]) async throws -> Void) async throws

    /// Adds a blob, unless the store has it.
    /// - Parameters:
    ///   - digest: what the store compares the bytes with.
    ///   - size: how many bytes there are.
    ///   - content: sends the bytes, piece by piece; not called for a blob that the store has.
    /// - Throws: what `content` throws, and what goes wrong with the connection.
    func write(
        _ digest: Digest,
        size: Int64,
        _ content: @escaping @Sendable (_ send: @Sendable ([UInt8]) async throws -> Void) async throws -> Void
    ) async throws
}

extension ContentStore {
    /// A document, compared with its digest.
    /// - Parameters:
    ///   - digest: its digest.
    ///   - size: what something else says of its size; nil for nothing.
    ///   - limit: how many bytes it may have.
    /// - Returns: the bytes.
    /// - Throws: `ClientServiceError`, and what goes wrong with the connection.
    package func document(_ digest: Digest, size: Int64? = nil, limit: Int) async throws -> [UInt8] {
        guard let actual = try await self.size(of: digest) else {
            throw ClientServiceError.blobMissing(digest, store: name)
        }
        if let size, size != actual {
            throw ClientServiceError.wrongBlob(
                digest,
                store: name,
                reason: "has \(actual) bytes, and \(size) are expected"
            )
        }
        let tooLarge = ClientServiceError.wrongBlob(digest, store: name, reason: "has more than \(limit) bytes")
        if actual > Int64(limit) { throw tooLarge }
        var bytes: [UInt8] = []
        try await read(digest, from: 0) { piece in
            bytes += piece
            if bytes.count > limit { throw tooLarge }
        }
        var digester = Digester(digest.algorithm)
        digester.update(bytes)
        let found = digester.finalize()
        guard found == digest else {
            throw ClientServiceError.wrongBlob(digest, store: name, reason: "has the digest \(found)")
        }
        return bytes
    }
}
