internal import LinuxSystem
internal import OCI
package import SystemPackage
internal import Text

/// A copy of a client's directory, which one build has for itself until it lets the copy go.
///
///     syncs/<name>/<n>/data/boot       under which boot of the machine the copy was made
///     syncs/<name>/<n>/data/files      the client's files, each as it was sent or older
///     syncs/<name>/<n>/data/plain      as long as none of the files was given an extended attribute
///     syncs/<name>/<n>/data/workshop   what is unfinished
package final class SyncedCopy: Sendable {
    /// The client's files.
    package let files: FilePath
    /// An empty directory of the same file system for what is unfinished.
    package let workshop: FilePath
    /// Must be removed before any of the files is given an extended attribute.
    package let plainMark: FilePath
    fileprivate let data: FilePath
    private let lock: FileLock

    fileprivate init(data: FilePath, lock: FileLock) {
        files = data.appending("files")
        workshop = data.appending("workshop")
        plainMark = data.appending("plain")
        self.data = data
        self.lock = lock
    }
}

extension Store {
    /// Takes the copy of a key that nothing else has: the one of an earlier build, or an empty one.
    ///
    /// A copy whose sync did not end is given out as it was left: each of its files is complete, and a sync compares
    /// all of them. What a crash of the machine left is not: what was never written out may have the right times.
    /// - Parameters:
    ///   - key: tells what is copied; only who knows it gets the copy.
    ///   - name: what `du` calls it.
    /// - Returns: the copy, which nothing else gets as long as this value lives.
    /// - Throws: `SystemCallError`, `StorageError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func takeCopy(key: [UInt8], name: [UInt8]) throws -> SyncedCopy {
        let kept = KeptDirectory(.sync, in: layout, name: Digest.sha256(of: key).hex)
        let (number, lock) = try kept.take(id: name)
        let copy = SyncedCopy(data: kept.data(number), lock: lock)
        let boot = Array(ProcessReference.currentBootID().utf8)
        let mark = copy.data.appending("boot")
        if !boot.isEmpty, try contentsIfPresent(of: mark, limit: 64) == boot { return copy }
        try discard(copy)
        try HostFiles.createDirectory(copy.data, mode: 0o700)
        try HostFiles.createDirectory(copy.files, mode: 0o755)
        try HostFiles.createDirectory(copy.workshop, mode: 0o700)
        // A default access control list of a directory above is inherited by all that is made here.
        let inherited = try OpenFile.open(copy.files, [.readOnly, .directory]).extendedAttribute(
            "system.posix_acl_default"
        )
        if inherited == nil { try HostFiles.write([], to: copy.plainMark) }
        try HostFiles.write(boot, to: mark)
        return copy
    }

    /// Removes what is in a copy: the next one to take it begins with nothing.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func discard(_ copy: SyncedCopy) throws {
        if try HostFiles.status(of: copy.data) != nil { try discard(copy.data) }
    }
}
