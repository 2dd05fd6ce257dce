internal import Glibc
package import SystemPackage
internal import Text

/// A file that appears under its name when it is complete, and not at all where it never is.
///
/// Where the file system can, it has no name until then: whoever is killed leaves nothing behind. Elsewhere, and for the moment in which it takes
/// the place of another file, it is beside its place under the name `<name>.<process>.partial`; what killed processes left there is
/// removed when the file is made again.
package struct PendingFile: Sendable {
    /// Where to write.
    package let file: OpenFile
    private let path: FilePath
    /// What the file is called until it is complete; nil while it has no name.
    private let name: FilePath?

    /// Makes an empty file.
    /// - Parameters:
    ///   - path: where it will appear; its directory must be there.
    ///   - mode: permission bits, from which the caller's mask is taken.
    /// - Throws: `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init(replacing path: FilePath, mode: UInt32 = 0o666) throws(SystemCallError) {
        self.path = path
        let mode = FileModeMask.callersShare(of: mode)
        try removeAbandoned(beside: path)
        do throws(SystemCallError) {
            file = try OpenFile.open(directory(of: path), [.unnamed, .writeOnly], mode: mode)
            name = nil
        } catch {
            // EISDIR: a kernel that does not know the flag.
            guard [.notSupported, .isDirectory, .invalidArgument].contains(error.errno) else { throw error }
            let partial = partialPath(beside: path)
            file = try OpenFile.open(partial, [.writeOnly, .create, .truncate, .noFollow], mode: mode)
            name = partial
        }
    }

    /// Makes the file durable and gives it its name, replacing what has it.
    /// - Parameter isDurable: false for a file that can be made again: it need not outlive a loss of power, and nothing waits for disks.
    /// - Throws: `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func publish(isDurable: Bool = true) throws(SystemCallError) {
        if isDurable { try file.synchronize() }
        if let name {
            try HostFiles.rename(name, to: path)
        } else {
            do throws(SystemCallError) {
                try link(to: path)
            } catch {
                guard error.errno == .fileExists else { throw error }
                // A name cannot be given while another file has it.
                let partial = partialPath(beside: path)
                try HostFiles.remove(partial)
                try link(to: partial)
                try HostFiles.rename(partial, to: path)
            }
        }
        if isDurable { try HostFiles.synchronizeDirectory(directory(of: path)) }
    }

    /// Removes what has a name; for a file that will not be complete.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func discard() {
        if let name { _ = try? HostFiles.remove(name) }
    }

    /// See linkat(2), and open(2) for the path of a file without a name.
    private func link(to name: FilePath) throws(SystemCallError) {
        _ = try retryingSystemCall("linkat", path: name) {
            file.procPath.withPlatformString { from in
                name.withPlatformString { linkat(AT_FDCWD, from, AT_FDCWD, $0, AT_SYMLINK_FOLLOW) }
            }
        }
    }
}

extension PendingFile {
    /// Lends a file to be written that appears complete and durable, or not at all.
    ///
    /// What is no regular file (a pipe, a device) is written to as it is. A link stays, and what it names is replaced.
    /// - Throws: `SystemCallError`, and what `body` throws.
    package static func write(to path: FilePath, _ body: (OpenFile) async throws -> Void) async throws {
        let existing = try await onBlockingPool { try HostFiles.status(of: path) }
        if let existing, existing.type != .regular {
            return try await body(try await onBlockingPool { try OpenFile.open(path, .writeOnly) })
        }
        let pending = try await onBlockingPool {
            let parent = path.removingLastComponent()
            if !parent.isEmpty { try HostFiles.createCallersDirectories(parent) }
            return try PendingFile(replacing: HostFiles.resolved(path))
        }
        do {
            try await body(pending.file)
            try await onBlockingPool { try pending.publish() }
        } catch {
            await onBlockingPool { pending.discard() }
            throw error
        }
    }
}

/// What something is called beside its place until it is complete.
package func partialPath(beside path: FilePath) -> FilePath {
    FilePath(bytes: path.bytes + ".\(getpid()).partial")
}

/// Removes what processes that are no more left beside a path under `partialPath`.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
package func removeAbandoned(beside path: FilePath) throws(SystemCallError) {
    guard let last = path.lastComponent else { return }
    let prefix = FilePath(root: nil, [last]).bytes + "."
    let suffix: [UInt8] = ".partial"
    for name in try HostFiles.entries(of: directory(of: path)) {
        guard name.starts(with: prefix), name.count > prefix.count + suffix.count,
            name.suffix(suffix.count).elementsEqual(suffix),
            let process = pid_t(String(decoding: name[prefix.count..<name.count - suffix.count], as: UTF8.self)),
            process > 0, process != getpid(), kill(process, 0) == -1, errno == ESRCH
        else { continue }
        try removeTree(directory(of: path).appending(name: name))
    }
}

private func directory(of path: FilePath) -> FilePath {
    let directory = path.removingLastComponent()
    return directory.isEmpty ? "." : directory
}
