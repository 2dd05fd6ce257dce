import Attestations
import LLB
import OCI
import Synchronization

/// The graphs that frontends of living builds gave, with the requests that they answer.
///
/// Where such a graph is an input of another request, that one's provenance tells where it comes from.
final class ProducedGraphs: Sendable {
    private struct State {
        var requests: [Digest: [Int: RequestProvenance]] = [:]
        var next = 0
    }

    /// What is to be forgotten with the build that gave it.
    struct Entry: Sendable {
        fileprivate let target: Digest
        fileprivate let number: Int
    }

    private let state = Mutex(State())

    func add(_ graph: Definition, answering request: RequestProvenance) -> Entry? {
        guard let target = graph.target?.node.digest else { return nil }
        return state.withLock { state in
            state.next += 1
            state.requests[target, default: [:]][state.next] = request
            return Entry(target: target, number: state.next)
        }
    }

    func remove(_ entries: [Entry]) {
        state.withLock { state in
            for entry in entries {
                state.requests[entry.target]?[entry.number] = nil
                if state.requests[entry.target]?.isEmpty ?? false { state.requests[entry.target] = nil }
            }
        }
    }

    /// The request that a graph answers; nil where there is none, or it answers several that differ.
    private func request(for graph: Definition) -> RequestProvenance? {
        guard let target = graph.target?.node.digest else { return nil }
        let known = state.withLock { $0.requests[target]?.values.map(\.withoutRoot) ?? [] }
        guard let first = known.first, known.allSatisfy({ $0 == first }) else { return nil }
        return first
    }

    /// The requests that inputs answer, as far as they are known.
    func requests(for inputs: [String: Definition]) -> [String: RequestProvenance] {
        inputs.compactMapValues { request(for: $0) }
    }
}
