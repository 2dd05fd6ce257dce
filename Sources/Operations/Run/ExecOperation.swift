import BuildGraph
import ClientServices
import LLB
import LinuxSystem
import OCI
import Sandboxes
import Snapshots
import Storage
import SystemPackage
import Tasks
internal import Text

/// Runs a process on file trees: the step of a RUN instruction.
struct ExecOperation: VertexOperation {
    let exec: Exec
    let platform: OCI.Platform?
    /// How much the process may take; it decides whether a step succeeds, not what it makes, and is in no key.
    let resources: LLB.Resources?
    /// The node's inputs, in the order of the vertex's.
    let inputs: [LLB.Output]
    let environment: OperationEnvironment

    /// How many results the node has.
    private var outputCount: Int { (exec.mounts.compactMap(\.output).max() ?? -1) + 1 }

    // MARK: Key

    func cacheMap(_ context: OperationContext) async throws -> CacheMap<BuildOutput> {
        let keys = inputs.enumerated().map { key($1, number: $0) }
        return CacheMap(components: ExecKey(exec, inputs: inputs, platform: platform).components, inputs: keys)
    }

    /// A tree of which nothing is kept counts by what of it can be seen, whoever made it; one that is changed, and the root, by the step
    /// that made it: content of the root would have to be read as a whole.
    private func key(_ input: LLB.Output, number: Int) -> InputKey<BuildOutput> {
        let mounts = exec.mounts.filter { $0.input == input }
        let isRead = mounts.allSatisfy {
            $0.kind == .bind && $0.output == nil && $0.contentCache != .off
                && ($0.contentCache == .on || $0.destination != "/")
        }
        guard isRead else { return .definition }
        let selections = mounts.map(Selection.init)
        let selector = Array(mounts.map(\.selector).joined(separator: [0]))
        return .content(selector: selector) { [environment] output, context in
            let place = Observations.Place(vertex: context.vertex, input: number)
            do {
                return try await environment.contentKey(of: output, selections, at: place)
            } catch let error as OperationError {
                guard environment.keepsRemains, let tree = output.tree else { throw error }
                let mount = exec.mounts.firstIndex { $0.input == input } ?? 0
                throw FailedStep(error: error, subject: .content(input: mount), inputs: [tree], mounts: [])
            }
        }
    }

    // MARK: Running

    func run(_ inputs: [BuildOutput], _ context: OperationContext) async throws -> [BuildOutput] {
        guard let root = exec.mounts.first(where: { $0.destination == "/" }) else {
            throw OperationError.unsupported("a step without a root file system cannot run")
        }
        return try await environment.networks.withNetwork(for: exec.network, context) { network in
            var run = ExecRun(operation: self, inputs: inputs, context: context, network: network) {
                try await $0.runProcess(root: $1, $2)
            }
            if environment.keepsRemains { run.remains = Remains() }
            let outputs = try await self.run(run, in: root)
            if let error = run.remains?.error { throw failedStep(error, run, outputs) }
            run.correctKeys()
            return outputs
        }
    }

    /// What a client may look into.
    private func failedStep(_ error: any Error, _ run: ExecRun, _ outputs: [BuildOutput]) -> FailedStep {
        let inputs = exec.mounts.map { $0.input == nil ? nil : try? run.tree(of: $0) }
        let mounts = zip(exec.mounts, inputs).map { mount, input in
            if let output = mount.output, outputs.indices.contains(output) { return outputs[output].tree }
            return run.remains?.tree(of: mount) ?? input
        }
        return FailedStep(error: error, subject: .process, inputs: inputs, mounts: mounts)
    }

    private func run(_ run: ExecRun, in root: Mount) async throws -> [BuildOutput] {
        let others = exec.mounts.filter { $0 != root }
        var outputs: [Int: BuildOutput] = [:]
        let tree = try run.tree(of: root)
        if let index = root.output {
            let (more, layer) = try await environment.snapshots.withActiveSnapshot(on: tree) { active in
                try await run.mount(others, root: active)
            }
            outputs = more
            outputs[index] = .tree(tree.adding(layer))
        } else {
            // Also where the process may not write: the places of its mounts are made.
            outputs = try await run.withPassingSnapshot(on: tree, of: root) { active in
                try await run.mount(others, root: active)
            }
        }
        return try (0..<outputCount).map { index in
            guard let output = outputs[index] else {
                throw OperationError.unsupported("no mount of the step gives its result \(index)")
            }
            return output
        }
    }
}

/// One run of a process: its mounts are taken one inside the scope of the other.
struct ExecRun: Sendable {
    let operation: ExecOperation
    let inputs: [BuildOutput]
    let context: OperationContext
    let network: StepNetwork
    /// What is done when all mounts are there.
    let whenMounted: @Sendable (ExecRun, _ root: ActiveSnapshot, [SandboxConfiguration.Mount]) async throws -> Void
    /// What the process saw of directories of the client.
    let seen = SeenDirectories()
    private let takenCaches = CacheMounts.Taken()
    /// What it leaves where it fails; nil where no client would look into it.
    var remains: Remains?

    var environment: OperationEnvironment { operation.environment }
    var exec: Exec { operation.exec }

    func tree(of mount: Mount) throws -> FileTree {
        guard let input = mount.input else { return .empty }
        guard let position = operation.inputs.firstIndex(of: input), position < inputs.count else { return .empty }
        switch inputs[position] {
        case .tree(let tree): return tree
        case .directory:
            throw OperationError.unsupported("the build context cannot be changed or run in; COPY from it")
        }
    }

    /// Takes all mounts, runs the process, and gives the outputs of the mounts.
    func mount(_ mounts: [Mount], root: ActiveSnapshot) async throws -> [Int: BuildOutput] {
        // Caches first and in one order for all steps: of two that wait for each other's, neither would ever run.
        let caches = mounts.enumerated().compactMap { mount -> (id: [UInt8], mount: NumberedMount)? in
            if case .cache(let id, _) = mount.element.kind { (id, mount) } else { nil }
        }
        let others = mounts.enumerated().filter { if case .cache = $0.element.kind { false } else { true } }
        let ordered = caches.sorted { $0.id.lexicographicallyPrecedes($1.id) }.map(\.mount) + others
        return try await mount(ordered[...], [:], root: root)
    }

    private typealias NumberedMount = EnumeratedSequence<[Mount]>.Element

    /// Takes the mounts that are left, runs the process, and gives the outputs of the mounts.
    /// - Parameters:
    ///   - mounts: what is left, with the numbers by which mounts come one after the other.
    ///   - taken: what is there, by the same numbers.
    ///   - root: the files of the process.
    /// - Returns: the outputs by their numbers.
    /// - Throws: what taking the mounts, or running the process, throws.
    private func mount(
        _ mounts: ArraySlice<NumberedMount>,
        _ taken: [Int: SandboxConfiguration.Mount],
        root: ActiveSnapshot
    ) async throws -> [Int: BuildOutput] {
        guard let (number, mount) = mounts.first else {
            do {
                try await whenMounted(self, root, taken.sorted { $0.key < $1.key }.map(\.value))
            } catch let error as OperationError {
                // The mounts are kept as they are now.
                guard let remains else { throw error }
                remains.fail(error)
            }
            return [:]
        }
        let rest = mounts.dropFirst()
        // As docker takes it: a relative target is one below the step's directory.
        let target = FilePath(bytes: "/" + exec.process.directory).pushing(
            FilePath(bytes: mount.destination)
        )
        func go(_ source: SandboxConfiguration.Mount.Source) async throws -> [Int: BuildOutput] {
            let next = SandboxConfiguration.Mount(source, at: target, isReadOnly: mount.isReadOnly)
            return try await self.mount(rest, taken.merging([number: next]) { $1 }, root: root)
        }
        switch mount.kind {
        case .temporary(let size):
            return try await go(.tmpfs(size: size > 0 ? size : nil, mode: nil))
        case .cache(let id, let sharing):
            let name = id.first == "/" ? Array(id.dropFirst()) : id
            let seed = try seed(of: mount)
            if let directory = takenCaches.directory(id: id, seed: seed) { return try await go(.bind(directory)) }
            return try await environment.cacheMounts.withDirectory(
                id: id,
                // What is put into the root of one step cannot be in that of another.
                sharing: sharing == .shared && !environment.canMount ? .locked : sharing,
                seed: seed,
                waits: { [context] in
                    let text = "waiting for another step to end that has the cache mount \(escapedForDisplay(name))\n"
                    await context.log(Array(text.utf8), stream: .error)
                }
            ) { directory in
                takenCaches.note(directory, id: id, seed: seed)
                return try await go(.bind(directory))
            }
        case .bind:
            return try await bind(mount, go)
        case .secret(let file):
            guard let secret = try await environment.client.secret(file.id, isOptional: file.isOptional) else {
                return try await self.mount(rest, taken, root: root)
            }
            return try await environment.withSecretFile(secret, file) { path in
                // As in BuildKit: what is given as a program is one.
                let options = ["nosuid", "nodev"] + (file.mode & 0o111 == 0 ? ["noexec"] : [])
                let next = SandboxConfiguration.Mount(.bind(path), at: target, isReadOnly: true, options: options)
                return try await self.mount(rest, taken.merging([number: next]) { $1 }, root: root)
            }
        case .ssh(let file):
            guard let agent = try await environment.client.agent(file.id, isOptional: file.isOptional) else {
                return try await self.mount(rest, taken, root: root)
            }
            return try await environment.withAgentSocket(agent, file) { try await go(.bind($0)) }
        }
    }

    /// What a new cache directory starts with; nil for nothing.
    private func seed(of mount: Mount) throws -> CacheMounts.Seed? {
        mount.input == nil ? nil : CacheMounts.Seed(tree: try tree(of: mount), path: mount.selector)
    }

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
                try await copy(directory, to: active.root, input: position, mount)
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
            return try await environment.snapshots.withMounted(tree) { root in
                guard environment.canMount else { return try await withCopy(of: mount.selector, of: root, go) }
                return try await withSelected(mount.selector, of: root, go)
            }
        }
        return try await withPassingSnapshot(on: tree, of: mount) { active in
            try await withSelected(mount.selector, of: active.root, go)
        }
    }

    /// Lends a writable view of a tree that is dropped in the end, unless the step has failed and is to be looked into.
    func withPassingSnapshot<Value>(
        on tree: FileTree,
        of mount: Mount,
        _ body: (ActiveSnapshot) async throws -> Value
    ) async throws -> Value {
        guard let remains else { return try await environment.snapshots.withDiscardedSnapshot(on: tree, body) }
        var value: Value?
        do {
            let (_, layer) = try await environment.snapshots.withActiveSnapshot(on: tree) { active in
                value = try await body(active)
                if remains.error == nil { throw PassingView() }
            }
            remains.note(tree.adding(layer), of: mount)
        } catch is PassingView {
            // It has done its work.
        }
        guard let value else { throw CancellationError() }
        return value
    }

    /// Lends the part of a directory that a selector names as a mount of its own, found by the kernel below that root.
    private func withSelected(
        _ selector: [UInt8],
        of root: FilePath,
        _ go: (SandboxConfiguration.Mount.Source) async throws -> [Int: BuildOutput]
    ) async throws -> [Int: BuildOutput] {
        if rootedPath(selector).isEmpty { return try await go(.bind(root)) }
        guard environment.canMount else { return try await go(.bind(try await place(of: selector, in: root))) }
        let point = try await onBlockingPool { [store = environment.store] in
            let selected = try selected(selector, of: root)
            let point = try store.mountPoint()
            var target = point
            if try selected.status().type != .directory {
                target = point.appending("file")
                _ = try OpenFile.open(target, [.writeOnly, .createNew], mode: 0o600)
            }
            try DetachedMount.bind(selected).attach(at: target)
            return (point: point, target: target)
        }
        return try await withCleanUp {
            try await go(.bind(point.target))
        } finally: {
            try await onBlockingPool {
                try unmount(point.target, lazy: true)
                try removeTree(point.point)
            }
        }
    }
}

/// A view that is not kept is discarded by this.
private struct PassingView: Error {}
