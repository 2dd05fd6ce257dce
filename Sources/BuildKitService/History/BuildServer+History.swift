import BuildCache
import BuildGraph
import BuildKitProto
import LinuxSystem
import OCI
import RPC
import Storage
import SwiftProtobuf

extension BuildServer {
    var history: BuildHistory { BuildHistory(store: store, limits: configuration.history) }

    /// Carries a request out and remembers it, however it ends, unless it is one that the client makes for itself.
    func recorded(
        _ question: Moby_Buildkit_V1_SolveRequest,
        parent: String?,
        in entry: JobRegistry.Entry,
        _ body: (Lease) async throws -> SolvedRequest
    ) async throws -> SolvedRequest {
        if question.internal { return try await store.withLease(body) }
        let record = RunningRecord(question, parent: parent, at: .system())
        feed.begin(record.message)
        var kept: BuildRecord?
        defer { feed.end(record.id, kept.flatMap { Moby_Buildkit_V1_BuildHistoryRecord($0) }) }
        return try await store.withLease { lease in
            async let log = BuildLog.keep(entry.progress, in: store, lease)
            let outcome: Result<SolvedRequest, any Error>
            do { outcome = .success(try await body(lease)) } catch { outcome = .failure(error) }
            entry.progress.finish()
            // A build is not worse for a record that cannot be kept, as on a full disk: there is none then.
            let told = try? await log
            if let ended = try? await record.ended(
                outcome,
                told,
                timeline: entry.progress.steps,
                at: .system(),
                keep: { try await store.blobs.put($0, in: lease) }
            ) {
                do {
                    try await history.add(ended)
                    kept = ended
                } catch {}
            }
            return try outcome.get()
        }
    }

    /// Tells a client of the builds that there were, and, unless it wants no more, of those that come.
    func listen(
        _ question: Moby_Buildkit_V1_BuildHistoryRequest,
        to output: RPCOutput<Moby_Buildkit_V1_BuildHistoryEvent>
    ) async throws {
        func isMeant(_ record: Moby_Buildkit_V1_BuildHistoryRecord) -> Bool {
            question.ref.isEmpty || record.ref == question.ref
        }
        func write(_ type: Moby_Buildkit_V1_BuildHistoryEventType, _ record: Moby_Buildkit_V1_BuildHistoryRecord)
            async throws
        {
            try await output.write(
                .with {
                    $0.type = type
                    $0.record = record
                }
            )
        }
        try await feed.withListener { running, events in
            for record in running where isMeant(record) { try await write(.started, record) }
            if !question.activeOnly {
                for record in try await completed(question) { try await write(.complete, record) }
            }
            if question.earlyExit { return }
            for await event in events where isMeant(event.record) { try await output.write(event) }
            try Task.checkCancellation()
            throw RPCFailure(.resourceExhausted, "the listener reads too slowly: events were lost")
        }
    }

    /// The builds that are over and that a client means.
    private func completed(
        _ question: Moby_Buildkit_V1_BuildHistoryRequest
    ) async throws -> [Moby_Buildkit_V1_BuildHistoryRecord] {
        if question.limit < 0 { throw RPCFailure(.invalidArgument, "invalid limit \(question.limit)") }
        let now = FileTime(nanosecondsSinceEpoch: realTimeNanoseconds())
        let filters = try question.filter.map { try HistoryFilter(parsing: $0, now: now) }
        let builds =
            question.ref.isEmpty
            ? try await history.ofClients() : [try await history.build(question.ref)].compactMap(\.self)
        let records = builds.compactMap { Moby_Buildkit_V1_BuildHistoryRecord($0) }
            .filter { record in filters.isEmpty || filters.contains { $0.matches(record) } }
        return question.limit == 0 ? records : Array(records.prefix(Int(question.limit)))
    }

    /// Pins a record, removes it, or completes it.
    func update(_ question: Moby_Buildkit_V1_UpdateBuildHistoryRequest) async throws {
        let ref = question.ref
        if question.delete {
            guard try await history.remove(ref) else { throw ServiceError.unknownBuild(ref) }
            return feed.forget(ref)
        }
        // Records are complete when a build has ended.
        if question.finalize { return }
        let pinned = question.pinned
        guard let changed = try await history.update(ref, { $0.isPinned = pinned }),
            let message = Moby_Buildkit_V1_BuildHistoryRecord(changed)
        else { throw ServiceError.unknownBuild(ref) }
        feed.change(message)
    }

    // MARK: Logs

    /// Tells a client what a build does, until it is over; or what it did.
    func status(of id: String, to output: RPCOutput<Moby_Buildkit_V1_StatusResponse>) async throws {
        if !jobs.has(id), let build = try await history.build(id), let client = build.client {
            if let log = client.log { try await replay(log.digest, to: output) }
            return
        }
        let entry = try await jobs.entry(id)
        try await entry.progress.withListener { events in
            for await event in events { try await output.write(Moby_Buildkit_V1_StatusResponse([event])) }
        }
    }

    private func replay(_ log: Digest, to output: RPCOutput<Moby_Buildkit_V1_StatusResponse>) async throws {
        let file = try await onBlockingPool { [store] in try store.blobs.open(log) }
        var (parser, digester, offset) = (BuildLogParser(), Digester(log.algorithm), Int64(0))
        while true {
            let start = offset
            let bytes = try await onBlockingPool { try file.read(from: start, limit: 1 << 16) }
            if bytes.isEmpty { break }
            digester.update(bytes)
            offset += Int64(bytes.count)
            for message in try parser.parse(bytes) { try await output.write(message) }
        }
        guard parser.isAtEnd, digester.finalize() == log else { throw ServiceError.invalidLog }
    }
}
