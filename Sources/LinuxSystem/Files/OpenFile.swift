internal import CLinux
internal import Glibc
package import SystemPackage
internal import Text

/// An open file description that is closed when its last owner lets go.
package final class OpenFile: Sendable {
    /// The descriptor, valid as long as this object lives.
    package let descriptor: CInt
    private let origin: Origin
    /// Whether the file is the user's rather than the store's: what the kernel refuses is refused, and nothing is kept of it.
    let isOutside: Bool

    /// What it was opened as, for error messages.
    package var path: FilePath { origin.path }

    /// A path that is put together when somebody wants to see it: for most files nobody does.
    private indirect enum Origin: Sendable {
        case path(FilePath)
        case entry([UInt8], of: Origin)

        var path: FilePath {
            var names: [[UInt8]] = []
            var origin = self
            while case .entry(let name, let directory) = origin {
                names.append(name)
                origin = directory
            }
            guard case .path(let path) = origin else { return "" }
            if names.isEmpty { return path }
            // At once: each step of a deep path would go through all before it.
            let below = names.reversed().joined(separator: ["/"])
            return FilePath(bytes: path.isEmpty ? Array(below) : path.bytes + "/" + below)
        }
    }

    /// Takes ownership of `descriptor`.
    package init(owning descriptor: CInt, path: FilePath, isOutside: Bool = false) {
        self.descriptor = descriptor
        self.isOutside = isOutside
        origin = .path(path)
    }

    /// Takes ownership of the descriptor of an entry of a directory.
    init(owning descriptor: CInt, entry name: [UInt8], of directory: OpenFile) {
        self.descriptor = descriptor
        isOutside = directory.isOutside
        origin = .entry(name, of: directory.origin)
    }

    deinit { Glibc.close(descriptor) }

    /// Opens a file of the host by path, always with `O_CLOEXEC`.
    ///
    /// See open(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func open(
        _ path: FilePath,
        _ options: OpenOptions,
        mode: UInt32 = 0o666,
        isOutside: Bool = false
    ) throws(SystemCallError) -> OpenFile {
        let descriptor = try retryingSystemCall("open", path: path) {
            path.withPlatformString { Glibc.open($0, options.rawValue | O_CLOEXEC, mode) }
        }
        return OpenFile(owning: descriptor, path: path, isOutside: isOutside)
    }

    /// Makes an empty file in memory, which has no name and is gone when it is closed.
    ///
    /// See memfd_create(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func inMemory(named name: String) throws(SystemCallError) -> OpenFile {
        let path = FilePath("memfd:\(name)")
        return OpenFile(owning: try retryingSystemCall("memfd_create", path: path) { slipway_memfd(name) }, path: path)
    }

    /// Reads up to the buffer's size; 0 is the end of the file.
    ///
    /// See read(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func read(into buffer: UnsafeMutableRawBufferPointer) throws(SystemCallError) -> Int {
        try retryingSystemCall("read", path: path) { Glibc.read(descriptor, buffer.baseAddress, buffer.count) }
    }

    /// Reads at an offset without moving the file position.
    ///
    /// See pread(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int64) throws(SystemCallError) -> Int {
        try retryingSystemCall("pread", path: path) {
            Glibc.pread(descriptor, buffer.baseAddress, buffer.count, off_t(offset))
        }
    }

    /// Writes all bytes.
    ///
    /// See write(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func write(_ bytes: UnsafeRawBufferPointer) throws(SystemCallError) {
        var rest = bytes
        while !rest.isEmpty {
            let written = try retryingSystemCall("write", path: path) {
                Glibc.write(descriptor, rest.baseAddress, rest.count)
            }
            rest = UnsafeRawBufferPointer(rebasing: rest[written...])
        }
    }

    /// Writes all bytes.
    ///
    /// See write(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func write(_ bytes: [UInt8]) throws(SystemCallError) {
        let result: Result<Void, SystemCallError> = bytes.withUnsafeBytes { buffer in
            do throws(SystemCallError) { return .success(try write(buffer)) } catch { return .failure(error) }
        }
        try result.get()
    }

    /// Reads the rest of the file, at most `limit` bytes; a longer file is an `EFBIG` error.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func readToEnd(limit: Int = .max) throws(SystemCallError) -> [UInt8] {
        var content: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = try retryingSystemCall("read", path: path) { Glibc.read(descriptor, &chunk, chunk.count) }
            if count == 0 { return content }
            if content.count + count > limit { throw SystemCallError("read", path: path, errno: .fileTooLarge) }
            content.append(contentsOf: chunk[..<count])
        }
    }

    /// The status of the open file.
    ///
    /// See fstat(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func status() throws(SystemCallError) -> FileStatus {
        try withKeptOwner(try statusOfKernel())
    }

    /// When the file was created; nil where the file system does not know.
    ///
    /// See statx(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func created() throws(SystemCallError) -> FileTime? {
        var seconds: Int64 = 0
        var nanoseconds: UInt32 = 0
        do throws(SystemCallError) {
            _ = try retryingSystemCall("statx", path: path) { slipway_birth_time(descriptor, &seconds, &nanoseconds) }
            return FileTime(seconds: seconds, nanoseconds: Int32(nanoseconds))
        } catch {
            if error.errno == .noData { return nil }
            throw error
        }
    }

    /// Makes the file's content and size durable.
    ///
    /// See fsync(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func synchronize() throws(SystemCallError) {
        _ = try retryingSystemCall("fsync", path: path) { Glibc.fsync(descriptor) }
    }

    /// Makes everything written to the file system that holds this file durable.
    ///
    /// See syncfs(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func synchronizeFileSystem() throws(SystemCallError) {
        _ = try retryingSystemCall("syncfs", path: path) { slipway_syncfs(descriptor) }
    }

    /// Begins to write the file's pages to the disk, without waiting.
    ///
    /// See sync_file_range(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func startWriting() throws(SystemCallError) {
        _ = try retryingSystemCall("sync_file_range", path: path) { slipway_start_writing(descriptor) }
    }

    /// Waits until the file's pages are written; what says where they are may still be in the file system's journal.
    ///
    /// See sync_file_range(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func awaitWriting() throws(SystemCallError) {
        _ = try retryingSystemCall("sync_file_range", path: path) { slipway_await_writing(descriptor) }
    }

    /// The path under which another process of ours, or a call without an `at` form, reaches this very file.
    package var procPath: FilePath { FilePath("/proc/self/fd/\(descriptor)") }

    /// The path under which programs that this process starts can open this very file, for as long as it is open here.
    package var pathForChildren: FilePath { FilePath("/proc/\(getpid())/fd/\(descriptor)") }
}

extension OpenFile {
    /// Where the file is now, whatever it was opened as; nil where it was removed.
    ///
    /// See proc_pid_fd(5).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func currentPath() throws(SystemCallError) -> FilePath? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX) + 1)
        let count = try retryingSystemCall("readlink", path: path) {
            procPath.withPlatformString { readlink($0, &buffer, buffer.count) }
        }
        let found = FilePath(bytes: buffer[..<count])
        // The kernel marks the name of a removed file, and another file may have that very name.
        var raw = stat()
        guard found.withPlatformString({ lstat($0, &raw) }) == 0 else { return nil }
        let (named, own) = (FileStatus(raw), try status())
        return named.device == own.device && named.inode == own.inode ? found : nil
    }
}
