import BuildGraph
import OCI
import Synchronization
import Text

/// Adds a number to its inputs.
///
/// Of inputs used by content it takes the last decimal digit only, so that equal content means equal results.
struct Sum: VertexOperation {
    var number: Int
    /// Which inputs are used by content.
    var byContent: [Bool] = []
    var isContentOnly = false
    var components: [KeyComponent]?
    let log: RunLog
    let name: String
    /// What happens while it runs.
    var body: @Sendable (OperationContext) async throws -> Void = { _ in }

    func cacheMap(_ context: OperationContext) async throws -> CacheMap<Int> {
        CacheMap(
            components: components ?? [KeyComponent("number", "\(number)")],
            inputs: byContent.map { $0 ? .content(selector: []) { value, _ in digit(value) } : .definition },
            identity: isContentOnly ? .contentOnly : .definition
        )
    }

    func run(_ inputs: [Int], _ context: OperationContext) async throws -> [Int] {
        log.begin(name)
        try await body(context)
        log.end(name)
        return [value(inputs)]
    }

    func value(_ inputs: [Int]) -> Int {
        zip(inputs, byContent).reduce(number) { $0 + ($1.1 ? $1.0 % 10 : $1.0) }
    }
}

private func digit(_ value: Int) -> ContentKey {
    let content = Digest.sha256(of: "\(value % 10)")
    return ContentKey(
        digest: content,
        entries: [ContentEntry(path: "digit", kind: .file, mode: 0o644, content: content)]
    )
}

/// Which vertices ran.
final class RunLog: Sendable {
    private let state = Mutex((begun: [String](), ended: [String](), concurrent: 0, most: 0))

    func begin(_ name: String) {
        state.withLock { state in
            state.begun.append(name)
            state.concurrent += 1
            state.most = max(state.most, state.concurrent)
        }
    }

    func end(_ name: String) {
        state.withLock { state in
            state.ended.append(name)
            state.concurrent -= 1
        }
    }

    /// In the order in which they began.
    var begun: [String] { state.withLock { $0.begun } }
    /// Those that ended well.
    var ended: [String] { state.withLock { $0.ended } }
    var mostAtOnce: Int { state.withLock { $0.most } }
    func clear() { state.withLock { $0 = ([], [], 0, 0) } }
}

/// A graph of sums, written down one vertex after the other.
struct Sums {
    struct Line {
        var name: String
        var inputs: [String]
        var operation: Sum
        var ignoresCache = false
    }

    var lines: [Line] = []
    let log = RunLog()

    /// Adds a vertex; an input written `*name` is used by content.
    mutating func add(
        _ name: String,
        _ number: Int,
        _ inputs: [String] = [],
        isContentOnly: Bool = false,
        ignoresCache: Bool = false,
        body: @escaping @Sendable (OperationContext) async throws -> Void = { _ in }
    ) {
        let operation = Sum(
            number: number,
            byContent: inputs.map { $0.hasPrefix("*") },
            isContentOnly: isContentOnly,
            log: log,
            name: name,
            body: body
        )
        let names = inputs.map { String($0.drop { $0 == "*" }) }
        lines.append(Line(name: name, inputs: names, operation: operation, ignoresCache: ignoresCache))
    }

    subscript(_ name: String) -> Sum {
        get { lines.first { $0.name == name }.map(\.operation) ?? Sum(number: 0, log: log, name: name) }
        set { for index in lines.indices where lines[index].name == name { lines[index].operation = newValue } }
    }

    /// A vertex's digest covers its number and its inputs, as that of a real definition does.
    var digests: [String: Digest] {
        lines.reduce(into: [:]) { digests, line in
            let inputs = line.inputs.map { digests[$0]?.hex ?? "" }
            digests[line.name] = digest("\(line.name) \(line.operation.number) \(inputs) \(line.operation.byContent)")
        }
    }

    func graph() throws -> Graph<Int> {
        let digests = digests
        return try Graph(
            lines.compactMap { line in
                guard let digest = digests[line.name] else { return nil }
                return Vertex(
                    digest: digest,
                    name: line.name,
                    inputs: line.inputs.compactMap { digests[$0] }.map { VertexInput(digest: $0) },
                    operation: line.operation,
                    ignoresCache: line.ignoresCache,
                    origin: StepOrigin(
                        slot: line.name,
                        dockerfile: "Dockerfile",
                        stage: "0",
                        instruction: 0,
                        line: 1,
                        text: []
                    )
                )
            }
        )
    }

    func target(_ name: String) -> VertexInput { VertexInput(digest: digests[name] ?? digest("?")) }

    /// What each vertex's output must be.
    var values: [String: Int] {
        lines.reduce(into: [:]) { values, line in
            values[line.name] = line.operation.value(line.inputs.map { values[$0] ?? 0 })
        }
    }
}

func digest(_ text: String) -> Digest { Digest.sha256(of: Array(text.utf8)) }

extension Solver<Int> {
    /// Solves for the last vertex.
    func solve(_ sums: Sums, _ target: String? = nil, progress: ProgressChannel? = nil) async throws -> Solution<Int> {
        try await solve(
            sums.graph(),
            targets: [sums.target(target ?? sums.lines.last?.name ?? "")],
            progress: progress
        )
    }
}

extension Solution<Int> {
    /// What became of the steps, by name.
    var outcomes: [String: StepExplanation.Outcome] {
        Dictionary(uniqueKeysWithValues: steps.map { ($0.name, $0.outcome) })
    }
}
