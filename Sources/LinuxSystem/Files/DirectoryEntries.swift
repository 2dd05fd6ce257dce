internal import CLinux
internal import Glibc
internal import SystemPackage

/// Operations on one name in an open directory (`O_PATH` is enough): no lookup of a path, no link followed.
///
/// A name is one path component, as bytes. Work on many files of one directory goes through these; a path goes through
/// `RootedDirectory`.
extension OpenFile {
    /// Creates a regular file that did not exist, open for writing.
    ///
    /// See openat(2).
    ///
    /// - Throws: `EEXIST` where the name is taken.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func createFile(named name: [UInt8], mode: UInt32 = 0o600) throws(SystemCallError) -> OpenFile {
        try openEntry(named: name, [.writeOnly, .createNew], mode: mode)
    }

    /// Opens an entry; a symbolic link is an `ELOOP` error unless `options` hold `pathOnly`.
    ///
    /// See openat(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func openEntry(
        named name: [UInt8],
        _ options: OpenOptions,
        mode: UInt32 = 0
    ) throws(SystemCallError) -> OpenFile {
        let opened = try onEntry(name, "openat") {
            openat(descriptor, $0, options.rawValue | O_NOFOLLOW | O_CLOEXEC, mode)
        }
        return OpenFile(owning: opened, entry: name, of: self)
    }

    /// The status of an entry itself, or nil where there is none.
    ///
    /// See fstatat(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func entryStatus(named name: [UInt8]) throws(SystemCallError) -> FileStatus? {
        var raw = Glibc.stat()
        let (result, code) = call(name) { fstatat(descriptor, $0, &raw, AT_SYMLINK_NOFOLLOW) }
        if result == 0 { return try withKeptOwner(FileStatus(raw), ofEntry: name) }
        // So common that no error is made of it, whose text would need the whole path.
        if code == ENOENT { return nil }
        throw error(name, "fstatat", code)
    }

    /// Creates a directory.
    ///
    /// See mkdirat(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func createDirectory(named name: [UInt8], mode: UInt32 = 0o755) throws(SystemCallError) {
        _ = try onEntry(name, "mkdirat") { mkdirat(descriptor, $0, mode) }
    }

    /// Creates a symbolic link that holds exactly `target`.
    ///
    /// See symlinkat(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func createSymbolicLink(named name: [UInt8], target: [UInt8]) throws(SystemCallError) {
        let text = terminated(target)
        _ = try onEntry(name, "symlinkat") { symlinkat(text, descriptor, $0) }
        try beginOwner(ofEntry: name)
    }

    /// Creates a hard link to an entry of a directory; a symbolic link is linked itself.
    ///
    /// See linkat(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func createHardLink(
        named name: [UInt8],
        toEntry existing: [UInt8],
        of directory: OpenFile
    ) throws(SystemCallError) {
        let source = terminated(existing)
        _ = try onEntry(name, "linkat") { linkat(directory.descriptor, source, descriptor, $0, 0) }
        try takeOwner(ofEntry: name, as: existing, of: directory)
    }

    /// Creates a device node or FIFO: mknodat(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func createNode(named name: [UInt8], _ file: SpecialFile, mode: UInt32) throws(SystemCallError) {
        if keptScope != .nothing, file.isRefusedDevice { return try keepDevice(named: name, file, mode: mode) }
        _ = try onEntry(name, "mknodat") {
            mknodat(descriptor, $0, file.type.nodeBits | mode, dev_t(slipway_makedev(file.major, file.minor)))
        }
        try beginOwner(ofEntry: name)
    }

    /// Removes an entry, or with `directory` an empty directory.
    ///
    /// See unlinkat(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func removeEntry(named name: [UInt8], directory: Bool = false) throws(SystemCallError) {
        _ = try onEntry(name, "unlinkat") { unlinkat(descriptor, $0, directory ? AT_REMOVEDIR : 0) }
    }

    /// Gives an entry a name in a directory of the same file system, replacing what has it and is no directory.
    ///
    /// See renameat(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func renameEntry(
        named name: [UInt8],
        to destination: [UInt8],
        of directory: OpenFile
    ) throws(SystemCallError) {
        let target = terminated(destination)
        let (result, code) = call(name) { renameat(descriptor, $0, directory.descriptor, target) }
        if result == -1 { throw directory.error(destination, "renameat", code) }
        try directory.takeOwner(ofEntry: destination, as: name, of: self)
    }

    /// The target of a symbolic link in this directory, as bytes.
    ///
    /// See readlinkat(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func readLink(named name: [UInt8]) throws(SystemCallError) -> [UInt8] {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let size = buffer.count
        let text = terminated(name)
        let count = try retryingSystemCall("readlinkat", path: path.appending(name: name)) {
            buffer.withUnsafeMutableBufferPointer { slipway_readlink_entry(descriptor, text, $0.baseAddress, size) }
        }
        return buffer[..<count].map { UInt8(bitPattern: $0) }
    }

    /// Changes owner and group of an entry itself.
    ///
    /// See fchownat(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func changeOwner(ofEntry name: [UInt8], user: UInt32, group: UInt32) throws(SystemCallError) {
        if keptScope >= .owners { return try keepOwner(ofEntry: name, user: user, group: group) }
        _ = try onEntry(name, "fchownat") { fchownat(descriptor, $0, user, group, AT_SYMLINK_NOFOLLOW) }
    }

    /// Sets the access and modification times of an entry itself.
    ///
    /// See utimensat(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func setTimes(ofEntry name: [UInt8], modified: FileTime) throws(SystemCallError) {
        let time = timespec(tv_sec: Int(modified.seconds), tv_nsec: Int(modified.nanoseconds))
        _ = try onEntry(name, "utimensat") { utimensat(descriptor, $0, [time, time], AT_SYMLINK_NOFOLLOW) }
    }

    /// Changes owner and group of the open file; works for `O_PATH` too.
    ///
    /// See fchownat(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func changeOwner(user: UInt32, group: UInt32) throws(SystemCallError) {
        if keptScope >= .owners { return try keepOwner(user: user, group: group) }
        _ = try retryingSystemCall("fchownat", path: path) {
            fchownat(descriptor, "", user, group, slipway_AT_EMPTY_PATH)
        }
    }

    /// Changes the permission bits of the open file, which is no symbolic link; works for `O_PATH` too.
    ///
    /// See chmod(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func changeMode(_ mode: UInt32) throws(SystemCallError) {
        let mode = try keepMode(mode)
        if fchmod(descriptor, mode) == 0 { return }
        // EBADF: an O_PATH descriptor. /proc/self/fd reaches the same file without a second lookup; fchmodat2(2) is
        // newer than Debian 12's kernel.
        _ = try retryingSystemCall("chmod", path: path) { procPath.withPlatformString { chmod($0, mode) } }
    }

    /// Sets the access and modification times of the open file; works for `O_PATH` too.
    ///
    /// See utimensat(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func setTimes(modified: FileTime) throws(SystemCallError) {
        let time = timespec(tv_sec: Int(modified.seconds), tv_nsec: Int(modified.nanoseconds))
        if futimens(descriptor, [time, time]) == 0 { return }
        _ = try retryingSystemCall("utimensat", path: path) {
            procPath.withPlatformString { utimensat(AT_FDCWD, $0, [time, time], 0) }
        }
    }

    /// Notes that the open file was used now: its access and modification times.
    ///
    /// See futimens(3).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func setTimesToNow() throws(SystemCallError) {
        _ = try retryingSystemCall("futimens", path: path) { futimens(descriptor, nil) }
    }

    /// Writes all bytes at an offset, without moving the file position.
    ///
    /// See pwrite(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64) throws(SystemCallError) {
        var rest = bytes
        var position = offset
        while !rest.isEmpty {
            let written = try retryingSystemCall("pwrite", path: path) {
                pwrite(descriptor, rest.baseAddress, rest.count, off_t(position))
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[written...])
            position += Int64(written)
        }
    }

    private func onEntry(_ name: [UInt8], _ call: String, _ body: (UnsafePointer<CChar>) -> CInt)
        throws(SystemCallError) -> CInt
    {
        let (result, code) = self.call(name, body)
        guard result == -1 else { return result }
        throw error(name, call, code)
    }

    /// Calls again after an interruption; the code is errno(3) where the result is -1.
    private func call(_ name: [UInt8], _ body: (UnsafePointer<CChar>) -> CInt) -> (result: CInt, code: CInt) {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: name.count + 1) { buffer in
            for (index, byte) in name.enumerated() { buffer[index] = CChar(bitPattern: byte) }
            buffer[name.count] = 0
            guard let text = UnsafePointer(buffer.baseAddress) else { return (-1, ENOMEM) }
            while true {
                let result = body(text)
                let code = Glibc.errno
                if result != -1 || code != EINTR { return (result, code) }
            }
        }
    }

    private func error(_ name: [UInt8], _ call: String, _ code: CInt) -> SystemCallError {
        SystemCallError(call, path: path.appending(name: name), errno: Errno(rawValue: code))
    }
}

private func terminated(_ bytes: [UInt8]) -> [CChar] { bytes.map { CChar(bitPattern: $0) } + [0] }
