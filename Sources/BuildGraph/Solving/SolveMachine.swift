/// Decides what a solve does next.
///
/// It performs no work, and knows neither outputs nor keys: vertices are numbers, inputs before what uses them.
///
/// Finding the key of a vertex and running it are separate. Every key is wanted from the start, since the key of a target hashes
/// those of everything below it. An output is wanted only by the target, by a vertex that has to run, or for a content key.
///
/// A vertex is *doomed* once it is certain that no record fits it: it missed, or an input that it is keyed by is doomed. A wanted
/// doomed vertex asks for its inputs at once, without waiting until its own key is complete; otherwise a stage would stand still
/// while another one runs only to be looked at by content. A vertex is *tainted* if the cache must not be used for it: it is
/// marked so, or an input that it is keyed by is tainted. It is not looked up, but it is saved.
struct SolveMachine: Hashable {
    /// How a vertex is keyed, as its cache map says.
    struct Shape: Hashable, Sendable {
        /// Whether no key says what the output is.
        var isContentOnly: Bool
        /// Which inputs are keyed by content.
        var byContent: [Bool]
    }

    enum Key: Hashable, Sendable {
        case definition, content
    }

    /// What looking up a key gave.
    enum Lookup: Hashable, Sendable {
        case missed
        /// A record with its outputs.
        case found
        /// A record whose outputs are gone.
        case gone
    }

    enum Event: Hashable, Sendable {
        case mapped(Int, Shape)
        case lookedUp(Int, Lookup)
        case contentKeyed(Int, input: Int)
        case ran(Int)
        case failed
    }

    enum Action: Hashable, Sendable {
        case map(Int)
        case lookUp(Int, Key)
        case keyContent(Int, input: Int)
        case run(Int)
        /// Nothing to do but to note: the key of the vertex is settled. Comes before any action that needs the key.
        case settled(Int, Settlement)
    }

    /// What became of the key of a vertex.
    enum Settlement: Hashable, Sendable {
        /// There is a record with its outputs.
        case found
        /// There is a record, but its outputs are gone.
        case gone
        /// There is no record, or it must not be used.
        case missed
        /// The vertex has no key.
        case keyless
    }

    private(set) var nodes: [Node]
    private(set) var isFailed = false
    private let targets: [Int]
    private var work = Work()

    /// - Parameters:
    ///   - inputs: For each vertex, the vertices its inputs come from.
    ///   - ignoresCache: For each vertex, whether it must not be looked up.
    ///   - targets: The vertices whose outputs are wanted.
    init(inputs: [[Int]], ignoresCache: [Bool], targets: [Int]) {
        nodes = zip(inputs, ignoresCache).map { Node(inputs: $0, ignoresCache: $1) }
        self.targets = targets
        for (node, inputs) in inputs.enumerated() {
            for (slot, input) in inputs.enumerated() { nodes[input].users.append(Node.Use(node: node, slot: slot)) }
        }
    }

    /// Whether nothing is left to decide.
    var isOver: Bool { isFailed || targets.allSatisfy { nodes[$0].output == .available } }

    /// The actions to begin with.
    mutating func start() -> [Action] {
        for target in targets { work.steps.append(.want(target)) }
        return nodes.indices.map { .map($0) } + drained()
    }

    /// Takes in the end of an action, and says which actions begin.
    mutating func receive(_ event: Event) -> [Action] {
        switch event {
        case .failed: isFailed = true
        case .mapped(let node, let shape):
            nodes[node].shape = shape
            let isDoomed = nodes[node].inputs.enumerated().contains { slot, input in
                !shape.byContent[slot] && nodes[input].isDoomed
            }
            if isDoomed || nodes[node].ignoresCache { work.steps.append(.doom(node)) }
            work.steps.append(.key(node))
        case .lookedUp(let node, let lookup): lookedUp(node, lookup)
        case .contentKeyed(let node, _):
            nodes[node].contentMissing -= 1
            if nodes[node].contentMissing == 0 {
                if nodes[node].isTainted {
                    settle(node, .missed)
                } else {
                    nodes[node].key = .lookingUp(.content)
                    work.actions.append(.lookUp(node, .content))
                }
            }
        case .ran(let node): work.steps.append(.available(node))
        }
        return isFailed ? [] : drained()
    }
}

extension SolveMachine {
    /// The state of one vertex.
    struct Node: Hashable {
        struct Use: Hashable {
            let node: Int
            let slot: Int
        }

        enum KeyState: Hashable {
            case waiting
            case lookingUp(Key)
            case keyingContent
            case settled(Settlement)
        }

        enum OutputState: Hashable {
            case none, running, available
        }

        let inputs: [Int]
        let ignoresCache: Bool
        var users: [Use] = []
        var shape: Shape?
        var key = KeyState.waiting
        var output = OutputState.none
        /// How many inputs have no settled key yet.
        var keysMissing: Int
        /// How many inputs have no output yet.
        var outputsMissing: Int
        /// How many content keys are not computed yet.
        var contentMissing = 0
        var isWanted = false
        var wantsInputs = false
        var isDoomed = false
        var isTainted = false

        init(inputs: [Int], ignoresCache: Bool) {
            self.inputs = inputs
            self.ignoresCache = ignoresCache
            keysMissing = inputs.count
            outputsMissing = inputs.count
        }

        var settlement: Settlement? {
            switch key {
            case .settled(let settlement): settlement
            case .waiting, .lookingUp, .keyingContent: nil
            }
        }
    }

    /// Consequences not drawn yet.
    ///
    /// A list and not recursion, because a graph may be deeper than a stack.
    private struct Work: Hashable {
        enum Step: Hashable {
            case want(Int)
            case doom(Int)
            case key(Int)
            case run(Int)
            case available(Int)
        }

        var steps: [Step] = []
        var actions: [Action] = []
    }

    private mutating func drained() -> [Action] {
        var next = 0
        while next < work.steps.count {
            switch work.steps[next] {
            case .want(let node): want(node)
            case .doom(let node): doom(node)
            case .key(let node): key(node)
            case .run(let node): run(node)
            case .available(let node): makeAvailable(node)
            }
            next += 1
        }
        defer { work = Work() }
        return work.actions
    }

    private mutating func want(_ node: Int) {
        if nodes[node].isWanted { return }
        nodes[node].isWanted = true
        switch nodes[node].settlement {
        case .found: break
        case .gone, .missed, .keyless: wantInputs(of: node)
        case nil: if nodes[node].isDoomed { wantInputs(of: node) }
        }
    }

    private mutating func wantInputs(of node: Int) {
        if nodes[node].wantsInputs { return }
        nodes[node].wantsInputs = true
        for input in nodes[node].inputs { work.steps.append(.want(input)) }
        work.steps.append(.run(node))
    }

    private mutating func doom(_ node: Int) {
        if nodes[node].isDoomed { return }
        nodes[node].isDoomed = true
        if nodes[node].isWanted, nodes[node].settlement != .found { wantInputs(of: node) }
        for user in nodes[node].users where nodes[user.node].shape?.byContent[user.slot] == false {
            work.steps.append(.doom(user.node))
        }
    }

    /// Goes for the key once the cache map and the keys of all inputs are there.
    private mutating func key(_ node: Int) {
        guard nodes[node].key == .waiting, nodes[node].keysMissing == 0, let shape = nodes[node].shape else { return }
        var isKeyless = shape.isContentOnly
        var isTainted = nodes[node].ignoresCache
        var definitionTells = true
        for (slot, input) in nodes[node].inputs.enumerated() {
            let isInputKeyless = nodes[input].settlement == .keyless
            if shape.byContent[slot] {
                if isInputKeyless || nodes[input].isTainted { definitionTells = false }
            } else {
                if isInputKeyless { isKeyless = true }
                if nodes[input].isTainted { isTainted = true }
            }
        }
        nodes[node].isTainted = isTainted
        if isKeyless {
            settle(node, .keyless)
        } else if isTainted || !definitionTells {
            goOnToContent(node, shape)
        } else {
            nodes[node].key = .lookingUp(.definition)
            work.actions.append(.lookUp(node, .definition))
        }
    }

    private mutating func goOnToContent(_ node: Int, _ shape: Shape) {
        let slots = shape.byContent.indices.filter { shape.byContent[$0] }
        if slots.isEmpty {
            settle(node, .missed)
            return
        }
        nodes[node].key = .keyingContent
        nodes[node].contentMissing = slots.count
        for slot in slots {
            let input = nodes[node].inputs[slot]
            if nodes[input].output == .available {
                work.actions.append(.keyContent(node, input: slot))
            } else {
                work.steps.append(.want(input))
            }
        }
    }

    private mutating func lookedUp(_ node: Int, _ lookup: Lookup) {
        switch (nodes[node].key, lookup) {
        case (.lookingUp, .found): settle(node, .found)
        case (.lookingUp, .gone): settle(node, .gone)
        case (.lookingUp(.content), .missed): settle(node, .missed)
        case (.lookingUp(.definition), .missed):
            if let shape = nodes[node].shape { goOnToContent(node, shape) }
        case (.waiting, _), (.keyingContent, _), (.settled, _):
            preconditionFailure("vertex \(node) was not being looked up")
        }
    }

    private mutating func settle(_ node: Int, _ settlement: Settlement) {
        nodes[node].key = .settled(settlement)
        work.actions.append(.settled(node, settlement))
        for user in nodes[node].users {
            nodes[user.node].keysMissing -= 1
            work.steps.append(.key(user.node))
        }
        switch settlement {
        case .found: work.steps.append(.available(node))
        case .gone: if nodes[node].isWanted { wantInputs(of: node) }
        case .missed, .keyless:
            work.steps.append(.doom(node))
            if nodes[node].isWanted { wantInputs(of: node) }
        }
        work.steps.append(.run(node))
    }

    /// Runs the vertex if it has to run and everything for it is there.
    private mutating func run(_ node: Int) {
        guard nodes[node].wantsInputs, nodes[node].outputsMissing == 0, nodes[node].output == .none else { return }
        switch nodes[node].settlement {
        case .found, nil: break
        case .gone, .missed, .keyless:
            nodes[node].output = .running
            work.actions.append(.run(node))
        }
    }

    private mutating func makeAvailable(_ node: Int) {
        nodes[node].output = .available
        for user in nodes[node].users {
            nodes[user.node].outputsMissing -= 1
            if nodes[user.node].key == .keyingContent, nodes[user.node].shape?.byContent[user.slot] == true {
                work.actions.append(.keyContent(user.node, input: user.slot))
            }
            work.steps.append(.run(user.node))
        }
    }
}
