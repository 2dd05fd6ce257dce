extension LeasedSnapshots {
    /// Lends a writable view of a tree whose changes are dropped in the end.
    package func withDiscardedSnapshot<Value>(
        on tree: FileTree,
        _ body: (ActiveSnapshot) async throws -> Value
    ) async throws -> Value {
        var value: Value?
        do {
            _ = try await withActiveSnapshot(on: tree) { active in
                value = try await body(active)
                throw Discard()
            }
        } catch is Discard {
            // The way to have the snapshot discarded.
        }
        guard let value else { throw CancellationError() }
        return value
    }

    private struct Discard: Error {}
}
