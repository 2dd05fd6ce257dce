package import LinuxSystem
internal import Synchronization
package import SystemPackage

/// Everything Slipway keeps on disk: blobs by digest, the files of layers, and the database that says what they are.
///
/// Any number of processes may use one store at the same time. What a process was doing when it was killed is found and undone by
/// the next one that opens the store.
package final class Store: Sendable {
    package let layout: StoreLayout
    package let database: StoreDatabase
    package let blobs: BlobStore

    /// What may not be on the disk yet.
    package let unflushed: UnflushedContent
    let process: OwnerBox
    private let reserve: SpaceReserve
    private let freesSpace: Bool

    /// What keeps layers and blobs from being removed.
    package var held: HeldContent { database.tables.held }

    /// When what is made has to be on the disk.
    package var durability: Durability { database.durability }

    /// The store's directory.
    package var root: FilePath { layout.root }

    init(layout: StoreLayout, database: StoreDatabase, freesSpace: Bool = false) {
        self.freesSpace = freesSpace
        self.layout = layout
        self.database = database
        process = OwnerBox(layout: layout)
        reserve = SpaceReserve(layout: layout)
        unflushed = UnflushedContent(layout: layout, durability: database.durability)
        blobs = BlobStore(layout: layout, database: database, process: process, unflushed: unflushed)
    }

    /// Opens a store, creating it where there is none, and clears away what dead processes left.
    ///
    /// - Parameters:
    ///   - root: the store's directory.
    ///   - tables: the tables of its database.
    ///   - identities: what the owners of files mean to this process; nil where that was looked at already.
    ///   - durability: when what is made in it has to be on the disk.
    ///   - freesSpace: whether what is done with the store is to work on a full disk: removing, stopping, listing.
    /// - Returns: the store.
    /// - Throws: `StorageError.newerSchema`, `.otherIdentities`, `.databaseDamaged`, `.databaseLocked`, `.noSpace`,
    ///   `.unusable`.
    package static func open(
        at root: FilePath,
        tables: StoreTables,
        identities: FileIdentities? = nil,
        durability: Durability = .reported,
        freesSpace: Bool = false
    ) async throws -> Store {
        try await onBlockingPool {
            try openBlocking(
                at: root,
                tables: tables,
                identities: identities,
                durability: durability,
                freesSpace: freesSpace
            )
        }
    }

    /// Opens a store; for code that runs on a thread that may block.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func openBlocking(
        at root: FilePath,
        tables: StoreTables,
        identities: FileIdentities? = nil,
        durability: Durability = .reported,
        freesSpace: Bool = false
    ) throws -> Store {
        let layout = StoreLayout(root: root)
        let reserve = SpaceReserve(layout: layout)
        if freesSpace { reserve.giveUpIfNeeded() }
        do throws(SystemCallError) {
            try layout.create()
        } catch {
            if error.errno == .noSpace || error.errno == .diskQuotaExceeded {
                throw StorageError.noSpace(phase: "creating the store", path: root)
            }
            throw StorageError.unusable(root: root, reason: error)
        }
        if let identities {
            try whileDoing("reading whose files it has", in: root) {
                try StoreIdentities(layout: layout).check(identities)
            }
        }
        let database = try whileDoing("opening the database", in: root) {
            // A boot that has no name cannot be told from another.
            let isNamed = !ProcessReference.currentBootID().isEmpty
            return try StoreDatabase(
                path: layout.database,
                tables: tables,
                durability: isNamed ? durability : .strict
            )
        }
        let store = Store(layout: layout, database: database, freesSpace: freesSpace)
        if !freesSpace { reserve.hold() }
        try whileDoing("clearing away what an earlier process left", in: root) { try store.recover() }
        return store
    }

    /// Removes this process's scratch directories and gives up what it holds; nothing of the store is used afterwards.
    package func close() async {
        await onBlockingPool { self.process.close() }
    }

    deinit {
        if freesSpace { reserve.holdRest() }
    }

    // MARK: Scratch of this process

    /// A new empty directory for this process, on the file system of the store; removed at the latest when the process is gone.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func temporaryDirectory() throws -> FilePath {
        try whileDoing("making a temporary directory", in: root) {
            let owner = try process.owner()
            let path = try owner.directory(in: layout.tmp, holdsTrees: true).appending("\(owner.nextNumber())")
            try HostFiles.createDirectory(path, mode: 0o700)
            return path
        }
    }

    /// A new empty directory to mount something on; removed at the latest when the process is gone, and only if empty.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func mountPoint() throws -> FilePath {
        try whileDoing("making a mount point", in: root) {
            let owner = try process.owner()
            let path = try owner.directory(in: layout.mounts).appending("\(owner.nextNumber())")
            try HostFiles.createDirectory(path, mode: 0o700)
            return path
        }
    }

    // MARK: Leases

    /// Lends a lease: what it holds is removed by no process until `body` is over.
    package func withLease<Value>(_ body: (Lease) async throws -> Value) async throws -> Value {
        let lease = Lease(owner: try await onBlockingPool { try self.process.owner() }, layout: layout)
        // A lease that cannot be ended now ends with the process.
        do {
            let value = try await body(lease)
            await onBlockingPool { try? lease.end() }
            return value
        } catch {
            await onBlockingPool { try? lease.end() }
            throw error
        }
    }

    /// The lease that lasts as long as the process, for what no scope ends.
    package var lastingLease: Lease {
        get async throws { try await onBlockingPool { try self.process.lease() } }
    }
}

/// A scope in which nothing it holds is removed from the store; whatever makes or uses content is given one.
///
/// See `Store.withLease`.
package final class Lease: Sendable {
    let owner: StoreOwner
    private let layout: StoreLayout
    private let number: Int

    init(owner: StoreOwner, layout: StoreLayout) {
        self.owner = owner
        self.layout = layout
        number = owner.beginLease()
    }

    /// Adds to what the lease holds.
    ///
    /// Ask whether something is there only after holding it: then it stays.
    package func hold(_ resources: [StoreResource]) async throws {
        if resources.isEmpty { return }
        try await onBlockingPool { try self.hold(resources) }
    }

    /// Adds to what the lease holds; for code that runs on a thread that may block.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func hold(_ resources: [StoreResource]) throws {
        if resources.isEmpty { return }
        try whileDoing("leasing", in: layout.root) {
            let lock = try FileLock.acquire(layout.collectionLock, .shared)
            try withExtendedLifetime(lock) { try owner.note(resources, lease: number) }
        }
    }

    func end() throws { try owner.endLease(number) }
}

/// This process's registration with the store, made when it is first needed: a command that only reads has none.
final class OwnerBox: Sendable {
    private struct State {
        var owner: StoreOwner?
        var lease: Lease?
    }

    private let layout: StoreLayout
    private let state = Mutex(State())

    init(layout: StoreLayout) { self.layout = layout }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func owner() throws -> StoreOwner {
        try state.withLock { state in
            if let owner = state.owner { return owner }
            let owner = try StoreOwner.register(in: layout)
            state.owner = owner
            return owner
        }
    }

    /// The lease that lasts as long as the process.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func lease() throws -> Lease {
        let owner = try owner()
        return state.withLock { state in
            if let lease = state.lease { return lease }
            let lease = Lease(owner: owner, layout: layout)
            state.lease = lease
            return lease
        }
    }

    func close() {
        let owner = state.withLock { state in
            defer { state = State() }
            return state.owner
        }
        owner?.removeTraces()
    }
}
