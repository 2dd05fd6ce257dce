internal import Containers
internal import DockerObjects
internal import LinuxSystem
internal import Terminal
internal import Text

/// `slipway start`.
struct StartCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "CONTAINER [CONTAINER...]",
        summary: "Start one or more stopped containers",
        arguments: .atLeast(1),
        mounts: true,
        completion: .containers
    )
    static let flags: [Flag<StartCommand>] = [
        .toggle("attach", short: "a", \.attaches, help: "Attach STDOUT/STDERR and forward signals"),
        .toggle("interactive", short: "i", \.attachesInput, help: "Attach container's STDIN"),
    ]

    var arguments: [[UInt8]] = []
    var attaches = false
    var attachesInput = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        guard attaches || attachesInput else {
            var failed: [String] = []
            let containers = try await environment.containers()
            let status = try await forEachName(try textArguments(), environment) { name in
                do {
                    let container = try await containers.container(name)
                    if container.state.status != .running {
                        try await environment.warnOfHealthChecks(of: container)
                        try await containers.start(container)
                    }
                } catch {
                    failed.append(name)
                    throw error
                }
                try await environment.output.writeLine(name)
            }
            if !failed.isEmpty {
                throw CommandFailure("Error: failed to start containers: \(failed.joined(separator: ", "))")
            }
            return status
        }
        let names = try textArguments()
        let containers = try await environment.containers()
        guard names.count == 1 else {
            throw CommandFailure("Error: you cannot start and attach multiple containers at once")
        }
        let container = try await containers.container(names[0])
        let configuration = container.configuration
        let attachment = Attachment(
            environment,
            keepsInput: attachesInput && configuration.keepsInput,
            hasTerminal: configuration.hasTerminal
        )
        return CommandStatus(rawValue: try await attachment.run { try await containers.runAttached(container, $0) })
    }
}

/// `slipway restart`.
struct RestartCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "CONTAINER [CONTAINER...]",
        summary: "Restart one or more containers",
        arguments: .atLeast(1),
        mounts: true,
        completion: .containers
    )
    static let flags: [Flag<RestartCommand>] = Flag.timeToStop(\.timeout)

    var arguments: [[UInt8]] = []
    var timeout: Int?

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        try await forEachContainer(environment) { container, containers in
            try await containers.restart(container, timeout: timeout)
        }
    }
}

/// `slipway rename`.
struct RenameCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "CONTAINER NEW_NAME",
        summary: "Rename a container",
        arguments: .exactly(2),
        completion: .containers
    )
    static let flags: [Flag<RenameCommand>] = []

    var arguments: [[UInt8]] = []

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let names = try textArguments()
        let containers = try await environment.containers()
        do {
            guard !names.contains("") else { throw ContainerError.emptyName }
            try await containers.rename(try await containers.container(names[0]), to: names[1])
        } catch let error as ContainerError {
            throw CommandFailure("Error: failed to rename container: \(error)")
        }
        return .success
    }
}

/// `slipway port`.
struct PortCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "CONTAINER [PRIVATE_PORT[/PROTO]]",
        summary: "List port mappings or a specific mapping for the container",
        arguments: .between(1, 2),
        completion: .containers
    )
    static let flags: [Flag<PortCommand>] = []

    var arguments: [[UInt8]] = []

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let words = try textArguments()
        let containers = try await environment.containers()
        let container = try await containers.container(words[0])
        let ports = (container.state.status == .running ? container.state.ports : []).sorted {
            ($0.containerPort, $0.hostPort) < ($1.containerPort, $1.hostPort)
        }
        guard words.count > 1 else {
            let lines = ports.map { "\($0.containerEndpoint) -> \($0.hostEndpoint)\n" }
            try await environment.output.write(lines.joined())
            return .success
        }
        let wanted = words[1].contains("/") ? words[1].lowercased() : words[1] + "/tcp"
        let published = ports.filter { $0.containerEndpoint == wanted }
        if published.isEmpty { throw ContainerError.notPublished(port: wanted, id: words[0]) }
        try await environment.output.write(published.map { $0.hostEndpoint + "\n" }.joined())
        return .success
    }
}

/// `slipway top`.
struct TopCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "CONTAINER [ps OPTIONS]",
        summary: "Display the running processes of a container",
        arguments: .atLeast(1),
        allowsFlagsAfterArguments: false,
        completion: .containers
    )
    static let flags: [Flag<TopCommand>] = []

    var arguments: [[UInt8]] = []

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let words = try textArguments()
        let containers = try await environment.containers()
        let container = try await containers.container(words[0])
        let options = words.count > 1 ? Array(words.dropFirst()) : ["-ef"]
        let found: ProcessTable
        do {
            found = try await ProcessTable(of: container, in: containers, options: options)
        } catch let error as ProcessTable.Failure {
            throw CommandFailure("Error: \(error)")
        }
        var table = TextTable(minimumWidth: 20)
        table.append(found.titles)
        for row in found.rows { table.append(row) }
        try await environment.output.write(table.rendered())
        return .success
    }
}

/// `slipway container prune`.
struct PruneContainersCommand: RunnableCommand {
    static let about = CommandSummary(usage: "", summary: "Remove all stopped containers", arguments: .none)
    static let flags: [Flag<PruneContainersCommand>] = [
        .filter(\.filters, help: "Provide filter values (e.g. \"until=24h\", \"label=key\")"),
        .toggle("force", short: "f", \.force, help: "Do not prompt for confirmation"),
    ]

    var arguments: [[UInt8]] = []
    var filters: [String] = []
    var force = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let filter = try ContainerPruneFilter(filters, now: environment.clock().seconds)
        if !force, try await !environment.confirms("WARNING! This will remove all stopped containers.") {
            return .success
        }
        let containers = try await environment.containers()
        let pruned = try await containers.prune { filter.accepts($0) }
        try await environment.output.write(PruneReport.containers(pruned.ids))
        try await environment.output.writeLine(PruneReport.total(pruned.bytes))
        return .success
    }
}

extension PruneReport {
    static func containers(_ ids: [String]) -> String {
        ids.isEmpty ? "" : "Deleted Containers:\n" + ids.map { "\($0)\n" }.joined() + "\n"
    }
}

/// What a container's monitor runs when the container has ended.
struct ContainerEndedCommand: RunnableCommand {
    static let name = "__container-ended"
    static let about = CommandSummary(
        usage: "ID",
        summary: "Clean up after ended containers",
        arguments: .exactly(1),
        usesStore: true,
        place: .anywhere
    )
    static let flags: [Flag<ContainerEndedCommand>] = [
        .toggle(
            "uncover",
            \.uncoversControlGroups,
            help: "Look at the host's cgroups below those that the runtime was shown"
        )
    ]

    var arguments: [[UInt8]] = []
    var uncoversControlGroups = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        if uncoversControlGroups { try await ContainerStore.uncoverControlGroups() }
        try await environment.containers().noteEnd(of: try textArguments()[0])
        return .success
    }
}
