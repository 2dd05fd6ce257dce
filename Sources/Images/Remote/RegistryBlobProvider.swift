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
        try await downloads.join(descriptor.digest, observer: observer) { report in
            try await self.download(descriptor, report)
        }
    }

    private func download(_ descriptor: Descriptor, _ report: @escaping @Sendable (Int64) -> Void) async throws {
        var failure: any Error = RemoteImageError.noSource(descriptor.digest)
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
                if error is CancellationError { throw error }
                // A full disk is not cured by another repository.
                if case StorageError.digestMismatch = error {} else if error is StorageError { throw error }
                failure = error
            }
        }
        throw failure
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
