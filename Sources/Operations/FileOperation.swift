import Archive
import BuildGraph
import LLB
import LinuxSystem
import OCI
import Sandboxes
import Snapshots
import SystemPackage

/// Changes files without running anything: the step of COPY, ADD and WORKDIR instructions.
struct FileOperation: VertexOperation {
    let actions: [FileAction]
    /// The node's inputs, in the order of the vertex's.
    let inputs: [LLB.Output]
    let environment: OperationEnvironment

    // MARK: Key

    func cacheMap(_ context: OperationContext) async throws -> CacheMap<BuildOutput> {
        CacheMap(components: FileKey(actions, inputs: inputs).components, inputs: inputs.map(key))
    }

    /// What is only copied from counts by exactly the files that are copied; what is changed by the step that made it.
    private func key(_ input: LLB.Output) -> InputKey<BuildOutput> {
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
        return .content(selector: selector) { [environment] output, _ in
            try await environment.contentKey(of: output, used)
        }
    }

    // MARK: Running

    func run(_ inputs: [BuildOutput], _ context: OperationContext) async throws -> [BuildOutput] {
        var trees: [Int: BuildOutput] = [:]
        for group in groups {
            guard let first = group.first, let last = group.last else { continue }
            let base = try tree(of: actions[first].base, inputs, trees)
            let done = trees
            let (_, layer) = try await environment.snapshots.withActiveSnapshot(on: base) { active in
                for index in group { try await carryOut(actions[index], on: active.root, inputs, done) }
            }
            trees[last] = .tree(base.adding(layer))
        }
        var outputs: [Int: BuildOutput] = [:]
        for (index, action) in actions.enumerated() {
            if let number = action.output { outputs[number] = trees[index] }
        }
        return try (0..<outputs.count).map { index in
            guard let output = outputs[index] else {
                throw OperationError.unsupported("a file operation has a result of a number without those below it")
            }
            return output
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

    private func output(of input: FileInput, _ inputs: [BuildOutput], _ done: [Int: BuildOutput]) throws -> BuildOutput
    {
        switch input {
        case .scratch: return .tree(.empty)
        case .action(let index):
            guard let output = done[index] else { throw OperationError.unsupported("a file action uses a later one") }
            return output
        case .output(let output):
            guard let position = self.inputs.firstIndex(of: output), position < inputs.count else {
                throw OperationError.unsupported("a file action uses an input that the step does not have")
            }
            return inputs[position]
        }
    }

    private func tree(of input: FileInput, _ inputs: [BuildOutput], _ done: [Int: BuildOutput]) throws -> FileTree {
        switch try output(of: input, inputs, done) {
        case .tree(let tree): return tree
        case .directory:
            throw OperationError.unsupported("the build context cannot be changed; copy from it into a stage")
        }
    }

    private func carryOut(
        _ action: FileAction,
        on path: FilePath,
        _ inputs: [BuildOutput],
        _ done: [Int: BuildOutput]
    ) async throws {
        let root = try await onBlockingPool { try RootedDirectory(path) }
        let owner = try await owner(of: action, in: root, inputs, done)
        let changes = TreeChanges(root: root)
        switch action.change {
        case .makeFile(let creation): try await onBlockingPool { try changes.makeFile(creation, owner: owner) }
        case .makeDirectory(let creation):
            try await onBlockingPool { try changes.makeDirectory(creation, owner: owner) }
        case .symbolicLink(let creation):
            try await onBlockingPool { try changes.makeSymbolicLink(creation, owner: owner) }
        case .remove(let removal): try await onBlockingPool { try changes.remove(removal) }
        case .copy(let copy, let from):
            try await environment.withSource(try output(of: from, inputs, done)) { source in
                try await onCancellablePool { isCancelled in
                    let copier = try FileCopier(copy, from: source, to: root, owner: owner) {
                        if isCancelled() { throw CancellationError() }
                    }
                    let unpacker = ArchiveUnpacker(source: source, destination: root, owner: owner)
                    _ = try copier.run(unpack: unpacker.unpack)
                }
            }
        }
    }

    /// The numbers of an owner; a user without a group brings the user's own group, a number without one the same number.
    ///
    /// A name that the tree does not know is root's, as it is for BuildKit.
    private func owner(
        of action: FileAction,
        in root: RootedDirectory,
        _ inputs: [BuildOutput],
        _ done: [Int: BuildOutput]
    ) async throws -> NumericOwner? {
        guard let owner = action.change.owner else { return nil }
        /// Names are looked up in the tree that they are of: usually the one that is changed.
        func users(of input: FileInput) async throws -> UserDatabase {
            if input == action.base { return try await onBlockingPool { try UserDatabase(root: root) } }
            return try await environment.withSource(try output(of: input, inputs, done)) { source in
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
