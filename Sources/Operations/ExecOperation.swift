import BuildGraph
import Glibc
import LLB
import LinuxSystem
import OCI
import Sandboxes
import Snapshots
import Storage
import SystemPackage

/// Runs a process on file trees: the step of a RUN instruction.
struct ExecOperation: VertexOperation {
    let exec: Exec
    let platform: OCI.Platform?
    /// The node's inputs, in the order of the vertex's.
    let inputs: [LLB.Output]
    let environment: OperationEnvironment

    /// How many results the node has.
    private var outputCount: Int { (exec.mounts.compactMap(\.output).max() ?? -1) + 1 }

    // MARK: Key

    func cacheMap(_ context: OperationContext) async throws -> CacheMap<BuildOutput> {
        CacheMap(components: ExecKey(exec, inputs: inputs, platform: platform).components, inputs: inputs.map(key))
    }

    /// A tree of which nothing is kept counts by what of it can be seen, whoever made it; one that is changed, and the root, by the step
    /// that made it: content of the root would have to be read as a whole.
    private func key(_ input: LLB.Output) -> InputKey<BuildOutput> {
        let mounts = exec.mounts.filter { $0.input == input }
        let isRead = mounts.allSatisfy {
            $0.kind == .bind && $0.output == nil && $0.contentCache != .off
                && ($0.contentCache == .on || !$0.destination.elementsEqual("/".utf8))
        }
        guard isRead else { return .definition }
        let selections = mounts.map { mount in
            var selection = Selection(path: mount.selector.isEmpty ? [UInt8(ascii: "/")] : mount.selector)
            selection.followsLinks = true
            selection.takesDirectoryContents = true
            return selection
        }
        let selector = Array(mounts.map(\.selector).joined(separator: [0]))
        return .content(selector: selector) { [environment] output, _ in
            try await environment.contentKey(of: output, selections)
        }
    }

    // MARK: Running

    func run(_ inputs: [BuildOutput], _ context: OperationContext) async throws -> [BuildOutput] {
        guard let root = exec.mounts.first(where: { $0.destination.elementsEqual("/".utf8) }) else {
            throw OperationError.unsupported("a step without a root file system cannot run")
        }
        let others = exec.mounts.filter { $0 != root }
        let run = ExecRun(operation: self, inputs: inputs, context: context)
        var outputs: [Int: BuildOutput] = [:]
        let tree = try run.tree(of: root)
        if let index = root.output {
            let (more, layer) = try await environment.snapshots.withActiveSnapshot(on: tree) { active in
                try await run.mount(others[...], [], root: active.root)
            }
            outputs = more
            outputs[index] = .tree(tree.adding(layer))
        } else if root.isReadOnly {
            outputs = try await environment.snapshots.withMounted(tree) { path in
                try await run.mount(others[...], [], root: path)
            }
        } else {
            outputs = try await environment.snapshots.withDiscardedSnapshot(on: tree) { active in
                try await run.mount(others[...], [], root: active.root)
            }
        }
        return try (0..<outputCount).map { index in
            guard let output = outputs[index] else {
                throw OperationError.unsupported("result \(index) of the step is the result of none of its mounts")
            }
            return output
        }
    }
}

/// One run of a process: its mounts are taken one inside the scope of the other.
private struct ExecRun: Sendable {
    let operation: ExecOperation
    let inputs: [BuildOutput]
    let context: OperationContext

    private var environment: OperationEnvironment { operation.environment }
    private var exec: Exec { operation.exec }

    func tree(of mount: Mount) throws -> FileTree {
        guard let input = mount.input else { return .empty }
        guard let position = operation.inputs.firstIndex(of: input), position < inputs.count else { return .empty }
        switch inputs[position] {
        case .tree(let tree): return tree
        case .directory:
            throw OperationError.unsupported("the build context cannot be written to or run in; COPY from it")
        }
    }

    /// Takes the mounts that are left, runs the process, and gives the outputs of the mounts.
    func mount(
        _ mounts: ArraySlice<Mount>,
        _ taken: [SandboxConfiguration.Mount],
        root: FilePath
    ) async throws -> [Int: BuildOutput] {
        guard let mount = mounts.first else {
            try await runProcess(root: root, taken)
            return [:]
        }
        let rest = mounts.dropFirst()
        let target = FilePath(bytes: mount.destination)
        func go(_ source: SandboxConfiguration.Mount.Source) async throws -> [Int: BuildOutput] {
            let next = SandboxConfiguration.Mount(source, at: target, isReadOnly: mount.isReadOnly)
            return try await self.mount(rest, taken + [next], root: root)
        }
        switch mount.kind {
        case .temporary(let size):
            return try await go(.tmpfs(size: size > 0 ? size : nil, mode: 0o1777))
        case .cache(let id, let sharing):
            return try await environment.cacheMounts.withDirectory(
                id: id,
                sharing: sharing,
                seed: seed(of: mount),
                selector: mount.selector
            ) { try await go(.bind($0)) }
        case .bind:
            return try await bind(mount, go)
        case .secret, .ssh:
            throw OperationError.unsupported(
                "mounts of type secret and ssh are not supported by this version of Slipway"
            )
        }
    }

    /// What a new cache directory starts with; nil for nothing.
    private func seed(of mount: Mount) throws -> FileTree? { mount.input == nil ? nil : try tree(of: mount) }

    private func bind(
        _ mount: Mount,
        _ go: (SandboxConfiguration.Mount.Source) async throws -> [Int: BuildOutput]
    ) async throws -> [Int: BuildOutput] {
        if let input = mount.input, let position = operation.inputs.firstIndex(of: input),
            case .directory(let directory) = inputs[position]
        {
            // The context is read in place by everything else; a process must see only what is not ignored, and cannot
            // be kept from writing other than by giving it a copy.
            return try await environment.snapshots.withDiscardedSnapshot(on: .empty) { active in
                try await environment.copyAll(of: directory, to: active.root)
                return try await withSelected(mount.selector, of: active.root, go)
            }
        }
        let tree = try tree(of: mount)
        if let index = mount.output {
            let (outputs, layer) = try await environment.snapshots.withActiveSnapshot(on: tree) { active in
                try await withSelected(mount.selector, of: active.root, go)
            }
            return outputs.merging([index: .tree(tree.adding(layer))]) { $1 }
        }
        if mount.isReadOnly {
            return try await environment.snapshots.withMounted(tree) {
                try await withSelected(mount.selector, of: $0, go)
            }
        }
        return try await environment.snapshots.withDiscardedSnapshot(on: tree) { active in
            try await withSelected(mount.selector, of: active.root, go)
        }
    }

    /// Lends the part of a directory that a selector names as a mount of its own, found by the kernel below that root.
    private func withSelected(
        _ selector: [UInt8],
        of root: FilePath,
        _ go: (SandboxConfiguration.Mount.Source) async throws -> [Int: BuildOutput]
    ) async throws -> [Int: BuildOutput] {
        if rootedPath(selector).isEmpty { return try await go(.bind(root)) }
        let point = try await onBlockingPool { [store = environment.store] in
            let tree = try RootedDirectory(root)
            let selected: OpenFile
            do throws(SystemCallError) {
                selected = try tree.open(FilePath(bytes: selector), O_PATH)
            } catch {
                guard error.errno == .noSuchFileOrDirectory else { throw error }
                throw OperationError.notFound(
                    path: [UInt8(ascii: "/")] + rootedPath(selector),
                    in: Array("mount".utf8),
                    hint: nil
                )
            }
            let point = try store.mountPoint()
            var target = point
            if try selected.status().type != .directory {
                target = point.appending("file")
                _ = try OpenFile.open(target, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
            }
            try DetachedMount.bind(selected).attach(at: target)
            return (point: point, target: target)
        }
        let result: Result<[Int: BuildOutput], any Error>
        do { result = .success(try await go(.bind(point.target))) } catch { result = .failure(error) }
        try await onBlockingPool {
            try unmount(point.target, lazy: true)
            try removeTree(point.point)
        }
        return try result.get()
    }

    // MARK: The process

    private func runProcess(root: FilePath, _ mounts: [SandboxConfiguration.Mount]) async throws {
        let obstacle = try await obstacle()
        let process = exec.process
        var configuration = SandboxConfiguration(root: root, arguments: process.arguments)
        configuration.environment = process.environment + proxyVariables
        configuration.workingDirectory = process.directory.isEmpty ? "/" : FilePath(bytes: process.directory)
        configuration.user = process.user
        configuration.hostname = process.hostname.isEmpty ? Array("buildkitsandbox".utf8) : process.hostname
        configuration.mounts = mounts
        configuration.hosts = process.extraHosts.map {
            (String(decoding: $0.host, as: UTF8.self), String(decoding: $0.address, as: UTF8.self))
        }
        configuration.resourceLimits = process.limits.map { limit in
            SandboxConfiguration.ResourceLimit(
                name: "RLIMIT_" + String(decoding: limit.name, as: UTF8.self).uppercased(),
                soft: limit.soft < 0 ? .max : UInt64(limit.soft),
                hard: limit.hard < 0 ? .max : UInt64(limit.hard)
            )
        }
        configuration.network = exec.network == .none ? .none : .host
        if exec.security == .insecure {
            throw OperationError.unsupported("steps without confinement are not supported by this version of Slipway")
        }
        let status: ExitStatus
        do {
            status = try await environment.sandboxes.run(configuration) { [context] stream, bytes in
                await context.log(bytes, stream: stream == 2 ? .error : .output)
            }
        } catch let error as SandboxError {
            switch error {
            case .programNotExecutable where obstacle != nil: throw obstacle ?? error
            case .programNotFound, .programNotExecutable:
                throw OperationError.processFailed(
                    arguments: process.arguments,
                    exitCode: error.exitCode,
                    reason: "\(error)"
                )
            default: throw error
            }
        }
        try Task.checkCancellation()
        let code = status.shellCode
        let accepted = process.validExitCodes.isEmpty ? [0] : process.validExitCodes
        guard accepted.contains(code) else {
            throw OperationError.processFailed(arguments: process.arguments, exitCode: code, reason: nil)
        }
    }

    /// What may keep a step for another platform from running.
    /// - Throws: the same where it surely will.
    private func obstacle() async throws -> SandboxError? {
        let machine = OCI.Platform.current
        let platform = operation.platform ?? machine
        let emulation = Emulation(machine: machine.architecture)
        let answer = try await onBlockingPool {
            try emulation.answer(os: platform.os, architecture: platform.architecture)
        }
        func error(_ reason: String) -> SandboxError {
            .foreignPlatform(
                "\(platform)",
                machine: "\(machine)",
                reason: reason
                    + "; or let this machine's programs do the work, in a stage FROM --platform=$BUILDPLATFORM"
            )
        }
        switch answer {
        case .runs: return nil
        case .uncertain(let reason): return error(reason)
        case .obstacle(let reason): throw error(reason)
        }
    }

    private var proxyVariables: [[UInt8]] {
        guard let proxy = exec.process.proxy else { return [] }
        let pairs = [
            ("HTTP_PROXY", proxy.http), ("HTTPS_PROXY", proxy.https), ("FTP_PROXY", proxy.ftp),
            ("NO_PROXY", proxy.none), ("ALL_PROXY", proxy.all),
        ]
        return pairs.filter { !$0.1.isEmpty }.flatMap { name, value in
            [Array("\(name)=".utf8) + value, Array("\(name.lowercased())=".utf8) + value]
        }
    }
}
