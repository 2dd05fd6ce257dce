import LLB
import Synchronization

/// What a build reads to make its plans, besides what is in their graphs: directories of the client, and graphs that
/// bring the Dockerfile.
final class FrontendReads: Sendable {
    private struct State {
        var directories: Set<String> = []
        var graphs: [Definition] = []
    }

    private let state = Mutex(State())

    var directories: Set<String> { state.withLock(\.directories) }
    var graphs: [Definition] { state.withLock(\.graphs) }

    func add(directory name: [UInt8]) {
        _ = state.withLock { $0.directories.insert(String(decoding: name, as: UTF8.self)) }
    }

    func add(_ graph: Definition) { state.withLock { $0.graphs.append(graph) } }
}
