import Archive
import BuildGraph
import LLB
import LinuxSystem
import OCI
import Sandboxes
import Snapshots
import Storage
import SystemPackage
import Tasks
internal import Text

/// Changes files without running anything: the step of COPY, ADD and WORKDIR instructions.
struct FileOperation: VertexOperation {
    let actions: [FileAction]
    /// The node's inputs, in the order of the vertex's.
    let inputs: [LLB.Output]
    let environment: OperationEnvironment

    // MARK: Key

    func cacheMap(_ context: OperationContext) async throws -> CacheMap<BuildOutput> {
        let keys = inputs.enumerated().map { key($1, number: $0) }
        return CacheMap(components: FileKey(actions, inputs: inputs).components, inputs: keys)
    }

    /// What is only copied from counts by exactly the files that are copied; what is changed by the step that made it.
    private func key(_ input: LLB.Output, number: Int) -> InputKey<BuildOutput> {
        var selections: [Selection] = []
        for action in actions {
            if action.base == .output(input) { return .definition }
            for case .named(_, .output(input)) in [action.change.owner?.user, action.change.owner?.group] {
                return .definition
            }
            if case .copy(let copy, .output(input)) = action.change { selections.append(Selection(copy)) }
        }
        let used = selections
        let selector = Array(used.map(\.path).joined(separator: [0]))
        return .content(selector: selector) { [environment] output, context in
            let place = Observations.Place(vertex: context.vertex, input: number)
            do {
                return try await environment.contentKey(of: output, used, at: place)
            } catch OperationError.notFound(let path, _, _) where output.tree == .empty {
                // As BuildKit says it, which has no checksums of nothing.
                throw OperationError.notFoundWhileCopying(path: path, hint: nil)
            }
        }
    }

    // MARK: Running

    /// What actions can work on: the inputs, and what earlier actions made.
    private struct Trees {
        let inputs: [BuildOutput]
        /// By the numbers of the actions.
        var made: [Int: BuildOutput] = [:]
    }

    func run(_ inputs: [BuildOutput], _ context: OperationContext) async throws -> [BuildOutput] {
        var trees = Trees(inputs: inputs)
        let records = CopyRecords(of: self, inputs, context)
        for group in groups {
            guard let first = group.first, let last = group.last else { continue }
            let base = try tree(of: actions[first].base, trees)
            let made: Made
            do {
                made = try await make(group, on: base, trees, records, context)
            } catch is ArchiveUnpacker.ArchiveChanged {
                made = try await withScratch { scratch in
                    try await make(group, on: base, trees, records.again(in: scratch), context)
                }
            }
            trees.made[last] = .tree(base.adding(made.layer))
            if let failure = made.failure { throw failedStep(failure, trees, in: group) }
        }
        records.correct(context)
        var outputs: [Int: BuildOutput] = [:]
        for (index, action) in actions.enumerated() {
            if let number = action.output { outputs[number] = trees.made[index] }
        }
        return try (0..<outputs.count).map { index in
            guard let output = outputs[index] else {
                throw OperationError.unsupported("a file operation has a result whose number skips others")
            }
            return output
        }
    }

    /// An action that could not be carried out.
    private struct Failure: Sendable {
        let action: Int
        let error: any Error
    }

    /// What actions have changed.
    private struct Made: Sendable {
        let layer: LayerID
        /// Why some of them have changed nothing; nil if all have been carried out.
        let failure: Failure?
    }

    /// Carries out actions one after the other.
    /// - Throws: what an action throws, unless it is kept for a client to look into.
    private func make(
        _ group: [Int],
        on base: FileTree,
        _ trees: Trees,
        _ records: CopyRecords,
        _ context: OperationContext
    ) async throws -> Made {
        let (failure, layer) = try await environment.snapshots.withActiveSnapshot(on: base) { active -> Failure? in
            for index in group {
                records.of[index]?.reset()
                do {
                    try await carryOut(index, on: active.root, trees, records, context)
                } catch {
                    let isFinal = !(error is CancellationError || error is ArchiveUnpacker.ArchiveChanged)
                    guard environment.keepsRemains, isFinal else { throw error }
                    return Failure(action: index, error: error)
                }
            }
            return nil
        }
        return Made(layer: layer, failure: failure)
    }

    /// What a client may look into: the inputs, and the tree as each action left it that has begun.
    private func failedStep(_ failure: Failure, _ trees: Trees, in group: [Int]) -> FailedStep {
        let unfinished = group.last.flatMap { trees.made[$0]?.tree }
        return FailedStep(
            error: failure.error,
            subject: .action(failure.action),
            inputs: trees.inputs.map(\.tree),
            mounts: actions.indices.map { index in
                if group.contains(index) { return index <= failure.action ? unfinished : nil }
                return trees.made[index]?.tree
            }
        )
    }

    /// Lends a directory of the store.
    private func withScratch<Value>(_ body: (FilePath) async throws -> Value) async throws -> Value {
        let scratch = try await onBlockingPool { [store = environment.store] in try store.temporaryDirectory() }
        return try await withCleanUp {
            try await body(scratch)
        } finally: {
            try await onBlockingPool { try removeTree(scratch) }
        }
    }

    /// Actions that change one tree after the other, none of whose results in between is used by anything else.
    private var groups: [[Int]] {
        var needed: Set<Int> = []
        for (index, action) in actions.enumerated() {
            if action.output != nil { needed.insert(index) }
            if case .copy(_, .action(let source)) = action.change { needed.insert(source) }
            for case .named(_, .action(let source)) in [action.change.owner?.user, action.change.owner?.group] {
                // Looked up in the tree as it is when the action runs, which is the group's own.
                if action.base != .action(source) { needed.insert(source) }
            }
            if case .action(let base) = action.base, base != index - 1 { needed.insert(base) }
        }
        var groups: [[Int]] = []
        for (index, action) in actions.enumerated() {
            if index > 0, action.base == .action(index - 1), !needed.contains(index - 1) {
                groups[groups.count - 1].append(index)
            } else {
                groups.append([index])
            }
        }
        return groups
    }

    private func output(of input: FileInput, _ trees: Trees) throws -> BuildOutput {
        switch input {
        case .scratch: return .tree(.empty)
        case .action(let index):
            guard let output = trees.made[index] else {
                throw OperationError.unsupported("a file action uses a later one")
            }
            return output
        case .output(let output):
            guard let position = inputs.firstIndex(of: output), position < trees.inputs.count else {
                throw OperationError.unsupported("a file action uses an input that its step does not have")
            }
            return trees.inputs[position]
        }
    }

    private func tree(of input: FileInput, _ trees: Trees) throws -> FileTree {
        switch try output(of: input, trees) {
        case .tree(let tree): return tree
        case .directory:
            throw OperationError.unsupported("the build context cannot be changed; copy from it into a stage")
        }
    }

    private func carryOut(
        _ index: Int,
        on path: FilePath,
        _ trees: Trees,
        _ records: CopyRecords,
        _ context: OperationContext
    ) async throws {
        let action = actions[index]
        let root = try await onBlockingPool { try RootedDirectory(path) }
        let owner = try await owner(of: action, in: root, trees)
        let changes = TreeChanges(root: root)
        switch action.change {
        case .makeFile(let creation): try await onBlockingPool { try changes.makeFile(creation, owner: owner) }
        case .makeDirectory(let creation):
            try await onBlockingPool { try changes.makeDirectory(creation, owner: owner) }
        case .symbolicLink(let creation):
            try await onBlockingPool { try changes.makeSymbolicLink(creation, owner: owner) }
        case .remove(let removal): try await onBlockingPool { try changes.remove(removal) }
        case .copy(let copy, let from):
            do {
                let compares = !isCompared(from, context)
                try await environment.withSource(try output(of: from, trees), comparing: compares) { source in
                    try await self.copy(copy, from: source.recording(records.of[index]), to: root, owner, records)
                }
            } catch OperationError.notFound(let path, _, let hint) where !isKeyedByContent(from) {
                throw OperationError.notFoundWhileCopying(path: path, hint: hint)
            }
        }
    }

    /// Whether the step is keyed by the files that it uses of an input, so that they are known to be there.
    private func isKeyedByContent(_ input: FileInput) -> Bool {
        guard case .output(let output) = input, let number = inputs.firstIndex(of: output) else { return false }
        if case .content = key(output, number: number) { return true }
        return false
    }

    /// Whether the files that are copied of an input were compared with what their layers had, when they were read for the key.
    private func isCompared(_ input: FileInput, _ context: OperationContext) -> Bool {
        guard case .output(let output) = input, let number = inputs.firstIndex(of: output) else { return false }
        return environment.observations.isCompared(Observations.Place(vertex: context.vertex, input: number))
    }

    private func copy(
        _ copy: FileCopy,
        from source: SourceTree,
        to root: RootedDirectory,
        _ owner: NumericOwner?,
        _ records: CopyRecords
    ) async throws {
        try await onCancellablePool { isCancelled in
            let copier = try FileCopier(copy, from: source, to: root, owner: owner) {
                if isCancelled() { throw CancellationError() }
            }
            let unpacker = ArchiveUnpacker(
                source: source,
                destination: root,
                owner: owner,
                scratch: records.scratch
            )
            _ = try copier.run(unpack: unpacker.unpack)
        }
    }

    /// The numbers of an owner; a user without a group brings the user's own group, a number without one the same number.
    ///
    /// A name that the tree does not know is root's, as it is for BuildKit.
    private func owner(
        of action: FileAction,
        in root: RootedDirectory,
        _ trees: Trees
    ) async throws -> NumericOwner? {
        guard let owner = action.change.owner else { return nil }
        /// Names are looked up in the tree that they are of: usually the one that is changed.
        func users(of input: FileInput) async throws -> UserDatabase {
            if input == action.base { return try await onBlockingPool { try UserDatabase(root: root) } }
            return try await environment.withSource(try output(of: input, trees)) { source in
                try await onBlockingPool { try UserDatabase(root: source.root) }
            }
        }
        var numbers = NumericOwner(user: 0, group: 0)
        switch owner.user {
        case .id(let id)?: numbers = NumericOwner(user: id, group: id)
        case .named(let name, let input)?: numbers = try Self.user(name, in: await users(of: input))
        case nil: break
        }
        switch owner.group {
        case .id(let id)?: numbers.group = id
        case .named(let name, let input)?:
            do {
                numbers.group = try await users(of: input).group(name)
            } catch SandboxError.groupNotFound {
                // The group that the user brought stays.
            }
        case nil: break
        }
        return numbers
    }

    private static func user(_ name: [UInt8], in users: UserDatabase) throws -> NumericOwner {
        do {
            let user = try users.user(name)
            return NumericOwner(user: user.userID, group: user.groupID)
        } catch SandboxError.userNotFound {
            return NumericOwner(user: 0, group: 0)
        }
    }
}

/// What the copies of one operation have copied of directories that may change, by the numbers of the actions.
private struct CopyRecords: Sendable {
    struct Source: Sendable {
        let input: Int
        let tree: SourceTree
        let key: Digest?
        /// In their order.
        var actions: [Int] = []
    }

    private(set) var of: [Int: CopyRecord] = [:]
    /// Where archives are copied to first.
    private(set) var scratch: FilePath?
    private var sources: [Source] = []

    init(of operation: FileOperation, _ inputs: [BuildOutput], _ context: OperationContext) {
        for (input, output) in operation.inputs.enumerated() where input < inputs.count {
            guard case .directory(let directory) = inputs[input] else { continue }
            let place = Observations.Place(vertex: context.vertex, input: input)
            let observed = operation.environment.observations.files(at: place)
            var source = Source(input: input, tree: directory.tree, key: observed?.key)
            for (index, action) in operation.actions.enumerated() {
                guard case .copy(_, .output(output)) = action.change else { continue }
                let number = source.actions.count
                let selections = observed?.selections ?? []
                let items = number < selections.count ? selections[number] : []
                of[index] = CopyRecord(expecting: items, settled: observed?.settled ?? 0)
                source.actions.append(index)
            }
            sources.append(source)
        }
    }

    /// The same records for copies that are made again.
    func again(in scratch: FilePath) -> CopyRecords {
        var records = self
        records.scratch = scratch
        return records
    }

    /// Tells the solver which inputs were not what the key was computed of.
    func correct(_ context: OperationContext) {
        for source in sources {
            let copies = source.actions.compactMap { of[$0] }
            if copies.allSatisfy(\.isAsExpected) { continue }
            let key = ContentKey(of: copies.map(\.items), in: source.tree)
            if key.digest != source.key { context.correct(key, ofInput: source.input) }
        }
    }
}
