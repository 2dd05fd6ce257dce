internal import OCI
internal import Snapshots
internal import Storage

/// What a prune removed.
package struct PrunedImages: Sendable {
    package var removals: [ImageRemoval] = []
    /// Bytes given back to the file system.
    package var reclaimed: Int64 = 0
}

extension ImageStore {
    /// Removes images that have no name or, with `all`, that no container uses.
    ///
    /// Images in use stay without a complaint, as docker has it.
    /// - Parameters:
    ///   - all: also images with names.
    ///   - filter: of those that prune takes.
    /// - Returns: what was removed, and how much smaller the store is for it.
    /// - Throws: `StorageError`, a database's error. An image that came into use meanwhile is none.
    package func prune(
        all: Bool = false,
        filter: ImageFilter = ImageFilter()
    ) async throws -> PrunedImages {
        var filter = filter
        let onlyDangling = filter.dangling ?? !all
        filter.dangling = onlyDangling ? true : nil
        let before = try await store.diskUsage().total
        var result = PrunedImages()
        result.removals = try await removeUnused(try await list(filter).filter { $0.containers == 0 }.map(\.id))
        result.reclaimed = max(0, before - (try await store.diskUsage().total))
        return result
    }
}
