package import OCI
package import Storage

/// Brings blobs into the store from wherever they are known to be, as a registry.
package protocol BlobProvider: Sendable {
    /// Fetches a blob; it is in the store when this returns, and held by the lease.
    ///
    /// What is offered to the work that needs it is asked first.
    func fetch(_ descriptor: Descriptor, in lease: Lease, offers: BlobOffers?) async throws
}

/// A provider that has nothing: for stores whose layers are all local.
package struct NoBlobProvider: BlobProvider {
    package struct NotAvailable: Error, CustomStringConvertible {
        package let digest: Digest
        package var description: String { "blob \(digest) is not in the store and no known registry has it" }
    }

    package init() {}

    package func fetch(_ descriptor: Descriptor, in lease: Lease, offers: BlobOffers?) async throws {
        throw NotAvailable(digest: descriptor.digest)
    }
}
