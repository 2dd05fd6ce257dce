internal import LinuxSystem
internal import SystemPackage

/// A root file system in which everything that will be mounted has a place, and what had to be made for that.
///
/// The runtime gets only paths without links, found here with the root as `/`: it has been led out of roots by links before
/// (CVE-2026-47766), so nothing is left for it to resolve.
struct PreparedRoot: Sendable {
    enum Kind: Sendable { case file, directory }

    /// A mount point that was made, to be removed when it is still what it was.
    private struct Stub: Sendable {
        var path: FilePath
        var isDirectory: Bool
        var device: UInt64
        var inode: UInt64
    }

    /// The place of a mount.
    struct Place: Sendable {
        /// Without links.
        var path: FilePath
        /// The permissions of the directory that is covered; nil where nothing was there before.
        var coveredMode: UInt32?
    }

    /// What is going to be mounted somewhere.
    private struct Mounted: Sendable {
        var path: FilePath
        /// The directory of the host that is shown there, if it can be written to.
        var source: FilePath?
    }

    /// What is made for a directory that is missing.
    private enum Making: Sendable {
        /// A mount point, removed again when the process has ended.
        case stub
        /// A directory that stays, as this user's.
        case kept(owner: ProcessUser)
    }

    let root: RootedDirectory
    private var stubs: [Stub] = []
    private var mounted: [Mounted] = []

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    init(_ path: FilePath) throws {
        if try MountFlags(at: path).contains(.noExecution) { throw SandboxError.executionRefused(path) }
        root = try RootedDirectory(path)
        for name in ["/dev", "/proc", "/sys"] as [FilePath] {
            if let status = try root.statusIfPresent(name), status.type != .directory {
                throw SandboxError.unsafeRoot(path: name, is: status.type)
            }
        }
    }

    /// Finds or makes the directory of one of the kernel's file systems; it stays, as it does with BuildKit and docker.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func makeKernelDirectory(_ path: FilePath) throws {
        if mounted.contains(where: { path != $0.path && path.starts(with: $0.path) }) { return }
        mounted.append(Mounted(path: path, source: nil))
        guard try root.statusIfPresent(path) == nil else { return }
        _ = try resolve(path, .directory, .kept(owner: .root))
        try root.setTimes(path, modified: .undated)
    }

    /// Finds or makes the place for a mount.
    ///
    /// Below the kernel's file systems, and below mounts that cannot be written to from here, the runtime makes the place once those
    /// are mounted.
    /// - Parameters:
    ///   - path: where something is to be mounted.
    ///   - kind: what.
    ///   - source: the directory of the host that is mounted there, if it can be written to.
    /// - Returns: the place, whose path is without links.
    /// - Throws: `SandboxError`, `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func mountPoint(_ path: FilePath, _ kind: Kind, showing source: FilePath? = nil) throws -> Place {
        let lookup = try resolve(path, nil)
        if let outer = mounted.last(where: { lookup.path != $0.path && lookup.path.starts(with: $0.path) }) {
            mounted.append(Mounted(path: lookup.path, source: source))
            return Place(path: lookup.path, coveredMode: try makePlace(lookup.path, kind, in: outer))
        }
        mounted.append(Mounted(path: lookup.path, source: source))
        return try place(path, kind)
    }

    /// Finds or makes the place where something else will stand for as long as the process runs.
    /// - Returns: its path, without links.
    /// - Throws: `SandboxError`, `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func place(_ path: FilePath, _ kind: Kind) throws -> Place {
        let before = try resolve(path, nil)
        let found = try resolve(path, kind)
        switch (kind, found.status.type == .directory) {
        case (.directory, false): throw SandboxError.mountPointIsNotDirectory(path)
        case (.file, true): throw SandboxError.mountPointIsDirectory(path)
        case (.directory, true), (.file, false):
            return Place(path: found.path, coveredMode: before.exists ? UInt32(found.status.mode) : nil)
        }
    }

    /// Makes a place in what another mount shows: the runtime would give it permissions that were not asked for.
    /// - Returns: the permissions of a directory that was there.
    private func makePlace(_ path: FilePath, _ kind: Kind, in outer: Mounted) throws -> UInt32? {
        while true {
            do {
                return try makeMissingPlace(path, kind, in: outer)
            } catch let error as SystemCallError where error.errno == .fileExists {
                // Another step that shares the directory, as a cache, made it in this moment.
                continue
            }
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func makeMissingPlace(_ path: FilePath, _ kind: Kind, in outer: Mounted) throws -> UInt32? {
        guard let source = outer.source else { return nil }
        let directory = try RootedDirectory(source)
        let components = Array(path.components.dropFirst(outer.path.components.count))
        var place = FilePath("")
        for (index, component) in components.enumerated() {
            place.append(component)
            let isLast = index == components.count - 1
            if let status = try directory.statusIfPresent(place) {
                // Links are the runtime's to follow, from the process's root.
                guard status.type == .directory else { return nil }
                if isLast { return UInt32(status.mode) }
            } else if isLast, kind == .file {
                let file = try directory.open(place, [.writeOnly, .createNew, .noFollow], mode: 0o755)
                try file.changeMode(0o755)
            } else {
                try directory.createDirectory(place)
                try directory.changeMode(place, 0o755)
            }
        }
        return nil
    }

    /// Finds the working directory, or makes it as its owner's, and returns its path without links.
    /// - Throws: `SandboxError.workingDirectoryRefused` for one below `/proc` or `/dev`, where links lead out of the sandbox.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func workingDirectory(_ path: FilePath, owner: ProcessUser) throws -> FilePath {
        let lookup = try resolve(path, nil)
        try refuseKernelFiles(lookup.path, path)
        let found = try resolve(path, .directory, .kept(owner: owner))
        guard found.status.type == .directory else { throw SystemCallError("chdir", path: path, errno: .notDirectory) }
        return found.path
    }

    /// Finds a working directory that must be there and returns its path without links.
    /// - Throws: `SandboxError.workingDirectoryUnusable`, `.workingDirectoryRefused`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func existingWorkingDirectory(_ path: FilePath) throws -> FilePath {
        guard path.isAbsolute else { throw SandboxError.workingDirectoryNotAbsolute(path) }
        // The links of another process namespace cannot be followed from here: the name is enough.
        try refuseKernelFiles(path.lexicallyNormalized(), path)
        var copy = self
        let resolved: FilePath
        do {
            resolved = try copy.resolve(path, nil).path
        } catch let error as SystemCallError {
            throw SandboxError.workingDirectoryUnusable(path, reason: SystemCallError.text(of: error.errno))
        }
        try refuseKernelFiles(resolved, path)
        guard let status = try root.statusIfPresent(resolved) else {
            throw SandboxError.workingDirectoryUnusable(path, reason: "no such file or directory")
        }
        guard status.type == .directory else {
            throw SandboxError.workingDirectoryUnusable(path, reason: "not a directory")
        }
        return resolved
    }

    private func refuseKernelFiles(_ resolved: FilePath, _ path: FilePath) throws(SandboxError) {
        let first = resolved.components.first?.string
        if first == "proc" || first == "dev" || first == "sys" {
            guard resolved.components.count == 1 else { throw .workingDirectoryRefused(path) }
        }
    }

    /// Removes the stubs that are still empty and still the same files; their parents keep the times that the process left them.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func removeStubs() throws {
        for stub in stubs.reversed() {
            guard let status = try root.statusIfPresent(stub.path), status.device == stub.device,
                status.inode == stub.inode,
                stub.isDirectory || status.size == 0
            else { continue }
            do {
                try root.keepingTime(of: stub.path.removingLastComponent()) {
                    try root.remove(stub.path, directory: stub.isDirectory)
                }
            } catch let error as SystemCallError {
                // The step put something into a directory that was made for a mount: it is the step's now.
                if error.errno == .directoryNotEmpty || error.errno == .fileExists { continue }
                throw error
            }
        }
    }

    private struct Lookup {
        var path: FilePath
        /// Of the last component that is there.
        var status: FileStatus
        var exists = true
    }

    /// Walks a path with the root as `/`, component by component; with a `kind`, makes what is missing.
    private mutating func resolve(_ path: FilePath, _ kind: Kind?, _ making: Making = .stub) throws -> Lookup {
        var pending: [FilePath.Component] = path.components.reversed()
        var lookup = Lookup(path: "/", status: try root.status("/"))
        var links = 0
        while let component = pending.popLast() {
            switch component.kind {
            case .currentDirectory: continue
            case .parentDirectory:
                lookup.path.removeLastComponent()
                let status = try root.statusIfPresent(lookup.path)
                lookup.exists = status != nil
                lookup.status = status ?? lookup.status
                continue
            case .regular: break
            }
            let next = lookup.path.appending(component)
            guard let found = try root.statusIfPresent(next) else {
                // Without a kind to make, the rest of the path is taken as it is written: nothing of it exists.
                lookup.exists = kind != nil
                if let kind {
                    let makesFile = pending.isEmpty && kind == .file
                    lookup.status = try make(next, isDirectory: !makesFile, making)
                }
                lookup.path = next
                continue
            }
            guard found.type == .symbolicLink else {
                lookup.path = next
                lookup.status = found
                continue
            }
            links += 1
            if links > 40 { throw SandboxError.tooManyLinks(path) }
            let target = FilePath(bytes: try root.readLink(next))
            if target.isAbsolute { lookup.path = "/" }
            pending += target.components.reversed()
        }
        return lookup
    }

    private mutating func make(_ path: FilePath, isDirectory: Bool, _ making: Making) throws -> FileStatus {
        switch making {
        case .stub:
            try root.keepingTime(of: path.removingLastComponent()) { try make(path, isDirectory: isDirectory) }
            let status = try root.status(path)
            stubs.append(Stub(path: path, isDirectory: isDirectory, device: status.device, inode: status.inode))
            return status
        case .kept(let owner):
            try make(path, isDirectory: isDirectory)
            try root.changeOwner(path, user: owner.userID, group: owner.groupID)
            return try root.status(path)
        }
    }

    private func make(_ path: FilePath, isDirectory: Bool) throws(SystemCallError) {
        if isDirectory {
            try root.createDirectory(path)
        } else {
            _ = try root.open(path, [.writeOnly, .createNew, .noFollow], mode: 0o644)
        }
        // Whatever the umask of whoever builds: a step's user must be able to pass.
        try root.changeMode(path, isDirectory ? 0o755 : 0o644)
    }
}
