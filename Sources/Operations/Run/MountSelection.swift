import LLB
import LinuxSystem
import Sandboxes
import Storage
import SystemPackage
import Tasks
internal import Text

/// The file or directory that a selector names below a root.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
func selected(_ selector: [UInt8], of root: FilePath) throws -> OpenFile {
    let tree = try RootedDirectory(root)
    do throws(SystemCallError) {
        return try tree.open(FilePath(bytes: selector), .pathOnly)
    } catch {
        guard error.errno == .noSuchFileOrDirectory else { throw error }
        throw OperationError.notFound(path: "/" + rootedPath(selector), in: "mount", hint: nil)
    }
}

/// Copies a part of a tree into an empty directory, with the owner, permissions and time of the directory that it is.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
func copyDirectory(_ path: [UInt8], of root: FilePath, to fresh: FilePath) throws {
    let source = try RootedDirectory(root).openDirectory(path.isEmpty ? "/" : FilePath(bytes: path))
    let status = try source.status(".")
    try copyTree(from: source, to: RootedDirectory(fresh))
    let made = try OpenFile.open(fresh, [.readOnly, .directory])
    try made.changeOwner(user: status.userID, group: status.groupID)
    try made.changeMode(UInt32(status.mode))
    try made.setTimes(modified: status.modified)
}

/// How a process gets files that cannot be bound: it gets the very files, and of what must not change a copy.
extension ExecRun {
    /// Where a selected file or directory is below a root that the process may have.
    func place(of selector: [UInt8], in root: FilePath) async throws -> FilePath {
        try await onBlockingPool {
            guard let path = try selected(selector, of: root).currentPath() else {
                throw OperationError.notFound(path: "/" + rootedPath(selector), in: "mount", hint: nil)
            }
            return path
        }
    }

    /// Lends a copy of the part of a tree that a selector names.
    func withCopy<Value>(
        of selector: [UInt8],
        of root: FilePath,
        _ body: (SandboxConfiguration.Mount.Source) async throws -> Value
    ) async throws -> Value {
        let scratch = try await onBlockingPool { [store = environment.store] in try store.temporaryDirectory() }
        return try await withCleanUp {
            let copy = try await onCancellablePool { _ in try Self.copy(selector, of: root, below: scratch) }
            return try await body(.bind(copy))
        } finally: {
            try await onBlockingPool { try removeTree(scratch) }
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func copy(_ selector: [UInt8], of root: FilePath, below scratch: FilePath) throws -> FilePath {
        let target = scratch.appending("copy")
        if try selected(selector, of: root).status().type == .directory {
            try HostFiles.createNewDirectory(target)
            try copyDirectory(selector, of: root, to: target)
            return target
        }
        var copy = FileCopy(source: selector, destination: "/copy")
        copy.followsLinks = true
        let source = SourceTree(root: try RootedDirectory(root), name: "mount")
        _ = try FileCopier(copy, from: source, to: try RootedDirectory(scratch), owner: nil).run()
        return target
    }
}
