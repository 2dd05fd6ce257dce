import LLB
import LinuxSystem
package import Snapshots
import Synchronization

/// A step that failed, with the trees that a client may look into to find out why.
package struct FailedStep: CausedError, CustomStringConvertible {
    /// What of the step the trees belong to.
    package enum Subject: Hashable, Sendable {
        case process
        /// The content of an input, by the number of the mount that shows it.
        case content(input: Int)
        /// An action of a file operation, by its number.
        case action(Int)
    }

    package let error: any Error
    package let subject: Subject
    /// Those of a process by the numbers of its mounts, those of a file operation in their order; nil for an empty
    /// tree.
    package let inputs: [FileTree?]
    /// What the step left of the mounts, or what each action has made.
    package let mounts: [FileTree?]

    package var cause: (any Error)? { error }

    package var description: String { "\(error)" }
}

/// What a step leaves that fails, for those who want to look into it.
final class Remains: Sendable {
    private struct State {
        var error: (any Error)?
        var trees: [Mount: FileTree] = [:]
    }

    private let state = Mutex(State())

    var error: (any Error)? { state.withLock(\.error) }

    func fail(_ error: any Error) { state.withLock { $0.error = error } }

    func note(_ tree: FileTree, of mount: Mount) { state.withLock { $0.trees[mount] = tree } }

    func tree(of mount: Mount) -> FileTree? { state.withLock { $0.trees[mount] } }
}
