internal import BuildCache
internal import Containers
internal import DockerObjects
internal import Images
internal import LinuxSystem
internal import Storage
internal import SystemPackage
internal import Terminal
internal import Text

/// `slipway system reset`.
struct ResetCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "",
        summary: "Remove all containers, images, volumes and build cache, and the store itself",
        detail:
            "It works on a store that is damaged, or that another user id has used. The next command makes a new store.",
        arguments: .none,
        mounts: true
    )
    static let flags: [Flag<ResetCommand>] = [
        .toggle("force", short: "f", \.force, help: "Do not prompt for confirmation")
    ]

    /// How long what uses the store may take to end.
    private static let patience = Duration.seconds(5)

    var arguments: [[UInt8]] = []
    var force = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let root = try environment.root()
        let shown = escapedForDisplay(root.bytes)
        guard try await Store.isPresent(at: root) else {
            try await environment.output.writeLine("No store at \(shown): nothing was removed")
            return .success
        }
        let warning =
            "WARNING! This will remove:\n  - all containers, running ones too\n  - all images\n  - all volumes\n"
            + "  - all build cache\n  - the store \(shown)\n"
        if !force, try await !environment.confirms(warning) { return .success }
        var removed = try await empty(environment, root)
        removed.ended = try await ContainerStore.endRemains(
            in: StoreLayout(root: root),
            level: environment.privileges.level
        )
        try await Store.awaitDisuse(of: root, atMost: Self.patience)
        do {
            removed.others = try await Store.remove(at: root)
        } catch StorageError.system(let phase, let error)
            where [.permissionDenied, .notPermitted].contains(error.errno)
        {
            throw ResetError.othersFiles(root: root, StorageError.system(phase: phase, error))
        }
        try await removeStaleSocket(environment)
        for problem in removed.problems { try await environment.errorOutput.writeLine("WARNING: \(problem)") }
        try await environment.output.write(removed.account(of: shown))
        return .success
    }

    /// Ends and removes the containers of a store that can be read, and counts what is in it.
    private func empty(_ environment: SlipwayEnvironment, _ root: FilePath) async throws -> RemovedStore {
        var removed = RemovedStore()
        do {
            let engine = try await readableEngine(environment, root)
            let containers = try environment.containers(engine)
            (removed.containers, removed.problems) = try await containers.removeAll()
            removed.usage =
                try await engine.images.systemUsage().rows + [
                    VolumeUsage.row(try await VolumeUsage.all(containers))
                ]
            await engine.store.close()
        } catch let error where !(error is CancellationError) {
            // What is not known of it is removed all the same.
            removed.problems.append("the store cannot be read: \(error)")
        }
        return removed
    }

    /// A damaged database is made again first: it knows what the host has of containers.
    private func readableEngine(_ environment: SlipwayEnvironment, _ root: FilePath) async throws -> Engine {
        do {
            return try await environment.engine(freesSpace: true)
        } catch StorageError.databaseDamaged {
            _ = try await Store.rebuildIfDamaged(at: root, tables: .all)
            return try await environment.engine(freesSpace: true)
        }
    }

    /// Removes the socket of a daemon that was killed.
    private func removeStaleSocket(_ environment: SlipwayEnvironment) async throws {
        let path = environment.privileges.runtime.path.appending("slipway.sock")
        try await onBlockingPool {
            guard try HostFiles.status(of: path)?.type == .socket else { return }
            do throws(SystemCallError) {
                _ = try connectLocalSocket(path, keepsMessages: false)
            } catch  where error.errno == .connectionRefused {
                try HostFiles.remove(path)
            }
        }
    }
}

/// What a reset has removed.
private struct RemovedStore {
    var containers = 0
    /// Containers that ran and that the store did not know.
    var ended = 0
    /// Empty for a store that could not be read.
    var usage: [SystemUsage.Row] = []
    /// What else is in the directory.
    var others: [[UInt8]] = []
    var problems: [String] = []

    func account(of root: String) -> String {
        func count(_ kind: SystemUsage.Row.Kind, _ name: String) -> String {
            let number = usage.first { $0.kind == kind }?.total ?? 0
            return "\(number) \(name)\(number == 1 ? "" : "s")"
        }
        let all = containers + ended
        let bytes = usage.reduce(0) { $0 + $1.size }
        let contents =
            usage.isEmpty
            ? "\(all) container\(all == 1 ? "" : "s"), and all else that was in the store"
            : "\(all) container\(all == 1 ? "" : "s"), \(count(.images, "image")), \(count(.volumes, "volume")), the build cache"
        let total = usage.isEmpty ? "" : PruneReport.total(bytes) + "\n"
        let kept =
            others.isEmpty
            ? ""
            : "Kept what is not the store's: \(others.map { escapedForDisplay($0) }.joined(separator: ", "))\n"
        return "Removed: \(contents)\nRemoved the store \(root)\n\(kept)\(total)"
    }
}

/// Why a store could not be removed.
enum ResetError: Error, CustomStringConvertible {
    /// Files of it belong to ids that this process does not have.
    case othersFiles(root: FilePath, StorageError)

    var description: String {
        switch self {
        case .othersFiles(let root, let error):
            "\(error): files of the store have owners that this user has no more; give the ids back in /etc/subuid and "
                + "/etc/subgid, or have root remove it: slipway --root \(escapedForDisplay(root.bytes)) system reset"
        }
    }
}
