internal import Archive
internal import Containers
internal import LinuxSystem
internal import SystemPackage
internal import Terminal
internal import Text

/// `slipway cp`.
struct CopyCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "CONTAINER:SRC_PATH DEST_PATH|-\n\tslipway cp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
        summary: "Copy files/folders between a container and the local filesystem",
        detail: """
            Use '-' as the source to read a tar archive from stdin
            and extract it to a directory destination in a container.
            Use '-' as the destination to stream a tar archive of a
            container source to stdout.
            """,
        arguments: .exactly(2),
        mounts: true,
        completion: .files
    )
    static let flags: [Flag<CopyCommand>] = [
        .toggle("archive", short: "a", \.keepsOwners, help: "Archive mode (copy all uid/gid information)"),
        .toggle("follow-link", short: "L", \.followsLink, help: "Always follow symlinks in SRC_PATH"),
        .toggle("quiet", short: "q", \.isQuiet, help: "Suppress progress output during copy"),
    ]

    var arguments: [[UInt8]] = []
    var keepsOwners = false
    var followsLink = false
    var isQuiet = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let source = Self.end(arguments[0])
        let destination = Self.end(arguments[1])
        if arguments[0].isEmpty { throw CommandFailure("Error: source can not be empty") }
        if arguments[1].isEmpty { throw CommandFailure("Error: destination can not be empty") }
        for end in [source, destination] where end.container != nil && end.path.isEmpty {
            throw CommandFailure("Error: the path in the container can not be empty")
        }
        switch (source.container, destination.container) {
        case (nil, nil): throw CommandFailure("Error: must specify at least one container source")
        case (.some, .some): throw CommandFailure("Error: copying between containers is not supported")
        case (let name?, nil): try await copyOut(name, source.path, destination.path, environment)
        case (nil, let name?): try await copyIn(source.path, name, destination.path, environment)
        }
        return .success
    }

    /// `CONTAINER:PATH`, or a path of the host: one that is absolute or begins with a dot always is.
    static func end(_ argument: [UInt8]) -> (container: String?, path: [UInt8]) {
        guard argument.first != "/", argument.first != ".",
            let colon = argument.firstIndex(of: ":"), colon > 0
        else { return (nil, argument) }
        return (escapedForDisplay(argument[..<colon]), Array(argument[(colon + 1)...]))
    }

    private func copyOut(
        _ name: String,
        _ path: [UInt8],
        _ target: [UInt8],
        _ environment: SlipwayEnvironment
    ) async throws {
        let containers = try await environment.containers()
        let container = try await containers.container(name)
        var copy = try await containers.fileCopy()
        copy.followsLink = followsLink
        if !keepsOwners {
            let own = ProcessContext.fileOwner
            copy.owner = .init(user: own.user, group: own.group)
        }
        let wanted = copy
        try await containers.withFiles(of: container, at: path) { source in
            if target == "-" {
                if environment.output.isTerminal { throw CommandError.outputIsTerminal }
                let output = try StandardStream.output.duplicate()
                return try await onCancellablePool { try wanted.cancelled(by: $0).write(source, to: FileSink(output)) }
            }
            try await containers.withHostFiles(at: environment.path(target), written: target) { destination in
                try await onCancellablePool { try wanted.cancelled(by: $0).run(from: source, to: destination) }
            }
        }
        if target != "-" { try await report(escapedForDisplay(target), environment) }
    }

    private func copyIn(
        _ path: [UInt8],
        _ name: String,
        _ target: [UInt8],
        _ environment: SlipwayEnvironment
    ) async throws {
        let containers = try await environment.containers()
        let container = try await containers.container(name)
        var copy = try await containers.fileCopy()
        copy.followsLink = followsLink
        let isArchive = path == "-"
        // Docker keeps the numbers of the source here, with `--archive` or without.
        let wanted = copy
        try await containers.withFiles(of: container, at: target, toWrite: true) { destination in
            if isArchive {
                let input = try environment.input.duplicate()
                return try await onCancellablePool {
                    try wanted.cancelled(by: $0).run(from: FileSource(input), to: destination)
                }
            }
            try await containers.withHostFiles(at: environment.path(path), written: path) { source in
                try await onCancellablePool { try wanted.cancelled(by: $0).run(from: source, to: destination) }
            }
        }
        try await report("\(name):\(escapedForDisplay(target))", environment)
    }

    private func report(_ target: String, _ environment: SlipwayEnvironment) async throws {
        guard !isQuiet, environment.errorOutput.isTerminal else { return }
        try await environment.errorOutput.writeLine("Successfully copied to \(target)")
    }
}
