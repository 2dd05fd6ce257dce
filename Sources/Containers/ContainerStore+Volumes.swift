import FoundationEssentials
import LinuxSystem
import Sandboxes
import Storage
package import SystemPackage

extension ContainerStore {
    /// Where the content of a volume is.
    package func content(ofVolume name: String) -> FilePath { volume(name).appending("_data") }

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
                let mode = mount.options.first { $0.hasPrefix("mode=") }.flatMap { UInt32($0.dropFirst(5), radix: 8) }
                let source = SandboxConfiguration.Mount.Source.tmpfs(size: size, mode: mode ?? 0o1777)
                let options = mount.options.filter { !$0.hasPrefix("mode=") }
                mounts.append(.init(source, at: target, isReadOnly: mount.isReadOnly, options: options))
            case .bind(let source):
                if !FileManager.default.fileExists(atPath: source) {
                    guard mount.createsSource else { throw ContainerError.bindSourceMissing(source) }
                    try await onBlockingPool { try HostFiles.createDirectories(FilePath(source)) }
                }
                mounts.append(bind(FilePath(source), mount))
            case .volume(let name, _):
                mounts.append(bind(try await fill(name, from: mount.copiesNothing ? nil : target, of: record), mount))
            }
        }
        return mounts
    }

    private func bind(_ source: FilePath, _ mount: ContainerMount) -> SandboxConfiguration.Mount {
        .init(.bind(source), at: FilePath(mount.target), isReadOnly: mount.isReadOnly, options: mount.options)
    }

    private func fill(_ name: String, from target: FilePath?, of record: ContainerRecord) async throws -> FilePath {
        let content = content(ofVolume: name)
        if FileManager.default.fileExists(atPath: content.string) { return content }
        let draft = volume(name).appending("_new")
        try await onBlockingPool {
            try removeTree(draft)
            try FileManager.default.createDirectory(atPath: draft.string, withIntermediateDirectories: true)
        }
        let root = directory(of: record.id).appending("root")
        let source = try await onBlockingPool { () -> OpenFile? in
            guard let target else { return nil }
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
