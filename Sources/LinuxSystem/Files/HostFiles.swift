internal import Glibc
package import SystemPackage

/// Operations on files of the host under paths that Slipway made up itself; hostile paths go through `RootedDirectory`.
package enum HostFiles {
    /// Creates a directory of exactly this mode; one that is there already is an `EEXIST` error.
    ///
    /// See mkdir(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func createNewDirectory(_ path: FilePath, mode: UInt32 = 0o755) throws(SystemCallError) {
        _ = try retryingSystemCall("mkdir", path: path) { path.withPlatformString { mkdir($0, mode) } }
        // Also where the mask takes nothing from it: from a directory of a group, as volumes of pods are, it would have the bit that
        // gives what is made in it to that group.
        _ = try retryingSystemCall("chmod", path: path) { path.withPlatformString { chmod($0, mode) } }
    }

    /// Creates a directory of exactly this mode; one that is there already is no error.
    ///
    /// Returns whether it was created. See mkdir(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    @discardableResult
    package static func createDirectory(_ path: FilePath, mode: UInt32 = 0o755) throws(SystemCallError) -> Bool {
        do throws(SystemCallError) {
            try createNewDirectory(path, mode: mode)
            return true
        } catch {
            if error.errno == .fileExists { return false }
            throw error
        }
    }

    /// Creates a directory for the caller, and what is missing above it, under the caller's own mask.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func createCallersDirectories(_ path: FilePath) throws(SystemCallError) {
        try createDirectories(path, mode: FileModeMask.callersShare(of: 0o755))
    }

    /// Creates a directory and what is missing above it, each of exactly this mode.
    ///
    /// See mkdir(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func createDirectories(_ path: FilePath, mode: UInt32 = 0o755) throws(SystemCallError) {
        do throws(SystemCallError) {
            try createDirectory(path, mode: mode)
        } catch {
            let parent = path.removingLastComponent()
            guard error.errno == .noSuchFileOrDirectory, !parent.isEmpty, parent != path else { throw error }
            try createDirectories(parent, mode: mode)
            try createDirectory(path, mode: mode)
        }
    }

    /// Writes a file of the host; it appears complete, or not at all.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func write(_ bytes: [UInt8], to path: FilePath, mode: UInt32 = 0o644) throws(SystemCallError) {
        do throws(SystemCallError) {
            let pending = try PendingFile(replacing: path, mode: mode)
            do throws(SystemCallError) {
                try pending.file.write(bytes)
                try pending.publish()
            } catch {
                pending.discard()
                throw error
            }
        } catch {
            throw SystemCallError(error.call, path: path, errno: error.errno)
        }
    }

    /// Renames a file, replacing what is there.
    ///
    /// See rename(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func rename(_ path: FilePath, to destination: FilePath) throws(SystemCallError) {
        _ = try retryingSystemCall("rename", path: path) {
            path.withPlatformString { source in destination.withPlatformString { Glibc.rename(source, $0) } }
        }
    }

    /// Removes a file other than a directory.
    ///
    /// Returns false where there is none. See unlink(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    @discardableResult
    package static func remove(_ path: FilePath) throws(SystemCallError) -> Bool {
        do throws(SystemCallError) {
            _ = try retryingSystemCall("unlink", path: path) { path.withPlatformString { unlink($0) } }
            return true
        } catch {
            if error.errno == .noSuchFileOrDirectory { return false }
            throw error
        }
    }

    /// Removes a directory that is empty; returns false where it is missing, in use or not empty.
    ///
    /// See rmdir(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    @discardableResult
    package static func removeDirectoryIfEmpty(_ path: FilePath) throws(SystemCallError) -> Bool {
        do throws(SystemCallError) {
            _ = try retryingSystemCall("rmdir", path: path) { path.withPlatformString { rmdir($0) } }
            return true
        } catch {
            switch error.errno {
            case .noSuchFileOrDirectory, .directoryNotEmpty, .resourceBusy: return false
            default: throw error
            }
        }
    }

    /// The status of a file, following links; nil where there is none.
    ///
    /// See stat(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func status(of path: FilePath) throws(SystemCallError) -> FileStatus? {
        var raw = stat()
        do throws(SystemCallError) {
            _ = try retryingSystemCall("stat", path: path) { path.withPlatformString { stat($0, &raw) } }
        } catch {
            if error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory { return nil }
            throw error
        }
        return FileStatus(raw)
    }

    /// A path without links, of something that need not be there.
    ///
    /// See realpath(3).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func resolved(_ path: FilePath) throws(SystemCallError) -> FilePath {
        var existing = path.lexicallyNormalized()
        var missing: [FilePath.Component] = []
        while true {
            if let real = existing.withPlatformString({ realpath($0, nil) }) {
                defer { free(real) }
                return FilePath(platformString: real).appending(missing.reversed())
            }
            let code = Errno(rawValue: errno)
            guard code == .noSuchFileOrDirectory, let last = existing.lastComponent else {
                throw SystemCallError("realpath", path: path, errno: code)
            }
            missing.append(last)
            existing.removeLastComponent()
            if existing.isEmpty { existing = "." }
        }
    }

    /// The names in a directory, sorted by their bytes.
    ///
    /// See readdir(3).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func entries(of path: FilePath) throws(SystemCallError) -> [[UInt8]] {
        try directoryEntries(of: try OpenFile.open(path, [.readOnly, .directory]))
    }

    /// Makes the entries of a directory durable: what was created in it, renamed into it or removed from it.
    ///
    /// See fsync(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func synchronizeDirectory(_ path: FilePath) throws(SystemCallError) {
        try OpenFile.open(path, [.readOnly, .directory]).synchronize()
    }
}

extension OpenFile {
    /// Sets the length of the file.
    ///
    /// See ftruncate(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func truncate(to size: Int64) throws(SystemCallError) {
        _ = try retryingSystemCall("ftruncate", path: path) { ftruncate(descriptor, off_t(size)) }
    }

    /// Makes a file at least so long, with space that is its own.
    ///
    /// See posix_fallocate(3).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func allocate(_ size: Int64) throws(SystemCallError) {
        var code = posix_fallocate(descriptor, 0, off_t(size))
        while code == EINTR { code = posix_fallocate(descriptor, 0, off_t(size)) }
        if code != 0 { throw SystemCallError("posix_fallocate", path: path, errno: Errno(rawValue: code)) }
    }

    /// Moves the file position, counted from the start.
    ///
    /// See lseek(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func seek(to offset: Int64) throws(SystemCallError) {
        _ = try retryingSystemCall("lseek", path: path) { lseek(descriptor, off_t(offset), SEEK_SET) }
    }

    /// Takes an advisory lock on this open file if nobody else holds it.
    ///
    /// See flock(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func tryLock(_ mode: FileLock.Mode) throws(SystemCallError) -> Bool {
        do throws(SystemCallError) {
            _ = try retryingSystemCall("flock", path: path) {
                flock(descriptor, (mode == .shared ? LOCK_SH : LOCK_EX) | LOCK_NB)
            }
            return true
        } catch {
            if error.errno == .wouldBlock { return false }
            throw error
        }
    }

    /// Releases the advisory lock.
    ///
    /// See flock(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func unlock() throws(SystemCallError) {
        _ = try retryingSystemCall("flock", path: path) { flock(descriptor, LOCK_UN) }
    }

    /// Opens a file, creating it when missing, and locks it exclusively, so that the lock and the path belong together.
    ///
    /// A file that its last holder removes between our opening and our locking it is opened again.
    /// - Parameters:
    ///   - path: the file.
    ///   - mode: its permission bits if it is created.
    /// - Returns: nil if somebody else holds the lock.
    /// - Throws: `SystemCallError` if it can be neither opened nor created.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func openLocked(_ path: FilePath, mode: UInt32 = 0o600) throws(SystemCallError) -> OpenFile? {
        while true {
            let file = try OpenFile.open(path, [.readWrite, .create], mode: mode)
            guard try file.tryLock(.exclusive) else { return nil }
            let opened = try file.status()
            if let named = try HostFiles.status(of: path), named.inode == opened.inode, named.device == opened.device {
                return file
            }
        }
    }
}
