internal import OCI

/// One solve: carries out what its machine decides, each action as a child task, and feeds it with their ends.
struct Solve<Output: Sendable> {
    /// How many cache maps and look-ups are under way at once.
    ///
    /// They are short; the bound is there for graphs of thousands.
    private static var lookUpLimit: Int { 64 }

    enum Completion: Sendable {
        case mapped(Int, CacheMap<Output>)
        case lookedUp(Int, CacheRecord?, [Output?]?)
        case contentKeyed(Int, input: Int, ContentKey)
        case ran(Int, Ran<Output>, started: Timestamp?)
        case failed(Int, any Error, started: Timestamp?)
    }

    let solver: Solver<Output>
    let vertices: [Vertex<Output>]
    let inputs: [[(vertex: Int, index: Int)]]
    let channel: ProgressChannel?
    private let targets: [(vertex: Int, index: Int)]
    private var machine: SolveMachine
    private var ledger: KeyLedger<Output>
    private var outputs: [[Output?]?]
    /// Which outputs of each vertex are used.
    private let neededOutputs: [Set<Int>]
    /// Which other caches had the results of vertices.
    private var sources: [Int: String] = [:]
    private var progress: SolveProgress
    private var failure: (any Error)?
    /// Actions that wait for others to end.
    private var waiting: [SolveMachine.Action] = []
    private var lookUps = 0

    init(
        solver: Solver<Output>,
        graph: Graph<Output>,
        targets: [VertexInput],
        channel: ProgressChannel?
    ) throws(BuildGraphError) {
        var isNeeded = [Bool](repeating: false, count: graph.vertices.count)
        for target in targets {
            guard let position = graph.positions[target.digest] else { throw .unknownTarget(target.digest) }
            if target.index < 0 { throw .negativeOutput(target.index, of: target.digest) }
            isNeeded[position] = true
        }
        for position in graph.vertices.indices.reversed() where isNeeded[position] {
            for input in graph.vertices[position].inputs {
                if let position = graph.positions[input.digest] { isNeeded[position] = true }
            }
        }
        let vertices = graph.vertices.indices.filter { isNeeded[$0] }.map { graph.vertices[$0] }
        let numbers = Dictionary(uniqueKeysWithValues: vertices.enumerated().map { ($1.digest, $0) })
        func place(_ input: VertexInput) -> (vertex: Int, index: Int)? {
            numbers[input.digest].map { ($0, input.index) }
        }
        let inputs = vertices.map { $0.inputs.compactMap(place) }
        self.solver = solver
        self.vertices = vertices
        self.inputs = inputs
        self.channel = channel
        self.targets = targets.compactMap(place)
        machine = SolveMachine(
            inputs: inputs.map { $0.map(\.vertex) },
            ignoresCache: vertices.map(\.ignoresCache),
            targets: self.targets.map(\.vertex)
        )
        var needed: [Set<Int>] = Array(repeating: [], count: vertices.count)
        for use in inputs.joined() + self.targets { needed[use.vertex].insert(use.index) }
        neededOutputs = needed
        ledger = KeyLedger(inputs: inputs)
        outputs = Array(repeating: nil, count: vertices.count)
        progress = SolveProgress(
            vertices.map { VertexProgress(digest: $0.digest, name: $0.name, inputs: $0.inputs.map(\.digest)) },
            channel,
            solver.now
        )
    }

    mutating func perform() async throws -> Solution<Output> {
        progress.announce()
        await withTaskGroup(of: Completion.self) { group in
            begin(machine.start(), in: &group)
            while let completion = await group.next() {
                let actions = take(completion)
                for case .settled(let vertex, let settlement) in actions { settle(vertex, settlement) }
                if failure == nil, Task.isCancelled { failure = CancellationError() }
                if failure != nil || machine.isOver {
                    waiting = []
                    group.cancelAll()
                } else {
                    begin(actions, in: &group)
                }
            }
        }
        if let failure = failure as? SolveError { throw failure.adding(knownSteps()) }
        if let failure { throw failure }
        return try solution()
    }

    private mutating func solution() throws -> Solution<Output> {
        let targetOutputs = try targets.map { try output($0.vertex, $0.index) }
        return Solution(
            outputs: targetOutputs,
            keys: targets.map { ledger.canonicalKey(of: $0.vertex) },
            steps: vertices.indices.map { explanation(of: $0, progress.finish($0)) },
            keyed: vertices.indices.compactMap { keyedStep($0) }
        )
    }

    private mutating func keyedStep(_ number: Int) -> KeyedStep<Output>? {
        guard let key = ledger.canonicalKey(of: number) else { return nil }
        let definitionKey = ledger.definitionKey(of: number)
        return KeyedStep(
            vertex: vertices[number].digest,
            canonicalKey: key,
            definitionKey: definitionKey == key ? nil : definitionKey,
            inputs: ledger.keyedInputs(of: number),
            outputs: outputs[number]
        )
    }

    /// What became of the vertices that the solve came to before it failed.
    private func knownSteps() -> [StepExplanation] {
        vertices.indices.compactMap { number in progress.outcome(of: number).map { explanation(of: number, $0) } }
    }

    private func explanation(
        of number: Int,
        _ end: (outcome: StepExplanation.Outcome, seconds: Double)
    ) -> StepExplanation {
        StepExplanation(
            vertex: vertices[number].digest,
            name: vertices[number].name,
            origin: vertices[number].origin,
            outcome: end.outcome,
            seconds: end.seconds
        )
    }

    private func output(_ vertex: Int, _ index: Int) throws(BuildGraphError) -> Output {
        let all = outputs[vertex] ?? []
        if index < all.count, let output = all[index] { return output }
        throw .missingOutput(index, of: vertices[vertex].name, count: all.count)
    }
}

extension Solve {
    /// Notes what an action gave, and asks the machine what follows from it.
    private mutating func take(_ completion: Completion) -> [SolveMachine.Action] {
        switch completion {
        case .mapped(let vertex, let map):
            lookUps -= 1
            ledger.setMap(map, of: vertex)
            let isContentOnly = map.identity == .contentOnly
            let shape = SolveMachine.Shape(isContentOnly: isContentOnly, byContent: map.inputs.map(\.isContent))
            return machine.receive(.mapped(vertex, shape))
        case .lookedUp(let vertex, let record, let found):
            lookUps -= 1
            if let record { ledger.setCanonicalKey(record.canonicalKey, of: vertex) }
            sources[vertex] = record?.source
            outputs[vertex] = found
            return machine.receive(.lookedUp(vertex, record == nil ? .missed : found == nil ? .gone : .found))
        case .contentKeyed(let vertex, let input, let key):
            ledger.setContent(key, of: vertex, input: input)
            return machine.receive(.contentKeyed(vertex, input: input))
        case .ran(let vertex, let ran, let started):
            outputs[vertex] = ran.outputs
            correct(ran.corrections, of: vertex)
            progress.ran(vertex, ran.reason, started: started)
            return machine.receive(.ran(vertex))
        case .failed(let vertex, let error, let started):
            // What fails after the solve has ended fails because it was told to stop.
            let isCanceled = failure != nil || Task.isCancelled || machine.isOver
            let run = error as? RunFailure
            let error = run?.underlying ?? error
            progress.failed(vertex, isCanceled ? nil : error, run?.reason, started: started)
            if !isCanceled, failure == nil {
                failure = SolveError(
                    vertex: vertices[vertex].digest,
                    name: vertices[vertex].name,
                    origin: vertices[vertex].origin,
                    underlying: error
                )
            }
            return machine.receive(.failed)
        }
    }

    /// Renews the keys of a vertex that used other content than it was keyed by, and of what runs after it.
    ///
    /// What was found in the cache before that keeps its key: it was made of what the old key names.
    private mutating func correct(_ corrections: [Int: ContentKey], of vertex: Int) {
        if corrections.isEmpty { return }
        for (input, key) in corrections { ledger.setContent(key, of: vertex, input: input) }
        ledger.renewKeys(of: vertex)
        var affected: Set<Int> = [vertex]
        // Inputs come before what uses them.
        for user in vertices.indices.dropFirst(vertex + 1)
        where outputs[user] == nil && inputs[user].contains(where: { affected.contains($0.vertex) }) {
            ledger.renewKeys(of: user)
            affected.insert(user)
        }
    }

    private mutating func begin(_ actions: [SolveMachine.Action], in group: inout TaskGroup<Completion>) {
        for action in actions {
            switch action {
            case .settled: break
            case .map, .lookUp: waiting.append(action)
            case .keyContent(let vertex, let input): group.addTask(operation: keyContent(vertex, input))
            case .run(let vertex): group.addTask(operation: run(vertex))
            }
        }
        var next = 0
        while lookUps < Self.lookUpLimit, next < waiting.count {
            switch waiting[next] {
            case .map(let vertex): group.addTask(operation: map(vertex))
            case .lookUp(let vertex, let key): group.addTask(operation: lookUp(vertex, key))
            case .settled, .keyContent, .run: preconditionFailure("only look-ups wait")
            }
            lookUps += 1
            next += 1
        }
        waiting.removeFirst(next)
    }

    private mutating func settle(_ vertex: Int, _ settlement: SolveMachine.Settlement) {
        switch settlement {
        case .found: progress.cached(vertex, from: sources[vertex])
        case .gone, .keyless: break
        case .missed:
            ledger.setCanonicalKey(ledger.contentKey(of: vertex) ?? ledger.definitionKey(of: vertex), of: vertex)
        }
    }
}

extension Solve {
    private typealias Operation = @concurrent @Sendable () async -> Completion

    private func map(_ number: Int) -> Operation {
        let vertex = vertices[number]
        let context = context(for: vertex)
        return {
            do {
                let map = try await vertex.operation.cacheMap(context)
                if map.inputs.count == vertex.inputs.count { return .mapped(number, map) }
                let (given, expected) = (map.inputs.count, vertex.inputs.count)
                throw BuildGraphError.inputKeys(given, expected: expected, of: vertex.name)
            } catch { return .failed(number, error, started: nil) }
        }
    }

    private mutating func lookUp(_ number: Int, _ kind: SolveMachine.Key) -> Operation {
        let definitionKey = ledger.definitionKey(of: number)
        let key: CacheKey?
        let alias: CacheKey?
        switch kind {
        case .definition: (key, alias) = (definitionKey, nil)
        case .content: (key, alias) = (ledger.contentKey(of: number), definitionKey)
        }
        let (index, needed) = (solver.index, neededOutputs[number])
        // Described only where it may be needed: a description is as long as the list of files that a key covers.
        let entry = index.hasForeignRecords ? foundEntry(for: number) : nil
        return {
            do {
                guard let key, let record = try await index.record(for: key) else { return .lookedUp(number, nil, nil) }
                let outputs = try await index.outputs(of: record, needed: needed)
                if let outputs, let entry, record.source != nil {
                    let entry = entry(record.canonicalKey, alias)
                    try await index.adopt(record, outputs, foundBy: key, entry)
                } else if let alias {
                    try await index.alias(alias, to: record)
                }
                return .lookedUp(number, record, outputs)
            } catch { return .failed(number, error, started: nil) }
        }
    }

    /// What is kept of a step whose result another cache had, once its keys are known.
    private func foundEntry(for number: Int) -> @Sendable (_ key: CacheKey, _ alias: CacheKey?) -> CacheEntry {
        let vertex = vertices[number]
        let description = ledger.description(of: number) { (vertices[$0].name, vertices[$0].origin?.slot) }
        let now = solver.now()
        return { key, alias in
            CacheEntry(
                canonicalKey: key,
                aliases: alias.map { $0 == key ? [] : [$0] } ?? [],
                name: vertex.name,
                origin: vertex.origin,
                description: description,
                reason: .noEarlierRecord,
                created: now
            )
        }
    }

    private func keyContent(_ number: Int, _ slot: Int) -> Operation {
        let context = context(for: vertices[number])
        let (solver, input) = (solver, inputs[number][slot])
        let selected = Result<Output, BuildGraphError> { () throws(BuildGraphError) in
            try output(input.vertex, input.index)
        }
        guard case .content(_, let key)? = ledger.map(of: number)?.inputs[slot] else {
            preconditionFailure("input \(slot) of vertex \(number) is not keyed by content")
        }
        return {
            do {
                let output = try selected.get()
                let content = try await solver.slots.withSlot { try await key(output, context) }
                return .contentKeyed(number, input: slot, content)
            } catch { return .failed(number, error, started: nil) }
        }
    }

    private mutating func run(_ number: Int) -> Operation {
        let vertex = vertices[number]
        let job: Job<Output>
        do {
            job = Job(
                vertex: vertex,
                inputs: try inputs[number].map { try output($0.vertex, $0.index) },
                settlement: machine.nodes[number].settlement ?? .missed,
                isTainted: machine.nodes[number].isTainted,
                canonicalKey: ledger.canonicalKey(of: number),
                definitionKey: ledger.definitionKey(of: number),
                description: ledger.description(of: number) { (vertices[$0].name, vertices[$0].origin?.slot) },
                corrected: { [keyer = ledger.contentKeyer(of: number), contents = ledger.contents(of: number)] in
                    keyer(contents.merging($0) { $1 })
                }
            )
        } catch { return { .failed(number, error, started: nil) } }
        let key = job.canonicalKey.map {
            Executions<Ran<Output>>.Key(vertex: vertex.digest, canonicalKey: $0, ignoresCache: job.isTainted)
        }
        let subscriber = Executions<Ran<Output>>.Subscriber(
            channel: channel,
            progress: progress[number],
            member: solver.member.id
        )
        let solver = solver
        return {
            let ending = await solver.share(key, subscriber, job)
            switch ending.result {
            case .success(let ran): return .ran(number, ran, started: ending.started)
            case .failure(let error): return .failed(number, error, started: ending.started)
            }
        }
    }

    private func context(for vertex: Vertex<Output>) -> OperationContext {
        let channel = channel
        return OperationContext(
            vertex: vertex.digest,
            name: vertex.name,
            now: solver.now,
            post: { channel?.post($0) },
            send: { await channel?.send($0) }
        )
    }
}
