import Testing

@testable import BuildGraph

/// Every graph of up to four vertices, in every order in which its actions can end.
///
/// The orders are explored as the states they lead to: two orders that lead to the same state have the same future.
@Suite struct `Every small graph in every order of events` {
    enum Edge: CaseIterable {
        case none, definition, content
    }

    /// What the cache knows of a vertex, or how the vertex is.
    enum Kind: CaseIterable {
        case unknown, found, foundByContent, gone, ignoresCache, contentOnly
    }

    @Test(arguments: 1...3) func `with every mixture of vertices`(count: Int) {
        for edges in assignments(of: Edge.allCases, count: count * (count - 1) / 2) {
            for kinds in assignments(of: Kind.allCases, count: count) {
                Exploration(SmallGraph(count: count, edges: edges, kinds: kinds)).check()
            }
        }
    }

    @Test func `with four vertices`() {
        var random = SplitMix64(seed: 4)
        for edges in assignments(of: Edge.allCases, count: 6) {
            let graph = SmallGraph(count: 4, edges: edges, kinds: Array(repeating: .unknown, count: 4))
            if !graph.isConnected { continue }
            Exploration(graph).check()
            let kinds = (0..<4).map { _ in Kind.allCases.randomElement(using: &random) ?? .unknown }
            Exploration(SmallGraph(count: 4, edges: edges, kinds: kinds)).check()
        }
    }

    private func assignments<Value>(of values: [Value], count: Int) -> [[Value]] {
        (0..<count).reduce([[]]) { lists, _ in lists.flatMap { list in values.map { list + [$0] } } }
    }
}

/// A graph whose last vertex is the target, and what a solve of it must do.
struct SmallGraph {
    let inputs: [[Int]]
    let shapes: [SolveMachine.Shape]
    let kinds: [`Every small graph in every order of events`.Kind]

    /// Edges come one for each pair of an earlier and a later vertex.
    init(
        count: Int,
        edges: [`Every small graph in every order of events`.Edge],
        kinds: [`Every small graph in every order of events`.Kind]
    ) {
        var inputs: [[Int]] = Array(repeating: [], count: count)
        var byContent: [[Bool]] = Array(repeating: [], count: count)
        var next = 0
        for user in 0..<count {
            for input in 0..<user {
                switch edges[next] {
                case .none: break
                case .definition, .content:
                    inputs[user].append(input)
                    byContent[user].append(edges[next] == .content)
                }
                next += 1
            }
        }
        self.inputs = inputs
        self.kinds = kinds
        shapes = zip(kinds, byContent).map { SolveMachine.Shape(isContentOnly: $0 == .contentOnly, byContent: $1) }
    }

    var isConnected: Bool { inputs.indices.dropLast().allSatisfy { vertex in inputs.contains { $0.contains(vertex) } } }

    func lookUp(_ vertex: Int, _ key: SolveMachine.Key) -> SolveMachine.Lookup {
        switch (kinds[vertex], key) {
        case (.found, _), (.foundByContent, .content): .found
        case (.gone, _): .gone
        case (.unknown, _), (.foundByContent, .definition), (.ignoresCache, _), (.contentOnly, _): .missed
        }
    }

    /// What becomes of the keys, computed one vertex after the other and not by events.
    func expectedKeys() -> [(settlement: SolveMachine.Settlement, looksAtContent: Bool, isDoomed: Bool)] {
        var tainted: [Bool] = []
        return inputs.indices.reduce(into: []) { done, vertex in
            let pairs = zip(inputs[vertex], shapes[vertex].byContent)
            let byDefinition = pairs.filter { !$0.1 }.map(\.0)
            let byContent = pairs.filter { $0.1 }.map(\.0)
            let isTainted = kinds[vertex] == .ignoresCache || byDefinition.contains { tainted[$0] }
            tainted.append(isTainted)
            var settlement = SolveMachine.Settlement.missed
            var looksAtContent = false
            if kinds[vertex] == .contentOnly || byDefinition.contains(where: { done[$0].settlement == .keyless }) {
                settlement = .keyless
            } else {
                let definitionTells = !byContent.contains { tainted[$0] || done[$0].settlement == .keyless }
                var lookup = SolveMachine.Lookup.missed
                if !isTainted, definitionTells { lookup = lookUp(vertex, .definition) }
                if lookup == .missed, !byContent.isEmpty {
                    looksAtContent = true
                    if !isTainted { lookup = lookUp(vertex, .content) }
                }
                settlement = lookup == .found ? .found : lookup == .gone ? .gone : .missed
            }
            let isDoomed =
                settlement == .missed || settlement == .keyless || kinds[vertex] == .ignoresCache
                || byDefinition.contains { done[$0].isDoomed }
            done.append((settlement, looksAtContent, isDoomed))
        }
    }

    /// Which vertices have to run, and which may run because it looked as if they had to.
    func expectedRuns() -> (least: Set<Int>, most: Set<Int>) {
        let keys = expectedKeys()
        func runs(doomedAskForInputs: Bool) -> Set<Int> {
            var wanted: Set<Int> = [inputs.count - 1]
            var before = 0
            while wanted.count != before {
                before = wanted.count
                for vertex in inputs.indices {
                    let runs = keys[vertex].settlement != .found || doomedAskForInputs && keys[vertex].isDoomed
                    if wanted.contains(vertex), runs { wanted.formUnion(inputs[vertex]) }
                    if keys[vertex].looksAtContent {
                        wanted.formUnion(zip(inputs[vertex], shapes[vertex].byContent).filter { $0.1 }.map(\.0))
                    }
                }
            }
            return wanted.filter { keys[$0].settlement != .found }
        }
        return (runs(doomedAskForInputs: false), runs(doomedAskForInputs: true))
    }
}

/// Walks through all states that a small graph's machine can come to.
struct Exploration {
    struct State: Hashable {
        var machine: SolveMachine
        var underWay: Set<SolveMachine.Action>
        var done: Set<SolveMachine.Action>
    }

    let graph: SmallGraph

    init(_ graph: SmallGraph) { self.graph = graph }

    func check() {
        let keys = graph.expectedKeys()
        let (least, most) = graph.expectedRuns()
        var machine = SolveMachine(
            inputs: graph.inputs,
            ignoresCache: graph.kinds.map { $0 == .ignoresCache },
            targets: [graph.inputs.count - 1]
        )
        var first = State(machine: machine, underWay: [], done: [])
        let actions = machine.start()
        first.machine = machine
        guard let first = began(actions, in: first, keys.map(\.settlement)) else { return fail("repeats an action") }
        var seen: Set<State> = [first]
        var open = [first]
        while let state = open.popLast() {
            let runs = Set(
                (state.done.union(state.underWay)).compactMap { action -> Int? in
                    if case .run(let vertex) = action { vertex } else { nil }
                }
            )
            if !runs.isSubset(of: most) { return fail("runs \(runs), of which only \(most) could be needed") }
            if state.underWay.isEmpty {
                if !state.machine.isOver { return fail("stands still") }
                if !least.isSubset(of: runs) { return fail("runs \(runs) and not \(least)") }
                continue
            }
            for action in state.underWay {
                var next = state
                next.underWay.remove(action)
                next.done.insert(action)
                guard let event = ending(of: action) else { return fail("puts \(action) to work") }
                let actions = next.machine.receive(event)
                guard let state = began(actions, in: next, keys.map(\.settlement)) else {
                    return fail("repeats an action, or settles a key in another way")
                }
                if seen.insert(state).inserted { open.append(state) }
            }
        }
    }

    private func began(
        _ actions: [SolveMachine.Action],
        in state: State,
        _ settlements: [SolveMachine.Settlement]
    ) -> State? {
        var state = state
        for action in actions {
            if state.done.contains(action) || state.underWay.contains(action) { return nil }
            if case .settled(let vertex, let settlement) = action {
                if settlements[vertex] != settlement { return nil }
                state.done.insert(action)
            } else {
                if case .run(let vertex) = action, !isReady(vertex, state) { return nil }
                state.underWay.insert(action)
            }
        }
        return state
    }

    private func isReady(_ vertex: Int, _ state: State) -> Bool {
        graph.inputs[vertex].allSatisfy { state.done.contains(.run($0)) || state.done.contains(.settled($0, .found)) }
    }

    private func ending(of action: SolveMachine.Action) -> SolveMachine.Event? {
        switch action {
        case .map(let vertex): .mapped(vertex, graph.shapes[vertex])
        case .lookUp(let vertex, let key): .lookedUp(vertex, graph.lookUp(vertex, key))
        case .keyContent(let vertex, let input): .contentKeyed(vertex, input: input)
        case .run(let vertex): .ran(vertex)
        case .settled: nil
        }
    }

    private func fail(_ what: String) {
        Issue.record("\(graph.inputs) by content \(graph.shapes.map(\.byContent)) with \(graph.kinds): \(what)")
    }
}

/// A small random generator with a seed.
struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }
}
