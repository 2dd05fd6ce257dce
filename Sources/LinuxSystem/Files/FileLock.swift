internal import Glibc
package import SystemPackage

/// An advisory lock on a file that several processes share; released with the object.
///
/// See flock(2).
package final class FileLock: Sendable {
    package enum Mode: Sendable { case shared, exclusive }

    private let file: OpenFile

    private init(file: OpenFile) { self.file = file }

    /// Waits until the lock is held; the file is created when missing.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func acquire(_ path: FilePath, _ mode: Mode) throws(SystemCallError) -> FileLock {
        let file = try OpenFile.open(path, [.readWrite, .create], mode: 0o600)
        _ = try retryingSystemCall("flock", path: path) { flock(file.descriptor, mode == .shared ? LOCK_SH : LOCK_EX) }
        return FileLock(file: file)
    }

    /// Waits until the exclusive lock of a directory, which is there, is held.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func acquire(directory path: FilePath) throws(SystemCallError) -> FileLock {
        let file = try OpenFile.open(path, [.readOnly, .directory])
        _ = try retryingSystemCall("flock", path: path) { flock(file.descriptor, LOCK_EX) }
        return FileLock(file: file)
    }

    /// Takes the lock if nobody else holds it; nil otherwise.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func tryAcquire(_ path: FilePath, _ mode: Mode) throws(SystemCallError) -> FileLock? {
        try tryLock(OpenFile.open(path, [.readWrite, .create], mode: 0o600), mode)
    }

    /// Takes the exclusive lock of a directory, which is there, if nobody else holds it; nil otherwise.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func tryAcquire(
        directory path: FilePath,
        _ mode: Mode = .exclusive
    ) throws(SystemCallError) -> FileLock? {
        try tryLock(OpenFile.open(path, [.readOnly, .directory]), mode)
    }

    private static func tryLock(_ file: OpenFile, _ mode: Mode) throws(SystemCallError) -> FileLock? {
        do throws(SystemCallError) {
            _ = try retryingSystemCall("flock", path: file.path) {
                flock(file.descriptor, (mode == .shared ? LOCK_SH : LOCK_EX) | LOCK_NB)
            }
        } catch {
            if error.errno == .wouldBlock { return nil }
            throw error
        }
        return FileLock(file: file)
    }
}
