import LLB
import LinuxSystem
import Sandboxes
import Synchronization
import SystemPackage

/// What is seen of a step's process that may explain why it failed.
final class FailureWatch: Sendable {
    /// How much of the end of the output is looked at.
    private static let tailLimit = 8192

    private struct State {
        var tail: [UInt8] = []
        var outOfMemoryKills = 0
    }

    private let root: FilePath
    private let exec: Exec
    private let network: FailureEvidence.Network
    private let state = Mutex(State())

    init(root: FilePath, exec: Exec, network: FailureEvidence.Network) {
        self.root = root
        self.exec = exec
        self.network = network
    }

    /// Output of the process.
    func note(_ bytes: [UInt8]) {
        state.withLock { state in
            state.tail += bytes
            if state.tail.count > 2 * Self.tailLimit { state.tail = state.tail.suffix(Self.tailLimit) }
        }
    }

    /// How many of its processes the kernel killed for want of memory in their cgroup.
    func note(outOfMemoryKills count: Int) { state.withLock { $0.outOfMemoryKills = count } }

    /// What is to blame, where that is certain enough to be said.
    ///
    /// Asked while the step's root is still mounted.
    func advice(exitCode: Int32, _ error: SandboxError?) async -> String? {
        let (tail, kills) = state.withLock { ($0.tail, $0.outOfMemoryKills) }
        return await onBlockingPool { [root, exec, network] in
            guard let directory = try? RootedDirectory(root) else { return nil }
            var evidence = FailureEvidence(exitCode: exitCode)
            evidence.output = tail
            evidence.failure = error
            evidence.arguments = exec.process.arguments
            evidence.environment = exec.process.environment
            evidence.directory = exec.process.directory
            evidence.network = network
            evidence.outOfMemoryKills = kills
            evidence.space = try? FileSystemSpace(at: root)
            return evidence.advice { path in Self.file(path, in: directory) }
        }
    }

    private static func file(_ path: [UInt8], in root: RootedDirectory) -> FailureEvidence.File? {
        // Not what a link to a device or FIFO would block on.
        guard let found = try? root.open(FilePath(bytes: path), .pathOnly), let status = try? found.status() else {
            return nil
        }
        guard status.type == .regular else { return FailureEvidence.File(mode: UInt32(status.mode), head: nil) }
        let head = try? root.open(FilePath(bytes: path), [.readOnly, .nonBlocking]).readToEnd(limit: 4096)
        return FailureEvidence.File(mode: UInt32(status.mode), head: head)
    }
}
