package import GRDB
internal import LinuxSystem
internal import Synchronization
internal import SystemPackage

/// What lies in a store and may not be on the disk yet, as far as this process made it.
///
/// A row of the table `unflushed` tells of each such layer and blob. The file `boot` names the boot of the machine in which rows may
/// have been written: it is there before the first of them.
package final class UnflushedContent: Sendable {
    private struct State {
        var boot: String?
        var own: Set<StoreResource> = []
    }

    private let layout: StoreLayout
    private let durability: Durability
    private let state = Mutex(State())

    init(layout: StoreLayout, durability: Durability) {
        self.layout = layout
        self.durability = durability
    }

    /// What this process has noted that only work can replace, and has not seen flushed.
    var own: Set<StoreResource> { state.withLock { $0.own } }

    /// Notes that the files of a resource may not be on the disk; part of the transaction that says that they are there.
    ///
    /// - Parameters:
    ///   - resource: the layer or blob.
    ///   - isReplaceable: whether it is a copy of what a registry has, or of what else is in the store: nobody waits for the disk
    ///     because of it alone.
    ///   - db: the database, in that transaction.
    /// - Throws: `DatabaseError`, and `SystemCallError` if the boot cannot be written down.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func note(_ resource: StoreResource, isReplaceable: Bool, in db: Database) throws {
        if durability == .strict { return }
        // The triggers of the records know of rows that are deleted, but not of those that are replaced.
        try db.cachedStatement(sql: "DELETE FROM unflushed WHERE resource = ?").execute(arguments: ["\(resource)"])
        let insert = try db.cachedStatement(sql: "INSERT INTO unflushed (resource, boot, written) VALUES (?, ?, ?)")
        try insert.execute(arguments: ["\(resource)", try namedBoot(), currentTime()])
        if !isReplaceable { _ = state.withLock { $0.own.insert(resource) } }
    }

    func forget(_ resources: [StoreResource]) { state.withLock { $0.own.subtract(resources) } }

    /// This boot of the machine, of which the file tells once this returns.
    private func namedBoot() throws(SystemCallError) -> String {
        let result: Result<String, SystemCallError> = state.withLock { state in
            if let boot = state.boot { return .success(boot) }
            do throws(SystemCallError) {
                let boot = ProcessReference.currentBootID()
                if try earlierBoot() != boot { try replaceFile(at: layout.boot, with: Array(boot.utf8), mode: 0o600) }
                state.boot = boot
                return .success(boot)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    /// The boot that the file names; nil where nothing was left unflushed.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func earlierBoot() throws(SystemCallError) -> String? {
        try contentsIfPresent(of: layout.boot, limit: 4096).map { String(decoding: $0, as: UTF8.self) }
    }
}
