package import LinuxSystem
package import SystemPackage

/// The directories that are kept from build to build under one name: the first, and more where not all may share it.
///
///     <kind>/<name>/id         what it is called
///     <kind>/<name>/<n>/lock   held by the user of the directory; its time is that of the last use
///     <kind>/<name>/<n>/data   the files; missing until they are made, and once they are pruned
package struct KeptDirectory: Sendable {
    /// What they are for.
    package enum Kind: Sendable, Hashable, CaseIterable {
        /// `RUN --mount=type=cache`
        case cacheMount
        /// Copies of clients' directories, in which only what has changed is sent again.
        case sync

        func directory(in layout: StoreLayout) -> FilePath {
            switch self {
            case .cacheMount: layout.cacheMounts
            case .sync: layout.syncs
            }
        }
    }

    private let path: FilePath

    package init(_ kind: Kind, in layout: StoreLayout, name: String) {
        path = kind.directory(in: layout).appending(name)
    }

    package func data(_ number: Int) -> FilePath { path.appending("\(number)/data") }

    package func lock(_ number: Int) -> FilePath { path.appending("\(number)/lock") }

    var id: FilePath { path.appending("id") }

    /// Makes a directory's place and notes that it is used now.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func make(_ number: Int, id: [UInt8]) throws(SystemCallError) {
        let directory = path.appending("\(number)")
        for directory in [path.removingLastComponent(), path] {
            try HostFiles.createDirectory(directory, mode: 0o700)
        }
        if try HostFiles.createDirectory(directory, mode: 0o700) {
            try OpenFile.open(directory, [.readOnly, .directory]).keepEntriesApart()
        }
        if try HostFiles.status(of: self.id) == nil { try HostFiles.write(id, to: self.id) }
        let lock = try OpenFile.open(lock(number), [.readWrite, .create], mode: 0o600)
        try lock.setTimesToNow()
    }

    /// Takes the first directory that nothing else has.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func take(id: [UInt8]) throws(SystemCallError) -> (number: Int, lock: FileLock) {
        var number = 0
        while true {
            try make(number, id: id)
            if let lock = try FileLock.tryAcquire(lock(number), .exclusive) { return (number, lock) }
            number += 1
        }
    }

    /// The numbers that there are.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func numbers() throws(SystemCallError) -> [Int] {
        try HostFiles.entries(of: path).compactMap { Int(String(decoding: $0, as: UTF8.self)) }
    }

    /// All of a kind, by their names.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func all(_ kind: Kind, in layout: StoreLayout) throws(SystemCallError) -> [(
        name: String, directory: KeptDirectory
    )] {
        let directory = kind.directory(in: layout)
        guard try HostFiles.status(of: directory) != nil else { return [] }
        return try HostFiles.entries(of: directory).sorted(by: { $0.lexicographicallyPrecedes($1) }).map { entry in
            let name = String(decoding: entry, as: UTF8.self)
            return (name, KeptDirectory(kind, in: layout, name: name))
        }
    }
}

/// One directory that is kept, as `du` shows it.
package struct KeptDirectoryUsage: Sendable, Hashable, Identifiable {
    /// Unique in the store, and the same as long as the directory is there.
    package let id: String
    package let kind: KeptDirectory.Kind
    /// What it is called: a mount's id or target, after its namespace; the client's name for what was copied.
    package let name: [UInt8]
    package let created: Int64
    package let lastUsed: Int64
    package let size: Int64
    /// Whether a build has it at this moment.
    package let isInUse: Bool

    let directory: FilePath
    let lock: FilePath
}

extension Store {
    /// The directories of cache mounts and the copies of clients' directories, the longest unused first.
    package func keptDirectories() async throws -> [KeptDirectoryUsage] {
        try await onBlockingPool { [layout] in
            var found: [KeptDirectoryUsage] = []
            for kind in KeptDirectory.Kind.allCases {
                for (name, directory) in try KeptDirectory.all(kind, in: layout) {
                    found += try Self.usage(of: directory, kind, name)
                }
            }
            return found.sorted { ($0.lastUsed, $0.id) < ($1.lastUsed, $1.id) }
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func usage(
        of kept: KeptDirectory,
        _ kind: KeptDirectory.Kind,
        _ name: String
    ) throws -> [KeptDirectoryUsage] {
        let id = try contentsIfPresent(of: kept.id, limit: 65_536) ?? []
        return try kept.numbers().compactMap { number in
            guard let data = try HostFiles.status(of: kept.data(number)),
                let lock = try HostFiles.status(of: kept.lock(number))
            else { return nil }
            return KeptDirectoryUsage(
                id: String(name.prefix(24)) + (number == 0 ? "" : "-\(number)"),
                kind: kind,
                name: id,
                created: data.changed.seconds,
                lastUsed: lock.modified.seconds,
                size: try sizeIfPresent(of: kept.data(number)),
                isInUse: try FileLock.tryAcquire(kept.lock(number), .exclusive) == nil,
                directory: kept.data(number),
                lock: kept.lock(number)
            )
        }
    }

    /// Removes directories that are kept, except those that a build has.
    /// - Returns: which are gone.
    package func remove(_ directories: [KeptDirectoryUsage]) async throws -> [KeptDirectoryUsage] {
        try await onBlockingPool {
            try directories.filter { try self.removeDirectory($0.directory, lock: $0.lock) }
        }
    }

    /// Removes all directories of cache mounts that are called one of `names`, except those that a step has.
    package func removeCacheMounts(named names: Set<[UInt8]>) async throws {
        if names.isEmpty { return }
        try await onBlockingPool { [layout] in
            for (_, cache) in try KeptDirectory.all(.cacheMount, in: layout) {
                guard names.contains(try contentsIfPresent(of: cache.id, limit: 65_536) ?? []) else { continue }
                for number in try cache.numbers() {
                    _ = try self.removeDirectory(cache.data(number), lock: cache.lock(number))
                }
            }
        }
    }

    /// Removes one directory unless a build has it.
    /// - Returns: whether it was there and is gone.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func removeDirectory(_ directory: FilePath, lock path: FilePath) throws -> Bool {
        guard let lock = try FileLock.tryAcquire(path, .exclusive), try HostFiles.status(of: directory) != nil else {
            return false
        }
        try discard(directory)
        withExtendedLifetime(lock) {}
        return true
    }

    /// Removes a directory at once; what goes on with its name has nothing of it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func discard(_ directory: FilePath) throws {
        let aside = try temporaryDirectory().appending("data")
        try HostFiles.rename(directory, to: aside)
        try removeTree(aside.removingLastComponent())
    }

    /// The same of a directory that another process may remove.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func sizeIfPresent(of path: FilePath) throws -> Int64 {
        do {
            return try size(of: try RootedDirectory(path))
        } catch let error as SystemCallError where error.errno == .noSuchFileOrDirectory {
            return 0
        }
    }

    /// The bytes of all files below a directory.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func size(of directory: RootedDirectory) throws -> Int64 {
        var total: Int64 = 0
        var pending: [RootedDirectory] = [directory]
        while let next = pending.popLast() {
            for name in try next.entries() {
                // What a step removes meanwhile counts for nothing.
                guard let status = try next.statusIfPresent(FilePath(bytes: name)) else { continue }
                total += Int64(clamping: status.size)
                guard status.type == .directory else { continue }
                if let below = try? next.openDirectory(FilePath(bytes: name)) { pending.append(below) }
            }
        }
        return total
    }
}
