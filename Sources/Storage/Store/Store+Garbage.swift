internal import GRDB
internal import LinuxSystem
package import OCI
internal import SystemPackage
internal import Text

/// What a garbage collection removed.
package struct CollectedGarbage: Sendable, Hashable {
    package var blobs: [Digest] = []
    package var layers: [LayerID] = []
    /// Of the archives of those layers where they are known.
    package var layerDiffIDs: [Digest] = []
    /// Bytes given back: of blobs as stored, of layers as unpacked.
    package var bytes: Int64 = 0
    /// The layers among them that had files.
    private(set) var directories: [LayerID] = []

    package init() {}

    /// Adds a layer; `bytes` are those of its files, nil where it has none.
    package mutating func add(_ layer: LayerID, diffID: Digest?, bytes: Int64?) {
        layers.append(layer)
        if let diffID { layerDiffIDs.append(diffID) }
        guard let bytes else { return }
        directories.append(layer)
        self.bytes += bytes
    }
}

extension Store {
    /// Removes every layer and blob that no image, container, cache record or lease of a living process needs.
    ///
    /// Two phases: rows are deleted and tombstones written in one transaction, then files are unlinked. Other processes go on
    /// working; what comes back meanwhile stays.
    /// - Parameter thoroughly: also looks for files that the database does not know, as a power cut may leave them.
    /// - Returns: what went, without the files that the database did not know.
    /// - Throws: `StorageError`. What was chosen and not yet unlinked is unlinked by the next collection.
    package func collectGarbage(thoroughly: Bool = false) async throws -> CollectedGarbage {
        try await onBlockingPool {
            try whileDoing("removing what is no longer needed", in: self.root) {
                let garbage = try self.chooseGarbage()
                try self.unlinkGarbage()
                try self.removeStalePartials()
                try Quarantine(layout: self.layout).clear()
                if thoroughly { try self.removeOrphans() }
                if !garbage.blobs.isEmpty || !garbage.layers.isEmpty { try self.database.compact() }
                return garbage
            }
        }
    }

    /// The first phase.
    ///
    /// No lease can begin to hold anything meanwhile.
    private func chooseGarbage() throws -> CollectedGarbage {
        let lock = try FileLock.acquire(layout.collectionLock, .exclusive)
        defer { withExtendedLifetime(lock) {} }
        let held = try heldResources()
        return try database.write { db in
            try db.execute(
                sql: """
                    CREATE TEMP TABLE IF NOT EXISTS held_layers (id INTEGER PRIMARY KEY);
                    CREATE TEMP TABLE IF NOT EXISTS held_blobs (digest TEXT PRIMARY KEY);
                    DELETE FROM held_layers;
                    DELETE FROM held_blobs;
                    """
            )
            let holdLayer = try db.cachedStatement(sql: "INSERT OR IGNORE INTO held_layers VALUES (?)")
            let holdBlob = try db.cachedStatement(sql: "INSERT OR IGNORE INTO held_blobs VALUES (?)")
            for resource in held {
                switch resource {
                case .layer(let id): try holdLayer.execute(arguments: [id])
                case .blob(let digest): try holdBlob.execute(arguments: [digest])
                }
            }
            var garbage = CollectedGarbage()
            var needed = database.tables.held
            needed.layers.append(ContentReference("held_layers", "id"))
            needed.blobs.append(ContentReference("held_blobs", "digest"))
            try database.tables.collect(&garbage, keeping: needed, in: db)
            return garbage
        }
    }

    /// The second phase, also of collections that were interrupted.
    private func unlinkGarbage() throws {
        let discarded = try process.owner().directory(in: layout.tmp)
        let hasWork = try database.read { db in
            try Bool.fetchOne(db, sql: "SELECT EXISTS (SELECT 1 FROM tombstones)") ?? false
        }
        if hasWork { try database.settle() }
        var isDone = !hasWork
        while !isDone {
            var trees: [FilePath] = []
            // Slices, so that other writers wait for milliseconds only.
            isDone = try database.write { db in
                let buried = try BlobTable.Tombstone.fetchAll(db, sql: "SELECT kind, name FROM tombstones LIMIT 100")
                let hasLayers = buried.contains { $0.kind == .layer }
                let wanted = hasLayers ? try database.tables.layersWithFiles(in: db) : []
                let delete = try db.cachedStatement(sql: "DELETE FROM tombstones WHERE kind = ? AND name = ?")
                for tombstone in buried {
                    let name = tombstone.name
                    switch tombstone.kind {
                    case .blob: try unlinkBlob(named: name, in: db)
                    case .layer:
                        let target = discarded.appending("\(try process.owner().nextNumber())")
                        let isWanted = Int64(name).map { wanted.contains(LayerID(rawValue: $0)) } ?? false
                        if !isWanted, try moveIfPresent(layout.snapshots.appending(name), to: target) {
                            trees.append(target)
                        }
                    }
                    try delete.execute(arguments: [tombstone.kind.rawValue, name])
                }
                return buried.count < 100
            }
            for tree in trees { try removeTree(tree) }
        }
    }

    private func unlinkBlob(named name: String, in db: Database) throws {
        guard let digest = try? Digest(parsing: name) else { return }
        let cameBack = try BlobTable.contains(digest, in: db)
        if !cameBack { try HostFiles.remove(layout.blob(digest)) }
    }

    func moveIfPresent(_ path: FilePath, to target: FilePath) throws(SystemCallError) -> Bool {
        do throws(SystemCallError) {
            try HostFiles.rename(path, to: target)
            return true
        } catch {
            if error.errno == .noSuchFileOrDirectory { return false }
            throw error
        }
    }

    /// What the leases of all processes hold.
    ///
    /// A process that has died is still in here until the next opening of the store.
    func heldResources() throws -> Set<StoreResource> {
        var held: Set<StoreResource> = []
        for name in try HostFiles.entries(of: layout.run) where StoreOwner.isName(name) {
            let path = FilePath(bytes: layout.run.bytes + "/" + name)
            // Its process may end meanwhile, and nothing is held then.
            guard let content = try contentsIfPresent(of: path, limit: .max) else { continue }
            held.formUnion(Self.resources(in: content))
        }
        return held
    }

    /// Reads an owner's file: `+<lease> <resource>` begins to hold, `-<lease>` ends a lease.
    static func resources(in content: [UInt8]) -> Set<StoreResource> {
        var leases: [Substring: Set<StoreResource>] = [:]
        for line in String(decoding: content, as: UTF8.self).split(separator: "\n") {
            switch line.first {
            case "+":
                let parts = line.dropFirst().split(separator: " ", maxSplits: 1)
                guard parts.count == 2, let resource = StoreResource(parsing: parts[1]) else { continue }
                leases[parts[0], default: []].insert(resource)
            case "-": leases[line.dropFirst()] = nil
            default: continue
            }
        }
        return leases.values.reduce(into: []) { $0.formUnion($1) }
    }

    /// Unfinished downloads are kept for a day.
    private func removeStalePartials() throws {
        let limit = currentTime() - 86_400
        for name in try HostFiles.entries(of: layout.ingest) where name.starts(with: "partial-".utf8) {
            let path = FilePath(bytes: layout.ingest.bytes + "/" + name)
            guard let status = try HostFiles.status(of: path), status.modified.seconds < limit else { continue }
            guard let file = try OpenFile.openLocked(path) else { continue }
            try withExtendedLifetime(file) { _ = try HostFiles.remove(path) }
        }
    }
}

extension Store {
    /// Whether it is time to look after the size of the cache, which is seldom; who is told so is expected to do it.
    ///
    /// A new store is looked after for the first time when it is as old.
    package func takesTurnToCollect(every seconds: Int64 = 3600) async throws -> Bool {
        try await onBlockingPool { [layout] in
            let stamp = layout.root.appending("gc")
            let last = try HostFiles.status(of: stamp)?.modified.seconds
            let now = currentTime()
            if let last, (0..<seconds).contains(now - last) { return false }
            try HostFiles.write([], to: stamp, mode: 0o600)
            return last != nil
        }
    }
}
