internal import CLinux
internal import Glibc
internal import SystemPackage

extension ChildProcess {
    /// Starts a program.
    ///
    /// Signal dispositions and mask are the defaults, and no descriptor is open but those of `configuration.files`.
    /// - Throws: `ProgramNotFound`, or `SystemCallError` naming the step and the path that failed.
    package static func start(_ configuration: ChildProcessConfiguration) async throws -> ChildProcess {
        try await onBlockingPool { try startBlocking(configuration) }
    }

    /// Starts a program for a caller that reaps its children itself, and has no other thread.
    /// - Returns: the number of the process.
    /// - Throws: as `start`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func startUnwatched(_ configuration: ChildProcessConfiguration) throws -> Int32 {
        try spawn(configuration).processID
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func startBlocking(_ configuration: ChildProcessConfiguration) throws -> ChildProcess {
        let spawned = try spawn(configuration)
        return ChildProcess(
            processID: spawned.processID,
            handle: spawned.handle,
            readers: spawned.files.readers,
            writers: spawned.files.writers
        )
    }

    private struct Spawned {
        let processID: Int32
        let handle: OpenFile
        let files: ChildFiles
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func spawn(_ configuration: ChildProcessConfiguration) throws -> Spawned {
        let path = try executable(of: configuration)
        let name: [UInt8] =
            switch configuration.program {
            case .path(let path): path.bytes
            case .named(let name): Array(name.utf8)
            }
        var files = try ChildFiles(configuration.files)
        let arguments = CStringArray([configuration.name ?? name] + configuration.arguments)
        let environment = CStringArray(configuration.environment ?? inheritedEnvironment())
        let mounts = MountSteps(configuration.mounts)
        let groups = configuration.controlGroups.map(\.descriptor)
        var processID: pid_t = 0
        var pidfd: CInt = -1
        var stage: CInt = 0
        var index: CInt = 0
        let code = path.withPlatformString { path in
            withOptionalPlatformString(configuration.workingDirectory) { workingDirectory in
                withBuffers(files.sources, groups) { sources, groups in
                    var request = slipway_spawn()
                    request.path = path
                    request.arguments = UnsafePointer(arguments.pointer)
                    request.environment = UnsafePointer(environment.pointer)
                    request.working_directory = workingDirectory
                    request.files = sources.baseAddress
                    request.file_count = CInt(sources.count)
                    request.control_group = configuration.controlGroup?.descriptor ?? -1
                    request.control_groups = groups.baseAddress
                    request.control_group_count = CInt(groups.count)
                    request.namespaces = configuration.namespaces.flags
                    request.mounts = UnsafePointer(mounts.pointer)
                    request.mount_count = CInt(mounts.count)
                    request.parent_death_signal = configuration.diesWithParent ? SIGKILL : 0
                    request.network_namespace = configuration.networkNamespace?.descriptor ?? -1
                    switch configuration.grouping {
                    case .shared: break
                    case .ownProcessGroup: request.new_process_group = 1
                    case .ownSession: request.new_session = 1
                    case .ownTerminalSession:
                        request.new_session = 1
                        request.controlling_terminal = 1
                    }
                    return ProcessConfinement.withShim(configuration.confinement) {
                        request.confinement = $0
                        return slipway_spawn(&request, &processID, &pidfd, &stage, &index)
                    }
                }
            }
        }
        guard code == 0 else { throw failure(configuration, path, code: code, stage: stage, index: Int(index)) }
        files.sources = []
        return Spawned(processID: processID, handle: OpenFile(owning: pidfd, path: path), files: files)
    }

    private static func executable(of configuration: ChildProcessConfiguration) throws(ProgramNotFound) -> FilePath {
        // What a path means in a root of the child's own, only the child can tell.
        if configuration.confinement?.root != nil, case .path(let path) = configuration.program { return path }
        return try configuration.program.resolve()
    }

    private static func failure(
        _ configuration: ChildProcessConfiguration,
        _ path: FilePath,
        code: CInt,
        stage: CInt,
        index: Int
    ) -> SystemCallError {
        let errno = Errno(rawValue: code)
        if let call = configuration.confinement?.call(at: stage, index) { return SystemCallError(call, errno: errno) }
        switch slipway_spawn_stage(rawValue: UInt32(stage)) {
        case slipway_spawn_session: return SystemCallError("setsid", path: path, errno: errno)
        case slipway_spawn_control_group:
            return SystemCallError("write", path: configuration.controlGroups[index].path, errno: errno)
        case slipway_spawn_namespace: return SystemCallError("setns", path: path, errno: errno)
        case slipway_spawn_mount_step:
            return SystemCallError("mount", path: configuration.mounts[index].target, errno: errno)
        case slipway_spawn_working_directory:
            return SystemCallError("chdir", path: configuration.workingDirectory, errno: errno)
        case slipway_spawn_files: return SystemCallError("dup2", path: path, errno: errno)
        case slipway_spawn_terminal: return SystemCallError("ioctl TIOCSCTTY", path: path, errno: errno)
        case slipway_spawn_execute: return SystemCallError("exec", path: path, errno: errno)
        default: return SystemCallError("clone", path: path, errno: errno)
        }
    }

    private static func inheritedEnvironment() -> [[UInt8]] {
        var entries: [[UInt8]] = []
        var next = environ
        while let entry = next.pointee {
            entries.append(Array(UnsafeRawBufferPointer(start: entry, count: strlen(entry))))
            next += 1
        }
        return entries
    }
}

private func withBuffers<Value>(
    _ first: [CInt],
    _ second: [CInt],
    _ body: (UnsafeBufferPointer<CInt>, UnsafeBufferPointer<CInt>) -> Value
) -> Value {
    first.withUnsafeBufferPointer { first in second.withUnsafeBufferPointer { body(first, $0) } }
}

extension ChildProcessConfiguration.Namespaces {
    fileprivate var flags: UInt64 {
        var flags: UInt64 = 0
        if contains(.mount) { flags |= UInt64(slipway_CLONE_NEWNS) }
        if contains(.process) { flags |= slipway_CLONE_NEWPID }
        if contains(.network) { flags |= UInt64(slipway_CLONE_NEWNET) }
        return flags
    }
}

/// The descriptors a child gets, and this process's ends of its pipes.
private struct ChildFiles {
    /// By the child's number; -1 is closed.
    ///
    /// Each is above every target, so that one dup2(2) never overwrites another's source.
    var sources: [CInt]
    var readers: [CInt: ByteReader] = [:]
    var writers: [CInt: ByteWriter] = [:]
    /// Keeps the sources open until the child has its copies.
    private var owners: [OpenFile] = []

    /// Where no node can be made, as by an ordinary user, the machine's cannot be changed either.
    private static func ownNull() throws(SystemCallError) -> OpenFile {
        do throws(SystemCallError) {
            let memory = try DetachedMount.tmpfs(size: 1 << 16, opensDevices: true)
            let directory = RootedDirectory(directory: memory.file)
            try directory.createNode("null", SpecialFile(.characterDevice, major: 1, minor: 3), mode: 0o666)
            try directory.changeMode("null", 0o666)
            return try directory.open("null", .readWrite)
        } catch {
            let refusals: [Errno] = [.notPermitted, .permissionDenied, .noFunction]
            guard refusals.contains(error.errno) else { throw error }
            return try OpenFile.open("/dev/null", .readWrite)
        }
    }

    init(_ files: [CInt: ChildProcessConfiguration.File]) throws {
        let count = max(files.keys.max().map { $0 + 1 } ?? 0, 3)
        sources = [CInt](repeating: -1, count: Int(count))
        for target in 0..<count {
            guard let file = files[target] ?? (target < 3 ? .null : nil) else { continue }
            let source: OpenFile
            switch file {
            case .null:
                source = try OpenFile.open("/dev/null", .readWrite)
            case .ownNull:
                source = try Self.ownNull()
            case .inherited:
                source = OpenFile(
                    owning: try retryingSystemCall("fcntl") { slipway_duplicate_above(target, count) },
                    path: FilePath("/dev/fd/\(target)")
                )
            case .open(let file):
                source = file
            case .pipeFromChild:
                let pipe = try makePipe()
                readers[target] = try ByteReader(pipe.reading)
                source = pipe.writing
            case .pipeToChild:
                let pipe = try makePipe()
                writers[target] = try ByteWriter(pipe.writing)
                source = pipe.reading
            }
            let high = source.descriptor >= count ? source : try source.duplicate(above: count)
            owners.append(high)
            sources[Int(target)] = high.descriptor
        }
    }
}

/// The mounts of a child in the form the shim reads.
private final class MountSteps {
    let pointer: UnsafeMutablePointer<slipway_spawn_mount>
    let count: Int
    private let strings: [CStringArray]

    init(_ mounts: [ChildProcessConfiguration.Mount]) {
        count = mounts.count
        pointer = .allocate(capacity: max(mounts.count, 1))
        var strings: [CStringArray] = []
        for (index, mount) in mounts.enumerated() {
            let text = CStringArray([
                mount.source.bytes, mount.target.bytes, Array((mount.type ?? "").utf8),
                Array((mount.options ?? "").utf8),
            ])
            var step = slipway_spawn_mount()
            step.source = UnsafePointer(text.pointer[0])
            step.target = UnsafePointer(text.pointer[1])
            step.type = mount.type == nil ? nil : UnsafePointer(text.pointer[2])
            step.flags = mount.flags.rawValue
            step.options = mount.options == nil ? nil : UnsafePointer(text.pointer[3])
            pointer.advanced(by: index).initialize(to: step)
            strings.append(text)
        }
        self.strings = strings
    }

    deinit { pointer.deallocate() }
}

private func withOptionalPlatformString<Value>(_ path: FilePath?, _ body: (UnsafePointer<CChar>?) -> Value) -> Value {
    guard let path else { return body(nil) }
    return path.withPlatformString { body($0) }
}
