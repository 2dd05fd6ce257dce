internal import FoundationEssentials
internal import Synchronization

/// Compiled filters by capabilities, in the form the runtime takes them: compiling is work of a millisecond that every step would repeat.
///
/// A filter is the same wherever it is compiled, so one cache for the process is no state that anything could depend on.
final class FilterCache: Sendable {
    static let shared = FilterCache()

    private let filters = Mutex<[Set<Capability>: String]>([:])

    func dockerFilter(for capabilities: Set<Capability>) -> String {
        filters.withLock { filters in
            if let filter = filters[capabilities] { return filter }
            let filter = SeccompFilter(.docker(capabilities: capabilities))
            let text = Data(filter.bytes).base64EncodedString()
            filters[capabilities] = text
            return text
        }
    }
}
