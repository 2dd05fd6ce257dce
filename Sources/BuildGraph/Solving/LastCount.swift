internal import Synchronization

/// The counts that an activity reported last, which its end repeats.
final class LastCount: Sendable {
    private let counts: Mutex<(current: Int64, total: Int64)>

    init(total: Int64) { counts = Mutex((0, total)) }

    func set(current: Int64, total: Int64) { counts.withLock { $0 = (current, total) } }

    func get() -> (current: Int64, total: Int64) { counts.withLock { $0 } }
}
