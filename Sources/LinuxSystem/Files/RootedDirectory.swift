internal import CLinux
internal import Glibc
package import SystemPackage
internal import Text

/// A directory treated as `/`: no path given to it, whatever links it contains, reaches outside.
///
/// Every lookup is one openat2(2) with `RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS`, so the kernel decides, not a check of text.
/// Relative and absolute paths mean the same; `..` above the root stays at the root. Operations that create, remove or
/// change an entry resolve its parent that way and act on the last component with the `…at` form, never following it.
package struct RootedDirectory: Sendable {
    package let directory: OpenFile

    /// Opens a directory of the host as a root.
    /// - Parameters:
    ///   - path: the directory.
    ///   - isOutside: whether it is the user's rather than the store's: its files are what the kernel says, and become no more than that.
    /// - Throws: `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init(_ path: FilePath, isOutside: Bool = false) throws(SystemCallError) {
        directory = try OpenFile.open(path, [.pathOnly, .directory], isOutside: isOutside)
    }

    /// Treats an already open directory as a root.
    package init(directory: OpenFile) { self.directory = directory }

    /// Opens a file inside the root, following links inside it unless `options` hold `noFollow`.
    ///
    /// See openat2(2). Without `followsLinks` a link in any component is an error (`ELOOP`).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func open(
        _ path: FilePath,
        _ options: OpenOptions,
        mode: UInt32 = 0,
        followsLinks: Bool = true
    ) throws(SystemCallError) -> OpenFile {
        let inside = path.isEmpty ? FilePath(".") : path
        let creates = options.contains(.create)
        while true {
            let descriptor = inside.withPlatformString { pointer in
                slipway_openat2(
                    directory.descriptor,
                    pointer,
                    UInt64(options.rawValue | O_CLOEXEC),
                    creates ? UInt64(mode) : 0,
                    slipway_RESOLVE_IN_ROOT | slipway_RESOLVE_NO_MAGICLINKS
                        | (followsLinks ? 0 : slipway_RESOLVE_NO_SYMLINKS)
                )
            }
            if descriptor >= 0 {
                return OpenFile(owning: descriptor, path: path, isOutside: self.directory.isOutside)
            }
            // EAGAIN: a rename raced with a `..` in the path; the kernel asks for another try.
            if Glibc.errno != EINTR, Glibc.errno != EAGAIN {
                throw SystemCallError("openat2", path: path, errno: Errno(rawValue: Glibc.errno))
            }
        }
    }

    /// Opens a directory inside the root for use as a root of its own (`O_PATH`).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func openDirectory(_ path: FilePath) throws(SystemCallError) -> RootedDirectory {
        RootedDirectory(directory: try open(path, [.pathOnly, .directory]))
    }

    /// The status of an entry; a link in the last component is not followed.
    ///
    /// See fstatat(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func status(_ path: FilePath) throws(SystemCallError) -> FileStatus {
        // What a link's directory keeps of it is not found from the link.
        guard directory.keptScope != .nothing else { return try open(path, [.pathOnly, .noFollow]).status() }
        let (parent, name) = try parent(of: path)
        if let status = try parent.entryStatus(named: name) { return status }
        throw SystemCallError("fstatat", path: path, errno: .noSuchFileOrDirectory)
    }

    /// The status of an entry, or nil where there is none.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func statusIfPresent(_ path: FilePath) throws(SystemCallError) -> FileStatus? {
        do throws(SystemCallError) {
            return try status(path)
        } catch {
            if error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory { return nil }
            throw error
        }
    }

    /// The target of a symbolic link, as bytes.
    ///
    /// See readlinkat(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func readLink(_ path: FilePath) throws(SystemCallError) -> [UInt8] {
        let link = try open(path, [.pathOnly, .noFollow])
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX) + 1)
        let count = try retryingSystemCall("readlinkat", path: path) {
            buffer.withUnsafeMutableBytes { bytes in
                slipway_readlinkat(link.descriptor, bytes.baseAddress, bytes.count)
            }
        }
        return Array(buffer[..<count])
    }

    /// The names in a directory, sorted by their bytes, without `.` and `..`.
    ///
    /// See readdir(3).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func entries(of path: FilePath = ".") throws(SystemCallError) -> [[UInt8]] {
        let file = try open(path, [.readOnly, .directory])
        return try directoryEntries(of: file)
    }

    /// The same of a directory that another process may remove: none where it is gone.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func entriesIfPresent(of path: FilePath) throws(SystemCallError) -> [[UInt8]] {
        do throws(SystemCallError) {
            return try entries(of: path)
        } catch {
            if error.errno == .noSuchFileOrDirectory { return [] }
            throw error
        }
    }

    /// Creates a directory.
    ///
    /// See mkdirat(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func createDirectory(_ path: FilePath, mode: UInt32 = 0o755) throws(SystemCallError) {
        try inParent(of: path, "mkdirat") { mkdirat($0, $1, mode) }
    }

    /// Creates a symbolic link that holds exactly `target`.
    ///
    /// See symlinkat(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func createSymbolicLink(_ path: FilePath, target: [UInt8]) throws(SystemCallError) {
        let (parent, name) = try parent(of: path)
        try parent.createSymbolicLink(named: name, target: target)
    }

    /// Creates a hard link to an entry of the same root; a link in its last component is linked itself.
    ///
    /// See linkat(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func createHardLink(_ path: FilePath, to existing: FilePath) throws(SystemCallError) {
        let (sourceParent, sourceName) = try parent(of: existing)
        let (parent, name) = try parent(of: path)
        try parent.createHardLink(named: name, toEntry: sourceName, of: sourceParent)
    }

    /// Creates a device node, FIFO or socket.
    ///
    /// See mknodat(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func createNode(_ path: FilePath, _ file: SpecialFile, mode: UInt32) throws(SystemCallError) {
        let (parent, name) = try parent(of: path)
        try parent.createNode(named: name, file, mode: mode)
    }

    /// Removes a file or, with `directory`, an empty directory.
    ///
    /// See unlinkat(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func remove(_ path: FilePath, directory: Bool = false) throws(SystemCallError) {
        try inParent(of: path, "unlinkat") { unlinkat($0, $1, directory ? AT_REMOVEDIR : 0) }
    }

    /// Renames an entry within the root.
    ///
    /// See renameat(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func rename(_ path: FilePath, to destination: FilePath) throws(SystemCallError) {
        let (sourceParent, sourceName) = try parent(of: path)
        let (parent, name) = try parent(of: destination)
        try sourceParent.renameEntry(named: sourceName, to: name, of: parent)
    }

    /// Changes owner and group of the entry itself.
    ///
    /// See fchownat(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func changeOwner(_ path: FilePath, user: UInt32, group: UInt32) throws(SystemCallError) {
        let (parent, name) = try parent(of: path)
        try parent.changeOwner(ofEntry: name, user: user, group: group)
    }

    /// Changes the permission bits of an entry that is no symbolic link.
    ///
    /// See chmod(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func changeMode(_ path: FilePath, _ mode: UInt32) throws(SystemCallError) {
        let file = try open(path, [.pathOnly, .noFollow])
        if try file.statusOfKernel().type == .symbolicLink { return }
        try file.changeMode(mode)
    }

    /// Sets the access and modification times of the entry itself.
    ///
    /// See utimensat(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func setTimes(_ path: FilePath, modified: FileTime) throws(SystemCallError) {
        let time = timespec(tv_sec: Int(modified.seconds), tv_nsec: Int(modified.nanoseconds))
        try inParent(of: path, "utimensat") { utimensat($0, $1, [time, time], AT_SYMLINK_NOFOLLOW) }
    }

    /// Runs `body`, which makes or removes entries of a directory, and then gives the directory back the time it had.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func keepingTime<Value>(of directory: FilePath, _ body: () throws -> Value) throws -> Value {
        let file = try open(directory.isEmpty ? "." : directory, [.pathOnly, .directory])
        let time = try file.status().modified
        let value = try body()
        try file.setTimes(modified: time)
        return value
    }

    /// Opens the parent of an entry and names its last component.
    ///
    /// A path that is the root itself, or ends in `.` or `..`, has no entry that could be created or changed in a parent;
    /// it is resolved and acted on as `.`.
    private func parent(of path: FilePath) throws(SystemCallError) -> (OpenFile, [UInt8]) {
        guard let last = path.components.last, last.kind == .regular else {
            return (try open(path, [.pathOnly, .directory]), ".")
        }
        let name = last.withPlatformString { Array(UnsafeRawBufferPointer(start: $0, count: strlen($0))) }
        return (try open(path.removingLastComponent(), [.pathOnly, .directory]), name)
    }

    private func inParent(
        of path: FilePath,
        _ call: String,
        _ body: (CInt, UnsafePointer<CChar>) -> CInt
    ) throws(SystemCallError) {
        let (parent, name) = try parent(of: path)
        let text = name.map { CChar(bitPattern: $0) } + [0]
        _ = try retryingSystemCall(call, path: path) { body(parent.descriptor, text) }
    }
}

/// The names in an open directory, sorted by their bytes, without `.` and `..`.
///
/// See readdir(3).
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
package func directoryEntries(of directory: OpenFile) throws(SystemCallError) -> [[UInt8]] {
    let copy = try retryingSystemCall("openat", path: directory.path) {
        openat(directory.descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    }
    guard let stream = fdopendir(copy) else {
        let code = Glibc.errno
        close(copy)
        throw SystemCallError("fdopendir", path: directory.path, errno: Errno(rawValue: code))
    }
    defer { closedir(stream) }
    var names: [[UInt8]] = []
    while true {
        Glibc.errno = 0
        guard let entry = readdir(stream) else {
            if Glibc.errno != 0 {
                throw SystemCallError("readdir", path: directory.path, errno: Errno(rawValue: Glibc.errno))
            }
            break
        }
        let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
            pointer.withMemoryRebound(to: CChar.self, capacity: 256) { text in
                Array(UnsafeRawBufferPointer(start: text, count: strlen(text)))
            }
        }
        if name != [0x2e], name != [0x2e, 0x2e] { names.append(name) }
    }
    return names.sorted { $0.lexicographicallyPrecedes($1) }
}
