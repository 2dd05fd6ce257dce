import BuildGraph
import LLB
internal import Synchronization
import SystemPackage
internal import Text

/// What a process saw of directories of the client: the files of each mount, which are a copy made for it.
final class SeenDirectories: Sendable {
    private struct Input {
        let directory: LocalDirectory
        /// By the destinations of the mounts.
        var mounts: [[UInt8]: [ContentItem]] = [:]
    }

    private let state = Mutex<[Int: Input]>([:])

    fileprivate func note(_ items: [ContentItem], of directory: LocalDirectory, input: Int, _ mount: Mount) {
        state.withLock { $0[input, default: Input(directory: directory)].mounts[mount.destination] = items }
    }

    /// By the numbers of the inputs.
    fileprivate var inputs: [Int: (directory: LocalDirectory, mounts: [[UInt8]: [ContentItem]])] {
        state.withLock { $0.mapValues { ($0.directory, $0.mounts) } }
    }
}

extension Selection {
    /// What a mount uses of its source.
    init(_ mount: Mount) {
        self.init(path: mount.selector.isEmpty ? "/" : mount.selector)
        followsLinks = true
        takesDirectoryContents = true
    }
}

extension ExecRun {
    /// Copies a directory of the client for a mount, and notes what the copy has.
    func copy(_ directory: LocalDirectory, to root: FilePath, input: Int, _ mount: Mount) async throws {
        let selection = Selection(mount)
        guard rootedPath(selection.path).isEmpty else {
            try await environment.copyAll(of: directory, to: root, CopyRecord())
            let items = try await environment.items(of: selection, inCopy: root, of: directory)
            return seen.note(items, of: directory, input: input, mount)
        }
        let observed = observed(input)
        let place = mounts(of: input).firstIndex(of: mount)
        let items = place.flatMap { observed?.selections.indices.contains($0) == true ? observed?.selections[$0] : nil }
        let record = CopyRecord(expecting: items ?? [], settled: observed?.settled ?? 0)
        try await environment.copyAll(of: directory, to: root, record)
        seen.note(record.isAsExpected ? items ?? [] : record.items, of: directory, input: input, mount)
    }

    /// Tells the solver where the process saw other files than its key was computed of.
    func correctKeys() {
        for (input, (directory, mounts)) in seen.inputs {
            let key = ContentKey(of: self.mounts(of: input).map { mounts[$0.destination] ?? [] }, in: directory.tree)
            if key.digest != observed(input)?.key { context.correct(key, ofInput: input) }
        }
    }

    private func observed(_ input: Int) -> ObservedFiles? {
        environment.observations.files(at: Observations.Place(vertex: context.vertex, input: input))
    }

    private func mounts(of input: Int) -> [Mount] {
        exec.mounts.filter { $0.input == operation.inputs[input] }
    }
}
