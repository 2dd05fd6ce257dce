import LinuxSystem
import Sandboxes
import SystemPackage

/// One more process for a container that runs.
package struct ExecRequest: Sendable {
    package var arguments: [String]
    /// `NAME=value`, besides the container's.
    package var environment: [String] = []
    package var workingDirectory: String?
    /// `uid[:gid]` or a name; nil is the container's user.
    package var user: String?
    package var isDetached = false
    package var hasTerminal = false

    package init(arguments: [String]) { self.arguments = arguments }
}

extension ContainerStore {
    /// Runs one more process in a running container.
    /// - Returns: its exit code; 0 for a detached one.
    package func exec(_ request: ExecRequest, in container: ContainerRecord, _ streams: AttachedStreams) async throws
        -> CInt
    {
        guard container.state.status == .running, let process = container.state.process,
            let state = container.state.runtimeState
        else { throw ContainerError.notRunning(id: container.id) }
        var arguments = ["exec"]
        if request.isDetached { arguments.append("--detach") }
        if request.hasTerminal { arguments.append("--tty") }
        for variable in request.environment { arguments += ["--env", variable] }
        if let directory = request.workingDirectory { arguments += ["--cwd", directory] }
        if let user = request.user { arguments += ["--user", user] }
        // An attached container's runtime is alone with it in a process namespace, and only there its numbers mean anything.
        arguments += [container.state.isNested ? "main" : container.id] + request.arguments
        var command = runtimeCommand(FilePath(state), arguments)
        if container.state.isNested {
            let inside = command.arguments
            command = ChildProcessConfiguration(
                .named("nsenter"),
                ["-t", "\(process.processID)", "-m", "-p", "--", "crun"].map { Array($0.utf8) } + inside
            )
        }
        let groups = try await onBlockingPool { try ContainerDevices.groups(of: container.state) }
        (command.controlGroup, command.controlGroups) = (groups.unified, groups.entrances)
        command.files = [
            0: streams.input == nil ? .null : .pipeToChild, 1: .pipeFromChild, 2: .pipeFromChild,
        ]
        if request.hasTerminal { command.files[0] = .inherited }
        let child = try await ChildProcess.start(command)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                // The task alone holds the writing end: when the input has ended, the process reads that end too.
                guard let input = streams.input, let writer = child.takeWriter(0) else { return }
                while let bytes = try? await input.read() { try? await writer.write(bytes) }
            }
            defer { group.cancelAll() }
            async let errors: Void = {
                while let bytes = try await child.reader(2)?.read() { try await streams.write(2, bytes) }
            }()
            while let bytes = try await child.reader(1)?.read() { try await streams.write(1, bytes) }
            try await errors
            return try await child.waitOrTerminate().shellCode
        }
    }
}
