package import HTTP
package import OCI
package import Registry
package import Snapshots
package import Storage
internal import Synchronization
internal import Tasks

/// Fetches blobs from the repositories that are known to have them, or from the addresses that images name: resumable,
/// and each only once however many ask.
package final class RegistryBlobProvider: BlobProvider {
    private let store: Store
    private let client: RegistryClient
    private let web: WebClient
    private let downloads = Downloads()

    package init(
        store: Store,
        client: RegistryClient,
        web: WebClient = WebClient(WebClient.Configuration())
    ) {
        self.store = store
        self.client = client
        self.web = web
    }

    /// Fetches a blob from the first of its repositories that gives it.
    ///
    /// What an earlier attempt left, of this process or another, is gone on from.
    /// - Throws: `RemoteImageError.noSource`, `RegistryError`, `StorageError`.
    package func fetch(_ descriptor: Descriptor, in lease: Lease, offers: BlobOffers?) async throws {
        try await fetch(descriptor, in: lease, offers: offers, observer: nil)
    }

    /// Fetches a blob from the first of its repositories that gives it.
    /// - Parameters:
    ///   - descriptor: the blob.
    ///   - lease: what holds it.
    ///   - observer: is told how many bytes there are so far.
    /// - Throws: as the other form.
    package func fetch(
        _ descriptor: Descriptor,
        in lease: Lease,
        observer: @escaping @Sendable (Int64) -> Void
    ) async throws {
        try await fetch(descriptor, in: lease, offers: nil, observer: observer)
    }

    private func fetch(
        _ descriptor: Descriptor,
        in lease: Lease,
        offers book: BlobOffers?,
        observer: (@Sendable (Int64) -> Void)?
    ) async throws {
        // Held before it is looked for: then it stays. Everyone who waits holds it: who began may be gone before it is
        // here.
        try await lease.hold([.blob(descriptor.digest)])
        if try await store.blobs.contains(descriptor.digest) { return }
        // What asks the caches of one build is no download for another build, which reads other caches.
        let offers = book.flatMap { $0.isOffered(descriptor.digest) ? $0 : nil }
        let key = Downloads.Key(digest: descriptor.digest, offers: offers.map { ObjectIdentifier($0) })
        try await downloads.join(key, observer: observer) { report in
            try await self.download(descriptor, lease, offers, report)
        }
    }

    private func download(
        _ descriptor: Descriptor,
        _ lease: Lease,
        _ book: BlobOffers?,
        _ report: @escaping @Sendable (Int64) -> Void
    ) async throws {
        var failure: any Error = RemoteImageError.noSource(descriptor.digest)
        let offers = book?.offers(of: descriptor.digest) ?? []
        for offer in offers {
            do {
                return try await download(descriptor, lease, offeredBy: offer, report)
            } catch {
                if Self.endsAll(error) { throw error }
                failure = error
            }
        }
        for name in try await store.blobs.sources(of: descriptor.digest) {
            let repository = Repository(try ImageReference(parsing: name))
            do {
                do {
                    return try await download(descriptor, lease, from: repository, report)
                } catch StorageError.digestMismatch(_, _, let resumedAt) where resumedAt > 0 {
                    // What an earlier attempt left was damaged; the store has dropped it.
                    return try await download(descriptor, lease, from: repository, report)
                }
            } catch {
                if Self.endsAll(error) { throw error }
                failure = error
            }
        }
        for address in descriptor.urls ?? [] {
            do {
                return try await download(descriptor, lease, at: address, report)
            } catch {
                if Self.endsAll(error) { throw error }
                failure = error
            }
        }
        book?.failed(offers, "\(failure)")
        throw failure
    }

    /// Whether another place to fetch from cures nothing, as that of a full disk.
    private static func endsAll(_ error: any Error) -> Bool {
        switch error {
        case is CancellationError: true
        case StorageError.digestMismatch, StorageError.sizeMismatch: false
        default: error is StorageError
        }
    }

    private func download(
        _ descriptor: Descriptor,
        _ lease: Lease,
        offeredBy offer: any BlobOffer,
        _ report: @escaping @Sendable (Int64) -> Void
    ) async throws {
        func attempt() async throws {
            try await store.blobs.ingest(
                in: lease,
                expecting: descriptor.digest,
                size: descriptor.size,
                partialKey: descriptor.digest.description
            ) { writer in
                report(writer.offset)
                try await offer.read(descriptor, from: writer.offset) { bytes in
                    try await writer.write(bytes)
                    report(writer.offset)
                }
            }
        }
        do {
            try await attempt()
        } catch StorageError.digestMismatch(_, _, let resumedAt) where resumedAt > 0 {
            try await attempt()
        }
    }

    private func download(
        _ descriptor: Descriptor,
        _ lease: Lease,
        from repository: Repository,
        _ report: @escaping @Sendable (Int64) -> Void
    ) async throws {
        try await store.blobs.ingest(
            in: lease,
            expecting: descriptor.digest,
            size: descriptor.size,
            partialKey: descriptor.digest.description
        ) { writer in
            report(writer.offset)
            try await client.blob(descriptor, from: repository, offset: writer.offset) { bytes in
                try await writer.write(bytes)
                report(writer.offset)
            }
        }
    }

    /// From a web server, always from the start.
    private func download(
        _ descriptor: Descriptor,
        _ lease: Lease,
        at address: String,
        _ report: @escaping @Sendable (Int64) -> Void
    ) async throws {
        let request = WebClient.Request(try HTTPURL(parsing: address))
        try await store.blobs.ingest(in: lease, expecting: descriptor.digest, size: descriptor.size) { writer in
            try await web.get(request, limit: descriptor.size) { _ in
                try await writer.restart()
                report(0)
            } receive: { bytes in
                try await writer.write(bytes)
                report(writer.offset)
            }
        }
    }
}

/// Downloads under way, each with those who are told of its progress.
private final class Downloads: Sendable {
    struct Key: Hashable {
        let digest: Digest
        /// Of the `BlobOffers` that are asked.
        let offers: ObjectIdentifier?
    }

    typealias Observer = @Sendable (Int64) -> Void

    private struct Audience {
        var observers: [Int: Observer] = [:]
        var counter = 0
    }

    private let work = SharedWork<Key, Void>()
    private let audiences = Mutex<[Key: Audience]>([:])

    func join(
        _ key: Key,
        observer: Observer?,
        _ body: @escaping @Sendable (_ report: @escaping Observer) async throws -> Void
    ) async throws {
        let number = observer.map { add($0, to: key) }
        defer { if let number { remove(number, from: key) } }
        try await work.value(for: key) { [self] in
            try await body { [self] count in tell(key, count) }
        }
    }

    private func add(_ observer: @escaping Observer, to key: Key) -> Int {
        audiences.withLock { audiences in
            audiences[key, default: Audience()].counter += 1
            let number = audiences[key]?.counter ?? 0
            audiences[key]?.observers[number] = observer
            return number
        }
    }

    private func remove(_ number: Int, from key: Key) {
        audiences.withLock { audiences in
            audiences[key]?.observers[number] = nil
            if audiences[key]?.observers.isEmpty == true { audiences[key] = nil }
        }
    }

    private func tell(_ key: Key, _ count: Int64) {
        let observers = audiences.withLock { $0[key]?.observers.values.map(\.self) ?? [] }
        for observer in observers { observer(count) }
    }
}
