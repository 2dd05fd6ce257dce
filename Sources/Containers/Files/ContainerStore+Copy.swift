import LinuxSystem
import Sandboxes
import Snapshots
import Storage
package import SystemPackage
import Tasks

extension ContainerStore {
    /// Lends a path of a container: in the container as it runs, or in its files where it does not.
    package func withFiles<Value: Sendable>(
        of container: ContainerRecord,
        at bytes: [UInt8],
        toWrite: Bool = false,
        _ body: (CopyEnd) async throws -> Value
    ) async throws -> Value {
        let path = FilePath("/").pushing(FilePath(bytes: bytes)).lexicallyNormalized()
        if toWrite { try checkIsWritable(path, in: container) }
        func end(at root: FilePath) async throws -> CopyEnd {
            try await onBlockingPool { [identities = identities(of: container)] in
                var end = CopyEnd(root: try RootedDirectory(root), path: path, written: bytes)
                end.identities = identities
                return end
            }
        }
        if container.state.status == .running {
            guard let process = try await firstProcess(of: container) else {
                throw ContainerError.notRunning(id: container.id)
            }
            return try await body(try await end(at: FilePath("/proc/\(process)/root")))
        }
        let directory = directory(of: container.id)
        let root = directory.appending("root")
        return try await store.withLease { lease in
            try await snapshots.leased(by: lease).mount(
                FileTree(layers: container.configuration.layers),
                writing: directory.appending("fs"),
                work: directory.appending("work"),
                at: root,
                identities: identities(of: container)
            )
            return try await withCleanUp {
                // What the container has mounted when it runs belongs to it when it does not, too.
                let mounts = try await mounts(of: container)
                try await onBlockingPool { try Self.attach(mounts, below: root) }
                return try await body(try await end(at: root))
            } finally: {
                try await onBlockingPool { try unmount(root, lazy: true) }
            }
        }
    }

    /// Refuses what docker refuses by the text of the path; where links lead elsewhere, the kernel refuses.
    private func checkIsWritable(_ path: FilePath, in container: ContainerRecord) throws(CopyError) {
        let configuration = container.configuration
        let around = configuration.mounts.filter { mount in
            if case .tmpfs = mount.kind { return false }
            return path.starts(with: FilePath(mount.target).lexicallyNormalized())
        }
        guard let mount = around.max(by: { $0.target.utf8.count < $1.target.utf8.count }) else {
            if configuration.options.isRootReadOnly { throw .rootIsReadOnly }
            return
        }
        if mount.isReadOnly { throw .mountIsReadOnly(mount.target) }
    }

    /// Binds volumes and files of the host below a root, in which missing mount points are made.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func attach(_ mounts: [SandboxConfiguration.Mount], below root: FilePath) throws {
        let directory = try RootedDirectory(root)
        for mount in mounts {
            guard case .bind(let path) = mount.source else { continue }
            let source = try OpenFile.open(path, .pathOnly)
            let point = try mountPoint(
                mount.target,
                isDirectory: try source.status().type == .directory,
                in: directory
            )
            try DetachedMount.bind(source, recursive: true, readOnly: mount.isReadOnly).attach(at: point)
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func mountPoint(
        _ target: FilePath,
        isDirectory: Bool,
        in root: RootedDirectory
    ) throws -> OpenFile {
        do throws(SystemCallError) {
            return try root.open(target, .pathOnly)
        } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
        }
        let parent = target.removingLastComponent()
        if parent != target, !parent.isEmpty { _ = try mountPoint(parent, isDirectory: true, in: root) }
        if isDirectory {
            try root.createDirectory(target)
            try root.changeMode(target, 0o755)
        } else {
            _ = try root.open(target, [.writeOnly, .createNew], mode: 0o644)
        }
        return try root.open(target, .pathOnly)
    }

    /// Lends a path of the host.
    package func withHostFiles<Value: Sendable>(
        at path: FilePath,
        written bytes: [UInt8],
        _ body: (CopyEnd) async throws -> Value
    ) async throws -> Value {
        let end = try await onBlockingPool {
            CopyEnd(root: try RootedDirectory("/"), path: path.lexicallyNormalized(), written: bytes)
        }
        return try await body(end)
    }

    /// What copies between containers and the host.
    package func fileCopy() async throws -> ContainerCopy {
        ContainerCopy(scratch: try await onBlockingPool { [store] in try store.temporaryDirectory() })
    }
}
