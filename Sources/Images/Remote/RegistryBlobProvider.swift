package import OCI
package import Registry
internal import Snapshots
package import Storage
internal import Synchronization

/// Fetches blobs from the repositories that are known to have them: resumable, and each only once however many ask.
package final class RegistryBlobProvider: BlobProvider {
    /// Is told of a blob's bytes so far while the surrounding task, or a child of it, waits for the blob.
    ///
    /// A class, because the optimizer of Swift 6.3 breaks task-local values of function type: the program crashes where one is bound.
    package final class ProgressObserver: Sendable {
        let report: @Sendable (Descriptor, _ received: Int64) -> Void

        package init(_ report: @escaping @Sendable (Descriptor, _ received: Int64) -> Void) { self.report = report }
    }

    /// Who wants to know how the downloads of this task go on.
    @TaskLocal package static var progress: ProgressObserver?

    private let store: Store
    private let client: RegistryClient
    private let downloads = Downloads()

    package init(store: Store, client: RegistryClient) {
        self.store = store
        self.client = client
    }

    /// Fetches a blob from the first of its repositories that gives it.
    ///
    /// What an earlier attempt left, of this process or another, is gone on from. The blob belongs to the surrounding lease.
    /// - Throws: `RemoteImageError.noSource`, `RegistryError`, `StorageError`.
    package func fetch(_ descriptor: Descriptor) async throws {
        // Held before it is looked for: then it stays.
        try await store.hold([.blob(descriptor.digest)])
        if try await store.blobs.contains(descriptor.digest) { return }
        var observer: (@Sendable (Int64) -> Void)?
        if let progress = Self.progress { observer = { progress.report(descriptor, $0) } }
        // What asks the caches of one build is no download for another build, which reads other caches.
        let offers = BlobOffers.current.flatMap { $0.isOffered(descriptor.digest) ? $0 : nil }
        let key = Downloads.Key(digest: descriptor.digest, offers: offers.map { ObjectIdentifier($0) })
        try await downloads.join(key, observer: observer) { report in
            try await self.download(descriptor, offers, report)
        }
    }

    private func download(
        _ descriptor: Descriptor,
        _ book: BlobOffers?,
        _ report: @escaping @Sendable (Int64) -> Void
    ) async throws {
        var failure: any Error = RemoteImageError.noSource(descriptor.digest)
        let offers = book?.offers(of: descriptor.digest) ?? []
        for offer in offers {
            do {
                return try await download(descriptor, offeredBy: offer, report)
            } catch {
                if Self.endsAll(error) { throw error }
                failure = error
            }
        }
        for name in try await store.blobs.sources(of: descriptor.digest) {
            let repository = Repository(try ImageReference(parsing: name))
            do {
                do {
                    return try await download(descriptor, from: repository, report)
                } catch StorageError.digestMismatch(_, _, let resumedAt) where resumedAt > 0 {
                    // What an earlier attempt left was damaged; the store has dropped it.
                    return try await download(descriptor, from: repository, report)
                }
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
        offeredBy offer: any BlobOffer,
        _ report: @escaping @Sendable (Int64) -> Void
    ) async throws {
        func attempt() async throws {
            try await store.blobs.ingest(
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
        from repository: Repository,
        _ report: @escaping @Sendable (Int64) -> Void
    ) async throws {
        try await store.blobs.ingest(
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
}

/// Downloads under way, by digest: who asks for one that is under way waits for it; the last one who gives up ends it.
private final class Downloads: Sendable {
    struct Key: Hashable {
        let digest: Digest
        /// Of the `BlobOffers` that are asked.
        let offers: ObjectIdentifier?
    }

    private struct Entry {
        let number: Int
        let task: Task<Void, any Error>
        let audience: Audience
        var waiting: Int
    }

    /// Those who are told of one download's progress.
    private final class Audience: Sendable {
        private let observers = Mutex<[@Sendable (Int64) -> Void]>([])

        func add(_ observer: (@Sendable (Int64) -> Void)?) {
            guard let observer else { return }
            observers.withLock { $0.append(observer) }
        }

        func tell(_ count: Int64) { for observer in observers.withLock({ $0 }) { observer(count) } }
    }

    private struct State {
        var entries: [Key: Entry] = [:]
        var number = 0
    }

    private let state = Mutex(State())

    func join(
        _ key: Key,
        observer: (@Sendable (Int64) -> Void)?,
        _ body: @escaping @Sendable (_ report: @escaping @Sendable (Int64) -> Void) async throws -> Void
    ) async throws {
        let (task, number) = state.withLock { state in
            if var entry = state.entries[key], !entry.task.isCancelled {
                entry.waiting += 1
                entry.audience.add(observer)
                state.entries[key] = entry
                return (entry.task, entry.number)
            }
            state.number += 1
            let audience = Audience()
            audience.add(observer)
            // Awaited by everyone in `waiting`; cancelled when the last of them is.
            let task = Task { try await body { audience.tell($0) } }
            state.entries[key] = Entry(number: state.number, task: task, audience: audience, waiting: 1)
            return (task, state.number)
        }
        defer { finish(key, number) }
        try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            leave(key, number)
        }
        try Task.checkCancellation()
    }

    private func leave(_ key: Key, _ number: Int) {
        let abandoned = state.withLock { state -> Task<Void, any Error>? in
            guard var entry = state.entries[key], entry.number == number else { return nil }
            entry.waiting -= 1
            state.entries[key] = entry
            return entry.waiting == 0 ? entry.task : nil
        }
        abandoned?.cancel()
    }

    private func finish(_ key: Key, _ number: Int) {
        state.withLock { state in
            if state.entries[key]?.number == number { state.entries[key] = nil }
        }
    }
}
