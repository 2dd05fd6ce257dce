import Snapshots
import Storage

extension SnapshotStore {
    /// The layers for a test: what it uses is held until the process ends.
    var lasting: LeasedSnapshots { get async throws { leased(by: try await store.lastingLease) } }
}
