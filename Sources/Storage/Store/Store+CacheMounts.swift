package import LinuxSystem
package import SystemPackage

/// The directories of one cache of `RUN --mount=type=cache`: the first, and more where steps may not share it.
///
///     cachemounts/<name>/id         what the cache is called
///     cachemounts/<name>/<n>/lock   held by whoever uses the directory; its time is that of the last use
///     cachemounts/<name>/<n>/data   the files; missing until they are made, and once they are pruned
package struct CacheDirectory: Sendable {
    private let path: FilePath

    package init(layout: StoreLayout, name: String) { path = layout.cacheMounts.appending(name) }

    package func data(_ number: Int) -> FilePath { path.appending("\(number)/data") }

    package func lock(_ number: Int) -> FilePath { path.appending("\(number)/lock") }

    /// Makes a directory's place and notes that it is used now.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func make(_ number: Int, id: [UInt8]) throws(SystemCallError) {
        for directory in [path.removingLastComponent(), path, path.appending("\(number)")] {
            try HostFiles.createDirectory(directory, mode: 0o700)
        }
        if try HostFiles.status(of: path.appending("id")) == nil { try HostFiles.write(id, to: path.appending("id")) }
        let lock = try OpenFile.open(lock(number), [.readWrite, .create], mode: 0o600)
        try lock.setTimesToNow()
    }
}

/// One directory of a cache mount, as `du` shows it.
package struct CacheMountUsage: Sendable, Hashable, Identifiable {
    /// Unique in the store, and the same as long as the directory is there.
    package let id: String
    /// What the cache is called: the mount's id or target, after its namespace.
    package let name: [UInt8]
    package let created: Int64
    package let lastUsed: Int64
    package let size: Int64
    /// Whether a step has it at this moment.
    package let isInUse: Bool

    let directory: FilePath
    let lock: FilePath
}

extension Store {
    /// The directories of cache mounts, the longest unused first.
    package func cacheMounts() async throws -> [CacheMountUsage] {
        try await onBlockingPool { [layout] in
            guard try HostFiles.status(of: layout.cacheMounts) != nil else { return [] }
            var found: [CacheMountUsage] = []
            for name in try HostFiles.entries(of: layout.cacheMounts).sorted(by: { $0.lexicographicallyPrecedes($1) }) {
                found += try Self.cacheMounts(String(decoding: name, as: UTF8.self), in: layout)
            }
            return found.sorted { ($0.lastUsed, $0.id) < ($1.lastUsed, $1.id) }
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func cacheMounts(_ name: String, in layout: StoreLayout) throws -> [CacheMountUsage] {
        let cache = CacheDirectory(layout: layout, name: name)
        let directory = layout.cacheMounts.appending(name)
        let id = try contentsIfPresent(of: directory.appending("id"), limit: 65_536) ?? []
        return try HostFiles.entries(of: directory).compactMap { entry in
            guard let number = Int(String(decoding: entry, as: UTF8.self)),
                let data = try HostFiles.status(of: cache.data(number)),
                let lock = try HostFiles.status(of: cache.lock(number))
            else { return nil }
            return CacheMountUsage(
                id: String(name.prefix(24)) + (number == 0 ? "" : "-\(number)"),
                name: id,
                created: data.changed.seconds,
                lastUsed: lock.modified.seconds,
                size: try sizeIfPresent(of: cache.data(number)),
                isInUse: try FileLock.tryAcquire(cache.lock(number), .exclusive) == nil,
                directory: cache.data(number),
                lock: cache.lock(number)
            )
        }
    }

    /// Removes directories of cache mounts, except those that a step has.
    /// - Returns: which are gone.
    package func removeCacheMounts(_ mounts: [CacheMountUsage]) async throws -> [CacheMountUsage] {
        try await onBlockingPool {
            try mounts.filter { try self.removeCache(at: $0.directory, lock: $0.lock) }
        }
    }

    /// Removes all directories of cache mounts that are called one of `names`, except those that a step has.
    package func removeCacheMounts(named names: Set<[UInt8]>) async throws {
        if names.isEmpty { return }
        try await onBlockingPool { [layout] in
            guard try HostFiles.status(of: layout.cacheMounts) != nil else { return }
            for name in try HostFiles.entries(of: layout.cacheMounts) {
                let directory = layout.cacheMounts.appending(String(decoding: name, as: UTF8.self))
                let id = try contentsIfPresent(of: directory.appending("id"), limit: 65_536) ?? []
                guard names.contains(id) else { continue }
                let cache = CacheDirectory(layout: layout, name: String(decoding: name, as: UTF8.self))
                for entry in try HostFiles.entries(of: directory) {
                    guard let number = Int(String(decoding: entry, as: UTF8.self)) else { continue }
                    _ = try self.removeCache(at: cache.data(number), lock: cache.lock(number))
                }
            }
        }
    }

    /// Removes one directory unless a step has it.
    /// - Returns: whether it was there and is gone.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func removeCache(at directory: FilePath, lock path: FilePath) throws -> Bool {
        guard let lock = try FileLock.tryAcquire(path, .exclusive), try HostFiles.status(of: directory) != nil else {
            return false
        }
        let aside = try temporaryDirectory().appending("data")
        try HostFiles.rename(directory, to: aside)
        withExtendedLifetime(lock) {}
        try removeTree(aside.removingLastComponent())
        return true
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
