import FoundationEssentials
import LinuxSystem
import Sandboxes
import Storage
import SystemPackage

extension ContainerStore {
    private func volume(_ name: String) -> FilePath {
        store.layout.containers.removingLastComponent().appending("volumes").appending(name)
    }

    /// The mounts of a container whose root is mounted; volumes that are new are filled with what the image has at their place.
    func mounts(of record: ContainerRecord) async throws -> [SandboxConfiguration.Mount] {
        var mounts: [SandboxConfiguration.Mount] = []
        for mount in record.configuration.mounts {
            let target = FilePath(mount.target)
            switch mount.kind {
            case .tmpfs(let size):
                mounts.append(.init(.tmpfs(size: size, mode: 0o1777), at: target, isReadOnly: mount.isReadOnly))
            case .bind(let source):
                guard FileManager.default.fileExists(atPath: source) else {
                    throw ContainerError.bindSourceMissing(source)
                }
                mounts.append(.init(.bind(FilePath(source)), at: target, isReadOnly: mount.isReadOnly))
            case .volume(let name, _):
                let content = try await fill(name, from: target, of: record)
                mounts.append(.init(.bind(content), at: target, isReadOnly: mount.isReadOnly))
            }
        }
        return mounts
    }

    private func fill(_ name: String, from target: FilePath, of record: ContainerRecord) async throws -> FilePath {
        let content = volume(name).appending("_data")
        if FileManager.default.fileExists(atPath: content.string) { return content }
        let draft = volume(name).appending("_new")
        try await onBlockingPool {
            try removeTree(draft)
            try FileManager.default.createDirectory(atPath: draft.string, withIntermediateDirectories: true)
        }
        let root = directory(of: record.id).appending("root")
        let source = try await onBlockingPool { () -> OpenFile? in
            let directory = try RootedDirectory(root)
            guard try directory.statusIfPresent(target)?.type == .directory else { return nil }
            return try directory.open(target, O_RDONLY_)
        }
        if let source {
            // The directory is handed over open, so that no link of the image leads the copy elsewhere.
            var copy = ChildProcessConfiguration(.named("cp"), ["-a", "/proc/self/fd/3/.", draft.string])
            copy.files = [3: .open(source), 2: .null]
            let result = try await ChildProcess.run(copy)
            guard result.status.isSuccess else { throw ContainerError.monitor(escapedForDisplay(result.errors)) }
        }
        try FileManager.default.moveItem(atPath: draft.string, toPath: content.string)
        return content
    }

    func removeAnonymousVolumes(of record: ContainerRecord) async throws {
        for case .volume(let name, true) in record.configuration.mounts.map(\.kind) {
            let path = volume(name)
            try await onBlockingPool { try removeTree(path) }
        }
    }
}
