import ClientServices
import LLB
import LinuxSystem
import Snapshots
import Storage
import SystemPackage
import Tasks
internal import Text

/// What a step gets of its client. Nothing of it ever reaches a disk: it is in file systems in memory that only this process and
/// its step see, and that vanish with the process however it ends. Where nothing can be mounted, it is in the store while the step runs.
extension OperationEnvironment {
    /// Lends a directory in memory, or one of the store where that cannot be mounted: for its user alone.
    func withMemoryDirectory<Value>(_ body: (FilePath) async throws -> Value) async throws -> Value {
        let point = try await onBlockingPool { [store, canMount] in
            guard canMount else { return try store.temporaryDirectory() }
            let point = try store.mountPoint()
            try DetachedMount.tmpfs(mode: 0o700).attach(at: point)
            return point
        }
        return try await withCleanUp {
            try await body(point)
        } finally: {
            try await onBlockingPool { [canMount] in
                if canMount { try unmount(point, lazy: true) }
                try removeTree(point)
            }
        }
    }

    /// Lends a file that holds a secret, with the owner and permissions that the step asks for.
    func withSecretFile<Value>(
        _ secret: Secret,
        _ file: ClientFile,
        _ body: (FilePath) async throws -> Value
    ) async throws -> Value {
        try await withMemoryDirectory { directory in
            let path = directory.appending("secret")
            try await onBlockingPool {
                let made = try OpenFile.open(path, [.writeOnly, .createNew], mode: 0o600)
                try made.write(secret.revealBytes())
                try made.changeOwner(user: file.userID, group: file.groupID)
                try made.changeMode(file.mode & 0o777)
            }
            return try await body(path)
        }
    }

    /// Lends a socket on which an agent answers.
    func withAgentSocket<Value>(
        _ agent: AgentSocket,
        _ file: ClientFile,
        _ body: (FilePath) async throws -> Value
    ) async throws -> Value {
        try await withMemoryDirectory { directory in
            let forwarder = try await onBlockingPool {
                try AgentForwarder(
                    to: agent,
                    in: directory,
                    owner: (user: file.userID, group: file.groupID),
                    mode: file.mode & 0o777
                )
            }
            async let _ = forwarder.serve()
            // Leaving this scope cancels the forwarder and waits for it, however `body` ends.
            return try await body(forwarder.socket)
        }
    }
}
