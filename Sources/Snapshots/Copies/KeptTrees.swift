import LinuxSystem
import Synchronization
import SystemPackage
import Tasks

/// Copied trees that steps have left, for the steps that follow: each is what its layers show, so that nothing is copied again.
///
/// Only for processes that end with their step, with certainty: another one that still had a file open would change what the next
/// step finds.
final class KeptTrees: Sendable {
    struct Tree: Sendable {
        /// The directory with the files, and what else belongs to it.
        let scratch: FilePath
        let imprint: TreeImprint
    }

    private struct State {
        var users = 0
        /// The longest unused first.
        var trees: [(of: FileTree, tree: Tree)] = []
    }

    /// Each is as large as all its layers.
    private static let most = 4

    private let state = Mutex(State())

    /// Takes a tree out; it belongs to the caller then.
    func take(_ tree: FileTree) -> Tree? {
        state.withLock { state in
            guard let index = state.trees.firstIndex(where: { $0.of == tree }) else { return nil }
            return state.trees.remove(at: index).tree
        }
    }

    /// Keeps a tree as long as some work may want it.
    /// - Returns: what is to be removed for it.
    func keep(_ tree: Tree, of layers: FileTree) -> FilePath? {
        state.withLock { state in
            guard state.users > 0 else { return tree.scratch }
            state.trees.append((layers, tree))
            return state.trees.count > Self.most ? state.trees.removeFirst().tree.scratch : nil
        }
    }

    func begin() { state.withLock { $0.users += 1 } }

    /// - Returns: what is to be removed.
    func end() -> [FilePath] {
        state.withLock { state in
            state.users -= 1
            guard state.users == 0 else { return [] }
            defer { state.trees = [] }
            return state.trees.map(\.tree.scratch)
        }
    }
}

extension SnapshotStore {
    /// Keeps copied trees for each other's use by the steps of a piece of work, as a build.
    package func whileKeepingTrees<Value>(_ body: () async throws -> Value) async throws -> Value {
        keptTrees.begin()
        return try await withCleanUp(body) {
            let left = keptTrees.end()
            try await onBlockingPool { for scratch in left { try removeTree(scratch) } }
        }
    }
}
