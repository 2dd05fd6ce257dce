internal import GRDB
internal import LinuxSystem
internal import SystemPackage
internal import Text

extension Store {
    /// Clears away the scratch of dead processes; a process that died while it held something may also have left files
    /// that no row knows, which are looked for then.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func recover() throws {
        try recoverFromLostPower()
        let incoming = try HostFiles.entries(of: layout.ingest).filter { !$0.starts(with: "partial-") }
        var names = Set(incoming.map(Self.ownerName))
        for directory in [layout.run, layout.tmp, layout.mounts] {
            names.formUnion(try HostFiles.entries(of: directory))
        }
        for name in names.filter(StoreOwner.isName).sorted(by: { $0.lexicographicallyPrecedes($1) }) {
            // The lock is kept until everything of the dead process is gone: no second process clears at the same time.
            guard let text = String(validating: name, as: UTF8.self),
                let file = try OpenFile.openLocked(layout.run.appending(text))
            else { continue }
            if try file.status().size > 0 { try removeOrphans() }
            for entry in incoming where Self.ownerName(of: entry) == name {
                try HostFiles.remove(FilePath(bytes: layout.ingest.bytes + "/" + entry))
            }
            try StoreOwner.removeTraces(of: text, in: layout)
            withExtendedLifetime(file) {}
        }
    }

    /// `<pid>.<start>.<boot>.<salt>.<number>` without its last part.
    private static func ownerName(of entry: [UInt8]) -> [UInt8] {
        Array(entry[..<(entry.lastIndex(of: ".") ?? entry.endIndex)])
    }

    /// Removes the files of blobs, layers and containers that the database does not know, or sets them aside where it
    /// may have forgotten them.
    ///
    /// They appear in place only inside write transactions, so under the write lock none is one that is just being
    /// made.
    /// - Returns: how many were removed.
    @discardableResult
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func removeOrphans() throws -> Int {
        let discarded = try process.owner().directory(in: layout.tmp)
        let isCertain = database.isKnownWhole
        var trees: [FilePath] = []
        try database.settle()
        let count = try database.write { db in
            let orphans = try orphans(in: db)
            for path in orphans.containers { try unmount(path.appending("root"), lazy: true) }
            if !isCertain {
                for path in orphans.all { try Quarantine(layout: layout).take(path) }
                return orphans.all.count
            }
            for path in orphans.blobs { try HostFiles.remove(path) }
            for path in orphans.snapshots + orphans.containers {
                let target = discarded.appending("\(try process.owner().nextNumber())")
                try HostFiles.rename(path, to: target)
                trees.append(target)
            }
            return orphans.all.count
        }
        for tree in trees { try removeTree(tree) }
        return count
    }

    /// What lies in the places of blobs, layers and containers and has no row.
    struct Orphans {
        var blobs: [FilePath] = []
        var snapshots: [FilePath] = []
        var containers: [FilePath] = []

        var all: [FilePath] { blobs + snapshots + containers }
    }

    /// Files in the places of blobs, layers and containers that have no row.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func orphans(in db: Database) throws -> Orphans {
        let digests = try Set(String.fetchAll(db, sql: "SELECT digest FROM blobs"))
            .union(try String.fetchAll(db, sql: "SELECT name FROM tombstones WHERE kind = 'blob'"))
        var blobs: [FilePath] = []
        for algorithm in ["sha256", "sha384", "sha512"] {
            let directory = layout.blobs.appending(algorithm)
            for entry in try HostFiles.entries(of: directory)
            where !digests.contains("\(algorithm):" + String(decoding: entry, as: UTF8.self)) {
                blobs.append(FilePath(bytes: directory.bytes + "/" + entry))
            }
        }
        let layers = try Set(database.tables.layersWithFiles(in: db).map(\.description))
            .union(try String.fetchAll(db, sql: "SELECT name FROM tombstones WHERE kind = 'layer'"))
        let snapshots = try HostFiles.entries(of: layout.snapshots)
            .filter { !layers.contains(String(decoding: $0, as: UTF8.self)) }
            .map { FilePath(bytes: layout.snapshots.bytes + "/" + $0) }
        let known = try Set(database.recorded.directories(in: db))
        let containers = try HostFiles.entries(of: layout.containers)
            .filter { Self.isContainerID($0) && !known.contains(String(decoding: $0, as: UTF8.self)) }
            .map { FilePath(bytes: layout.containers.bytes + "/" + $0) }
        return Orphans(blobs: blobs, snapshots: snapshots, containers: containers)
    }

    /// Whether an entry is called as containers' directories are; locks are there too.
    private static func isContainerID(_ name: [UInt8]) -> Bool {
        name.count == 64 && name.allSatisfy { ("0"..."9").contains($0) || ("a"..."f").contains($0) }
    }
}
