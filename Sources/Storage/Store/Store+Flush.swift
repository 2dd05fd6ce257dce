internal import GRDB
internal import LinuxSystem
internal import OCI
internal import SystemPackage

/// How what was not yet on the disk becomes durable, or is lost: see docs/decisions/0029.
extension Store {
    /// Makes layers and blobs durable that are needed by what the next transaction says, and with them what only work can replace.
    ///
    /// - Throws: `StorageError`; what could not be written is no longer in the store then.
    package func flush(_ resources: some Sequence<StoreResource> & Sendable) async throws {
        try await onBlockingPool {
            try whileDoing("waiting for the disk", in: self.root) {
                try self.flush { db in
                    try self.unflushed(among: self.unflushed.own.union(resources), in: db)
                }
            }
        }
    }

    /// Makes durable what only work can replace that this process has made, and what was left by processes before it.
    ///
    /// - Parameter everything: whether also what is copies of other content, and what other processes work with.
    /// - Throws: as `flush`.
    package func flushRest(everything: Bool = false) async throws {
        try await onBlockingPool {
            try whileDoing("waiting for the disk", in: self.root) {
                try self.flush { db in
                    let old = try BlobTable.Unflushed.fetchAll(
                        db,
                        sql: "SELECT id, resource FROM unflushed WHERE written < ?",
                        // The kernel writes what is older, without being asked.
                        arguments: [everything ? Int64.max : currentTime() - 60]
                    )
                    return try old + self.unflushed(among: self.unflushed.own, in: db)
                }
            }
        }
    }

    private func unflushed(
        among resources: some Sequence<StoreResource>,
        in db: Database
    ) throws -> [BlobTable.Unflushed] {
        let statement = try db.cachedStatement(sql: "SELECT id, resource FROM unflushed WHERE resource = ?")
        return try resources.compactMap { try BlobTable.Unflushed.fetchOne(statement, arguments: ["\($0)"]) }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func flush(choosing: (Database) throws -> [BlobTable.Unflushed]) throws {
        let rows = try database.read(choosing)
        if rows.isEmpty { return }
        do {
            try flushFiles(of: rows.compactMap(\.resource))
        } catch {
            // The kernel takes pages that it could not write for written: nothing tells how they are on the disk. Any other error, as
            // of a disk without room for one more file, says nothing of them.
            if ["fsync", "syncfs", "sync_file_range"].contains(error.call) { try drop { _ in rows } }
            throw error
        }
        try database.writeLazily { db in
            let delete = try db.cachedStatement(sql: "DELETE FROM unflushed WHERE id = ?")
            for row in rows { try delete.execute(arguments: [row.id]) }
        }
        unflushed.forget(rows.compactMap(\.resource))
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func flushFiles(of resources: [StoreResource]) throws(SystemCallError) {
        var flush = try TreeFlush(scratch: layout.tmp)
        for resource in resources {
            switch resource {
            case .blob(let digest): try flush.add(layout.blob(digest))
            case .layer(let layer): try flush.add(layout.snapshot(layer))
            }
        }
        try flush.finish()
    }

    /// Forgets what an earlier boot of the machine had not yet on the disk when it ended.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func recoverFromLostPower() throws {
        guard let earlier = try unflushed.earlierBoot(), earlier != ProcessReference.currentBootID() else { return }
        try drop { db in
            try BlobTable.Unflushed.fetchAll(
                db,
                sql: "SELECT id, resource FROM unflushed WHERE boot != ?",
                arguments: [ProcessReference.currentBootID()]
            )
        }
        // Their rows may be lost as well.
        try removeOrphans()
        // Another process may have come first and written something since.
        if try unflushed.earlierBoot() == earlier { try HostFiles.remove(layout.boot) }
    }

    /// Takes files out of the store that cannot be relied on, and what is made of them.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func drop(choosing: (Database) throws -> [BlobTable.Unflushed]) throws {
        let discarded = try process.owner().directory(in: layout.tmp)
        var trees: [FilePath] = []
        try database.write { db in
            let rows = try choosing(db)
            let lostBefore = try database.tables.lostLayers(in: db)
            for resource in rows.compactMap(\.resource) {
                switch resource {
                case .blob(let digest):
                    try db.execute(sql: "DELETE FROM blobs WHERE digest = ?", arguments: [digest])
                    try HostFiles.remove(layout.blob(digest))
                case .layer(let layer):
                    try database.tables.forgetFiles(of: layer, in: db)
                    let target = discarded.appending("\(try process.owner().nextNumber())")
                    if try moveIfPresent(layout.snapshot(layer), to: target) { trees.append(target) }
                }
            }
            let lost = try database.tables.lostLayers(in: db).subtracting(lostBefore)
            try database.tables.removeUnreported(lost, in: db)
            let delete = try db.cachedStatement(sql: "DELETE FROM unflushed WHERE id = ?")
            for row in rows { try delete.execute(arguments: [row.id]) }
        }
        for tree in trees { try removeTree(tree) }
    }
}
