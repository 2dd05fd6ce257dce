internal import Glibc
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
        /// Of the parent directory, before the stub was made in it.
        var parentModified: FileTime
    }

    let root: RootedDirectory
    private var stubs: [Stub] = []
    /// Where something is going to be mounted.
    private var taken: [FilePath] = []

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    init(_ path: FilePath) throws {
        root = try RootedDirectory(path)
        for name in ["/dev", "/proc", "/sys"] as [FilePath] {
            if let status = try root.statusIfPresent(name), status.type != .directory {
                throw SandboxError.unsafeRoot(path: name, is: status.type)
            }
        }
    }

    /// Finds or makes the place for a mount and returns its path without links.
    ///
    /// Below another mount, or below the kernel's file systems, the runtime makes the place once that is mounted.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func mountPoint(_ path: FilePath, _ kind: Kind) throws -> FilePath {
        let place = try resolve(path, nil, remembers: false).path
        if taken.contains(where: { place != $0 && place.starts(with: $0) }) { return place }
        taken.append(place)
        let (resolved, status) = try resolve(path, kind, remembers: true)
        switch (kind, status.type == .directory) {
        case (.directory, false): throw SandboxError.mountPointIsNotDirectory(path)
        case (.file, true): throw SandboxError.mountPointIsDirectory(path)
        case (.directory, true), (.file, false): return resolved
        }
    }

    /// Finds or makes the working directory and returns its path without links.
    /// - Throws: `SandboxError.workingDirectoryRefused` for one below `/proc` or `/dev`, where links lead out of the sandbox.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func workingDirectory(_ path: FilePath) throws -> FilePath {
        let lookup = try resolve(path, nil, remembers: false)
        let first = lookup.path.components.first?.string
        if first == "proc" || first == "dev" || first == "sys" {
            guard lookup.path.components.count == 1 else { throw SandboxError.workingDirectoryRefused(path) }
        }
        let (resolved, status) = try resolve(path, .directory, remembers: false)
        guard status.type == .directory else { throw SystemCallError("chdir", path: path, errno: .notDirectory) }
        return resolved
    }

    /// Removes the stubs that are still empty and still the same files, and gives their parents their times back.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func removeStubs() throws {
        for stub in stubs.reversed() {
            guard let status = try root.statusIfPresent(stub.path), status.device == stub.device,
                status.inode == stub.inode,
                stub.isDirectory || status.size == 0
            else { continue }
            do throws(SystemCallError) {
                try root.remove(stub.path, directory: stub.isDirectory)
            } catch {
                // The step put something into a directory that was made for a mount: it is the step's now.
                if error.errno == .directoryNotEmpty || error.errno == .fileExists { continue }
                throw error
            }
            try root.setTimes(stub.path.removingLastComponent(), modified: stub.parentModified)
        }
    }

    /// Walks a path with the root as `/`, component by component; with a `kind`, makes what is missing.
    private mutating func resolve(
        _ path: FilePath,
        _ kind: Kind?,
        remembers: Bool
    ) throws -> (path: FilePath, status: FileStatus) {
        var pending: [FilePath.Component] = path.components.reversed()
        var resolved = FilePath("/")
        var status = try root.status("/")
        var links = 0
        while let component = pending.popLast() {
            switch component.kind {
            case .currentDirectory: continue
            case .parentDirectory:
                resolved.removeLastComponent()
                status = try root.statusIfPresent(resolved) ?? status
                continue
            case .regular: break
            }
            let next = resolved.appending(component)
            guard let found = try root.statusIfPresent(next) else {
                // Without a kind to make, the rest of the path is taken as it is written: nothing of it exists.
                if let kind {
                    let makesFile = pending.isEmpty && kind == .file
                    status = try make(next, isDirectory: !makesFile, remembers: remembers)
                }
                resolved = next
                continue
            }
            guard found.type == .symbolicLink else {
                resolved = next
                status = found
                continue
            }
            links += 1
            if links > 40 { throw SandboxError.tooManyLinks(path) }
            let target = FilePath(bytes: try root.readLink(next))
            if target.isAbsolute { resolved = "/" }
            pending += target.components.reversed()
        }
        return (resolved, status)
    }

    private mutating func make(_ path: FilePath, isDirectory: Bool, remembers: Bool) throws -> FileStatus {
        let parent = try root.status(path.removingLastComponent())
        if isDirectory {
            try root.createDirectory(path)
        } else {
            _ = try root.open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode: 0o644)
        }
        // Whatever the umask of whoever builds: a step's user must be able to pass.
        try root.changeMode(path, isDirectory ? 0o755 : 0o644)
        let status = try root.status(path)
        if remembers {
            stubs.append(
                Stub(
                    path: path,
                    isDirectory: isDirectory,
                    device: status.device,
                    inode: status.inode,
                    parentModified: parent.modified
                )
            )
        }
        return status
    }
}
