package import OCI
package import Registry
internal import Snapshots
package import Storage
internal import Synchronization

/// Something outside of registries, or beside those that are known, that has blobs: a build cache that a build reads.
package protocol BlobOffer: Sendable {
    /// What the user calls it.
    var name: String { get }

    /// Gives out the bytes of a blob from an offset on; what is not the blob's is found out by the receiver.
    func read(
        _ blob: Descriptor,
        from offset: Int64,
        _ receive: ([UInt8]) async throws -> Void
    ) async throws
}

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
    private let offers = Mutex(Offers())

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
        try await downloads.join(descriptor.digest, observer: observer) { report in
            try await self.download(descriptor, report)
        }
    }

    private func download(_ descriptor: Descriptor, _ report: @escaping @Sendable (Int64) -> Void) async throws {
        var failure: any Error = RemoteImageError.noSource(descriptor.digest)
        let offers = offers.withLock { $0.byDigest[descriptor.digest] ?? [] }
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
        self.offers.withLock { $0.failed(offers, "\(failure)") }
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

extension RegistryBlobProvider {
    /// Lets blobs be fetched from somewhere else, too, before any repository is asked.
    package func offer(_ digests: Set<Digest>, by offer: any BlobOffer) {
        offers.withLock { offers in
            for digest in digests { offers.byDigest[digest, default: []].append(offer) }
        }
    }

    /// Whether somebody offers a blob.
    package func isOffered(_ digest: Digest) -> Bool { offers.withLock { $0.byDigest[digest] != nil } }

    /// Takes back all offers of those who could not give what they had offered.
    /// - Returns: their names, each with what went wrong.
    package func withdrawFailedOffers() -> [(name: String, reason: String)] {
        offers.withLock { offers in
            let failures = offers.failures
            offers.byDigest = offers.byDigest.compactMapValues { list in
                let rest = list.filter { failures[$0.name] == nil }
                return rest.isEmpty ? nil : rest
            }
            offers.failures = [:]
            return failures.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        }
    }
}

/// Who offers which blobs, and who could not keep that.
private struct Offers {
    var byDigest: [Digest: [any BlobOffer]] = [:]
    var failures: [String: String] = [:]

    mutating func failed(_ offers: [any BlobOffer], _ reason: String) {
        for offer in offers { failures[offer.name] = reason }
    }
}

/// Downloads under way, by digest: who asks for one that is under way waits for it; the last one who gives up ends it.
private final class Downloads: Sendable {
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
        var entries: [Digest: Entry] = [:]
        var number = 0
    }

    private let state = Mutex(State())

    func join(
        _ digest: Digest,
        observer: (@Sendable (Int64) -> Void)?,
        _ body: @escaping @Sendable (_ report: @escaping @Sendable (Int64) -> Void) async throws -> Void
    ) async throws {
        let (task, number) = state.withLock { state in
            if var entry = state.entries[digest], !entry.task.isCancelled {
                entry.waiting += 1
                entry.audience.add(observer)
                state.entries[digest] = entry
                return (entry.task, entry.number)
            }
            state.number += 1
            let audience = Audience()
            audience.add(observer)
            // Awaited by everyone in `waiting`; cancelled when the last of them is.
            let task = Task { try await body { audience.tell($0) } }
            state.entries[digest] = Entry(number: state.number, task: task, audience: audience, waiting: 1)
            return (task, state.number)
        }
        defer { finish(digest, number) }
        try await withTaskCancellationHandler {
            try await task.value
        } onCancel: {
            leave(digest, number)
        }
        try Task.checkCancellation()
    }

    private func leave(_ digest: Digest, _ number: Int) {
        let abandoned = state.withLock { state -> Task<Void, any Error>? in
            guard var entry = state.entries[digest], entry.number == number else { return nil }
            entry.waiting -= 1
            state.entries[digest] = entry
            return entry.waiting == 0 ? entry.task : nil
        }
        abandoned?.cancel()
    }

    private func finish(_ digest: Digest, _ number: Int) {
        state.withLock { state in
            if state.entries[digest]?.number == number { state.entries[digest] = nil }
        }
    }
}
