import BuildGraph
import Synchronization

/// A cache index that lasts as long as the test.
final class InMemoryCacheIndex<Output: Sendable>: CacheIndex {
    private struct State {
        var records: [CacheKey: CacheRecord] = [:]
        var outputs: [Int64: [Output]] = [:]
        var entries: [String: CacheEntry] = [:]
        var byName: [String: CacheRecord] = [:]
        var counter: Int64 = 0
        var lookUps = 0
    }

    private let state = Mutex(State())

    func record(for key: CacheKey) async throws -> CacheRecord? {
        state.withLock { state in
            state.lookUps += 1
            return state.records[key]
        }
    }

    func outputs(of record: CacheRecord, needed: Set<Int>?) async throws -> [Output?]? {
        state.withLock { $0.outputs[record.id] }
    }

    func alias(_ key: CacheKey, to record: CacheRecord) async throws { state.withLock { $0.records[key] = record } }

    func save(_ outputs: [Output], _ entry: CacheEntry) async throws -> CacheRecord {
        state.withLock { state in
            state.counter += 1
            let record = CacheRecord(id: state.counter, canonicalKey: entry.canonicalKey)
            for key in [entry.canonicalKey] + entry.aliases { state.records[key] = record }
            state.outputs[record.id] = outputs
            state.byName[entry.name] = record
            if let slot = entry.origin?.slot { state.entries[slot] = entry }
            return record
        }
    }

    func latestEntry(slot: String) async throws -> CacheEntry? { state.withLock { $0.entries[slot] } }

    /// How often a key was looked up.
    var lookUps: Int { state.withLock { $0.lookUps } }

    /// Removes the outputs of a vertex, but not its record.
    func removeOutputs(of name: String) {
        state.withLock { state in
            if let record = state.byName[name] { state.outputs[record.id] = nil }
        }
    }

    /// Removes the record of a vertex, but not its entry.
    func removeRecord(of name: String) {
        state.withLock { state in
            if let record = state.byName[name] { state.records = state.records.filter { $0.value != record } }
        }
    }
}
