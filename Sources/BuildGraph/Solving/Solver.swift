internal import LinuxSystem
internal import OCI

/// Solves build graphs: finds in the cache what it can, and runs the rest, in parallel and only as far as it is needed.
///
/// Solves on one solver, and on those of one pool, share what they run at the same time: equal vertices with equal keys
/// run once.
package final class Solver<Output: Sendable>: Sendable {
    let index: any CacheIndex<Output>
    let member: SolverPool<Output>.Member
    /// Makes outputs stay that another member made, and says whether they are still there.
    let retain: @Sendable ([Output]) async throws -> Bool
    let now: @Sendable () -> Timestamp

    var slots: Slots { member.pool.slots }
    var executions: Executions<Ran<Output>> { member.pool.executions }

    /// - Parameters:
    ///   - index: The memory of earlier solves.
    ///   - member: Whose solves these are.
    ///   - retain: Makes outputs that another member made stay as long as this one needs them; false if they are gone.
    ///   - now: The clock of progress events.
    package init(
        index: any CacheIndex<Output>,
        member: SolverPool<Output>.Member,
        retain: @escaping @Sendable ([Output]) async throws -> Bool,
        now: @escaping @Sendable () -> Timestamp = Timestamp.system
    ) {
        self.index = index
        self.member = member
        self.retain = retain
        self.now = now
    }

    /// A solver that shares what it runs with no other.
    package convenience init(
        index: any CacheIndex<Output>,
        parallelism: Int = 2 * availableProcessorCount(),
        now: @escaping @Sendable () -> Timestamp = Timestamp.system
    ) {
        let member = SolverPool<Output>(parallelism: parallelism).admit()
        self.init(index: index, member: member, retain: { _ in true }, now: now)
    }

    /// Makes the outputs of the targets.
    ///
    /// When the calling task is cancelled, what runs only for this solve is cancelled too and waited for.
    /// - Parameters:
    ///   - graph: The steps.
    ///   - targets: Which outputs are wanted.
    ///   - progress: Where events go. The caller finishes it.
    /// - Returns: The outputs, and what became of each step.
    /// - Throws: `SolveError` for the first step that failed, after the others have been stopped; `BuildGraphError` for a target
    ///   that is not in the graph; `CancellationError`.
    package func solve(
        _ graph: Graph<Output>,
        targets: [VertexInput],
        progress: ProgressChannel? = nil
    ) async throws -> Solution<Output> {
        var solve = try Solve(solver: self, graph: graph, targets: targets, channel: progress)
        return try await solve.perform()
    }
}

/// What running a vertex gave.
struct Ran<Output: Sendable>: Sendable {
    let outputs: [Output]
    /// Why it had to run; nil if the cache had the result after all.
    let reason: MissReason?
    /// Content keys of inputs that changed after the vertex was keyed.
    var corrections: [Int: ContentKey] = [:]
}

/// Why the operation of a vertex failed, and why it had to run.
struct RunFailure: Error {
    let reason: MissReason
    let underlying: any Error
}

/// A vertex about to run, with everything that decides how.
struct Job<Output: Sendable>: Sendable {
    let vertex: Vertex<Output>
    let inputs: [Output]
    let settlement: SolveMachine.Settlement
    let isTainted: Bool
    /// Nil for a vertex without a key.
    let canonicalKey: CacheKey?
    let definitionKey: CacheKey?
    let description: KeyDescription
    /// The canonical key once inputs have other content keys.
    let corrected: @Sendable ([Int: ContentKey]) -> CacheKey?
}

extension Solver {
    /// Runs a vertex, or waits for the same work that another solve has begun.
    ///
    /// What another member began may fail for a reason of that member's own, as a secret that it lacks. Then it is run
    /// again.
    func share(
        _ key: Executions<Ran<Output>>.Key?,
        _ subscriber: Executions<Ran<Output>>.Subscriber,
        _ job: Job<Output>
    ) async -> Executions<Ran<Output>>.Ending {
        let ending = await executions.share(key, subscriber) { try await self.run(job, $0) }
        guard ending.isForeign, !Task.isCancelled else { return ending }
        do {
            if try await retain(ending.result.get().outputs) { return ending }
        } catch {
            // It is the other member's error; this one finds out for itself.
        }
        return await executions.share(nil, subscriber) { try await self.run(job, $0) }
    }

    /// Runs a vertex, unless another solve or process has done so since it was looked up, and saves its outputs.
    func run(_ job: Job<Output>, _ execution: Int) async throws -> Ran<Output> {
        if let key = job.canonicalKey, !job.isTainted,
            let record = try await index.record(for: key), let outputs = try await index.outputs(of: record)
        {
            return Ran(outputs: outputs, reason: nil)
        }
        let reason = try await reason(for: job)
        return try await withSlot(if: job.vertex.operation.occupiesSlot) {
            executions.begin(execution, at: now())
            let outputs: [Output]
            let context = context(for: job.vertex, execution)
            do {
                outputs = try await job.vertex.operation.run(job.inputs, context)
            } catch {
                throw RunFailure(reason: reason, underlying: error)
            }
            let corrections = context.corrections.all
            if let key = corrections.isEmpty ? job.canonicalKey : job.corrected(corrections) {
                if !corrections.isEmpty, !job.isTainted, let record = try await index.record(for: key),
                    let known = try await index.outputs(of: record)
                {
                    return Ran(outputs: known, reason: reason, corrections: corrections)
                }
                _ = try await index.save(outputs, entry(for: job, key, reason, corrections))
            }
            return Ran(outputs: outputs, reason: reason, corrections: corrections)
        }
    }

    private func withSlot<Value: Sendable>(if isWanted: Bool, _ body: () async throws -> Value) async throws -> Value {
        isWanted ? try await slots.withSlot(body) : try await body()
    }

    private func entry(
        for job: Job<Output>,
        _ key: CacheKey,
        _ reason: MissReason,
        _ corrections: [Int: ContentKey]
    ) -> CacheEntry {
        // What the definition leads to was not what was used.
        let alias = corrections.isEmpty ? job.definitionKey : nil
        return CacheEntry(
            canonicalKey: key,
            aliases: alias.map { $0 == key ? [] : [$0] } ?? [],
            name: job.vertex.name,
            origin: job.vertex.origin,
            description: job.description.correcting(corrections),
            reason: reason,
            created: now()
        )
    }

    private func reason(for job: Job<Output>) async throws -> MissReason {
        if job.canonicalKey == nil { return .neverCached }
        if job.isTainted { return .cacheDisabled }
        let slot = job.vertex.origin?.slot
        let earlier: CacheEntry? = if let slot { try await index.latestEntry(slot: slot) } else { nil }
        // Another cache may know a step that was never built here.
        if job.settlement == .gone { return earlier == nil && index.hasForeignRecords ? .noEarlierRecord : .resultGone }
        guard let earlier else { return .noEarlierRecord }
        let changes = job.description.changes(since: earlier.description)
        return changes.isEmpty ? .resultGone : .changed(changes)
    }

    private func context(for vertex: Vertex<Output>, _ execution: Int) -> OperationContext {
        let executions = executions
        return OperationContext(
            vertex: vertex.digest,
            name: vertex.name,
            now: now,
            post: { executions.post($0, from: execution) },
            send: { await executions.send($0, from: execution) }
        )
    }
}
