package import OCI

/// Brings blobs into the store from wherever they are known to be, as a registry.
package protocol BlobProvider: Sendable {
    /// Fetches a blob; it is in the store when this returns.
    func fetch(_ descriptor: Descriptor) async throws
}

/// A provider that has nothing: for stores whose layers are all local.
package struct NoBlobProvider: BlobProvider {
    package struct NotAvailable: Error, CustomStringConvertible {
        package let digest: Digest
        package var description: String { "blob \(digest) is not in the store and no registry is known to have it" }
    }

    package init() {}

    package func fetch(_ descriptor: Descriptor) async throws { throw NotAvailable(digest: descriptor.digest) }
}
