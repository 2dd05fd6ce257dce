import FoundationEssentials
import LinuxSystem
import Sandboxes
import Storage
package import SystemPackage
internal import Text

/// Volumes are directories of their own: `volumes/NAME/_data` is the content, `volumes/NAME/volume.json` what is known of it.
extension ContainerStore {
    /// Where the content of a volume is.
    package func content(ofVolume name: String) -> FilePath { volume(name).appending("_data") }

    private var volumes: FilePath { store.layout.containers.removingLastComponent().appending("volumes") }

    private func volume(_ name: String) -> FilePath { volumes.appending(name) }

    /// Holds what only one at a time may do with volumes: make them, fill them, see that no container has them and remove them.
    func withVolumeLock<Value>(_ body: () async throws -> Value) async throws -> Value {
        try await onBlockingPool { [volumes] in try Self.makeDirectory(volumes, 0o711) }
        let held = try await FileLock.obtain(volumes.appending(".lock"), .exclusive)
        defer { withExtendedLifetime(held) {} }
        return try await body()
    }

    // MARK: Finding

    /// All volumes, by name.
    package func listVolumes() async throws -> [VolumeRecord] {
        try await onBlockingPool { [self] in
            guard try HostFiles.status(of: volumes) != nil else { return [] }
            return try HostFiles.entries(of: volumes).compactMap {
                try volumeRecord(String(decoding: $0, as: UTF8.self))
            }
        }
    }

    /// The volume of that name.
    /// - Throws: `ContainerError.volumeNotFound`.
    package func findVolume(_ name: String) async throws -> VolumeRecord {
        guard ContainerNames.isValid(name), let found = try await onBlockingPool({ [self] in try volumeRecord(name) })
        else { throw ContainerError.volumeNotFound(name) }
        return found
    }

    /// The containers that have a volume mounted when they run, by the volume's name.
    package func volumeUsers() async throws -> [String: [ContainerRecord]] {
        var users: [String: [ContainerRecord]] = [:]
        // As they are noted: which volumes a container has does not change when it ends.
        for record in try await store.database.read({ db in try ContainerTable.records(.all, in: db) }) {
            for name in Set(record.volumeNames) { users[name, default: []].append(record) }
        }
        return users
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func volumeRecord(_ name: String) throws -> VolumeRecord? {
        guard ContainerNames.isValid(name), let status = try HostFiles.status(of: volume(name)),
            status.type == .directory
        else { return nil }
        let document = try volumeDocument(name)
        return VolumeRecord(
            name: name,
            labels: document?.labels ?? [:],
            created: document.map { FileTime(seconds: $0.created) } ?? status.modified,
            content: content(ofVolume: name)
        )
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func volumeDocument(_ name: String) throws -> VolumeDocument? {
        do throws(SystemCallError) {
            let bytes = try OpenFile.open(documentPath(name), .readOnly).readToEnd(limit: 16 << 20)
            // A damaged one says no less than none: the content is what counts.
            return try? JSONDecoder().decode(VolumeDocument.self, from: Data(bytes))
        } catch {
            if error.errno == .noSuchFileOrDirectory { return nil }
            throw error
        }
    }

    private func documentPath(_ name: String) -> FilePath { volume(name).appending("volume.json") }

    // MARK: Making

    /// Makes a volume; one that is there already stays as it is.
    /// - Throws: `ContainerError.invalidVolumeName`.
    @discardableResult
    package func createVolume(_ name: String, labels: [String: String] = [:]) async throws -> VolumeRecord {
        guard ContainerNames.isValid(name) else { throw ContainerError.invalidVolumeName(name) }
        try await withVolumeLock { try await makeVolume(name, labels: labels) }
        return try await findVolume(name)
    }

    /// Makes the volumes of a container that are not there; what they hold comes when it starts.
    func makeVolumes(of mounts: [ContainerMount]) async throws {
        for case .volume(let name, let isAnonymous) in mounts.map(\.kind) {
            try await makeVolume(name, labels: isAnonymous ? [VolumeRecord.anonymousLabel: ""] : [:])
        }
    }

    private func makeVolume(_ name: String, labels: [String: String]) async throws {
        let document = VolumeDocument(labels: labels, created: FileTime.now().seconds)
        let text = try Self.encode(document)
        try await onBlockingPool { [self] in
            guard try volumeRecord(name) == nil else { return }
            try Self.makeDirectory(volume(name), 0o701)
            try Self.makeDirectory(content(ofVolume: name), 0o755)
            try HostFiles.write(Array(text.utf8), to: documentPath(name), mode: 0o600)
        }
    }

    /// A directory with exactly this mode, whatever the caller's umask; one that is there stays as it is.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func makeDirectory(_ path: FilePath, _ mode: UInt32) throws {
        guard try HostFiles.status(of: path) == nil else { return }
        try HostFiles.createDirectories(path, mode: mode)
        try OpenFile.open(path, [.readOnly, .directory]).changeMode(mode)
    }

    // MARK: Mounting

    /// The mounts of a container whose root is mounted; volumes that are empty are filled with what the image has at their place.
    func mounts(of record: ContainerRecord) async throws -> [SandboxConfiguration.Mount] {
        var mounts: [SandboxConfiguration.Mount] = []
        for mount in record.configuration.mounts {
            let target = FilePath(mount.target)
            // By its name it was looked at when the container was made.
            if target.lexicallyNormalized() != "/proc" {
                try await onBlockingPool { [root = directory(of: record.id).appending("root")] in
                    try Self.checkIsNotKernelDirectory(target, below: root)
                }
            }
            switch mount.kind {
            case .tmpfs(let size):
                let mode = mount.options.first { $0.hasPrefix("mode=") }.flatMap { UInt32($0.dropFirst(5), radix: 8) }
                let source = SandboxConfiguration.Mount.Source.tmpfs(size: size, mode: mode)
                let options = mount.options.filter { !$0.hasPrefix("mode=") }
                mounts.append(.init(source, at: target, isReadOnly: mount.isReadOnly, options: options))
            case .bind(let source):
                if try await onBlockingPool({ try HostFiles.status(of: source) }) == nil {
                    guard mount.createsSource else {
                        throw ContainerError.bindSourceMissing(escapedForDisplay(source.bytes))
                    }
                    try await onBlockingPool { try HostFiles.createDirectories(source) }
                }
                mounts.append(bind(source, mount))
            case .volume(let name, _):
                if !mount.copiesNothing { try await fill(name, from: target, of: record) }
                mounts.append(bind(content(ofVolume: name), mount))
            }
        }
        return mounts
    }

    /// Refuses a mount over or below `/proc` that its name does not show, because a link of the image leads there.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func checkIsNotKernelDirectory(_ target: FilePath, below root: FilePath) throws {
        let directory = try RootedDirectory(root)
        var prefixes: [FilePath] = []
        for component in target.lexicallyNormalized().components {
            prefixes.append((prefixes.last ?? "/").appending(component))
        }
        guard try prefixes.contains(where: { try directory.statusIfPresent($0)?.type == .symbolicLink }) else { return }
        // The runtime makes it too; without it, a link to it would lead to nothing.
        if try directory.statusIfPresent("/proc") == nil { try directory.createDirectory("/proc", mode: 0o555) }
        let kernel = try directory.status("/proc")
        for prefix in prefixes {
            do throws(SystemCallError) {
                let status = try directory.open(prefix, .pathOnly).status()
                if status.inode != kernel.inode || status.device != kernel.device { continue }
            } catch {
                // What is not there is made by the runtime, below what was looked at.
                if error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory { return }
                throw error
            }
            throw ContainerError.mountOverKernelFiles(target.string)
        }
    }

    private func bind(_ source: FilePath, _ mount: ContainerMount) -> SandboxConfiguration.Mount {
        .init(.bind(source), at: FilePath(mount.target), isReadOnly: mount.isReadOnly, options: mount.options)
    }

    /// Gives an empty volume what the image has at its place, with the owner and mode of the directory there.
    private func fill(_ name: String, from target: FilePath, of record: ContainerRecord) async throws {
        try await withVolumeLock {
            try await makeVolumes(of: [ContainerMount(.volume(name: name, isAnonymous: false), at: target.string)])
            let content = content(ofVolume: name)
            let draft = volume(name).appending("_new")
            let root = directory(of: record.id).appending("root")
            let source = try await onBlockingPool { () -> OpenFile? in
                try Self.makeDirectory(content, 0o755)
                guard try HostFiles.entries(of: content).isEmpty else { return nil }
                let directory = try RootedDirectory(root)
                guard let status = try directory.statusIfPresent(target) else { return nil }
                guard status.type == .directory || status.type == .symbolicLink else { return nil }
                try removeTree(draft)
                try HostFiles.createDirectories(draft)
                return try? directory.open(target, [.readOnly, .directory])
            }
            guard let source else { return }
            // The directory is handed over open, so that no link of the image leads the copy elsewhere.
            var copy = ChildProcessConfiguration(.named("cp"), ["-a", "/proc/self/fd/3/.", draft.string])
            copy.files = [3: .open(source), 2: .null]
            let result = try await ChildProcess.run(copy)
            guard result.status.isSuccess else { throw ContainerError.monitor(escapedForDisplay(result.errors)) }
            try await onBlockingPool { try Self.move(contentOf: draft, to: content) }
        }
    }

    /// The directory stays the same one: other containers may have it mounted.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func move(contentOf draft: FilePath, to content: FilePath) throws {
        for name in try HostFiles.entries(of: draft) {
            let component = FilePath(bytes: name).components
            try HostFiles.rename(draft.appending(component), to: content.appending(component))
        }
        let source = try OpenFile.open(draft, [.readOnly, .directory]).status()
        let target = try OpenFile.open(content, [.readOnly, .directory])
        try target.changeOwner(user: source.userID, group: source.groupID)
        try target.changeMode(UInt32(source.mode))
        try removeTree(draft)
    }

    // MARK: Removing

    /// Removes a volume that no container has.
    /// - Throws: `ContainerError.volumeNotFound`, `.volumeInUse`.
    package func removeVolume(_ name: String) async throws {
        _ = try await findVolume(name)
        try await withVolumeLock {
            let users = try await volumeUsers()[name] ?? []
            guard users.isEmpty else { throw ContainerError.volumeInUse(name, ids: users.map(\.id)) }
            try await onBlockingPool { [self] in try removeTree(volume(name)) }
        }
    }

    /// Removes the volumes that no container has.
    /// - Parameter isWanted: which of them.
    /// - Returns: the names of what was removed, and how many bytes that gave back.
    /// - Throws: `SystemCallError` about the first that cannot be removed; those before it are gone.
    package func pruneVolumes(where isWanted: (VolumeRecord) -> Bool) async throws -> (names: [String], bytes: Int64) {
        var names: [String] = []
        var bytes: Int64 = 0
        for volume in try await listVolumes() where isWanted(volume) {
            let size = try await size(of: volume)
            do {
                try await removeVolume(volume.name)
            } catch ContainerError.volumeInUse, ContainerError.volumeNotFound {
                continue
            }
            names.append(volume.name)
            bytes += size
        }
        return (names, bytes)
    }

    /// The bytes of the files in a volume.
    package func size(of volume: VolumeRecord) async throws -> Int64 {
        try await onBlockingPool {
            guard try HostFiles.status(of: volume.content) != nil else { return 0 }
            return try Self.size(below: RootedDirectory(volume.content))
        }
    }

    /// Removes what goes with a container, unless another has it too.
    func removeAnonymousVolumes(of record: ContainerRecord) async throws {
        for case .volume(let name, true) in record.configuration.mounts.map(\.kind) {
            try await withVolumeLock {
                let others = (try await volumeUsers()[name] ?? []).filter { $0.id != record.id }
                guard others.isEmpty else { return }
                try await onBlockingPool { [self] in try removeTree(volume(name)) }
            }
        }
    }
}

extension ContainerRecord {
    /// The volumes that it has mounted when it runs.
    package var volumeNames: [String] {
        configuration.mounts.compactMap { mount in
            if case .volume(let name, _) = mount.kind { name } else { nil }
        }
    }
}
