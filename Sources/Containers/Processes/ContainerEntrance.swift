import LinuxSystem
import Sandboxes
import SystemPackage

/// How more processes come into a container that runs.
struct ContainerEntrance: Sendable {
    let container: ContainerRecord
    /// Where the runtime keeps what it knows of the container.
    let state: FilePath
    /// What the runtime calls it.
    let name: String
    /// Process 1 of the container.
    let first: ProcessReference
    /// The runtime around an attached container: it is alone with it in a process namespace, and only there its numbers mean anything.
    let surrounding: ProcessReference?

    /// The root directory as the container's processes have it.
    var root: FilePath { FilePath("/proc/\(first.processID)/root") }

    /// A process of the container by the number that the runtime has for it; nil where it has ended.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func process(numbered number: Int32) -> ProcessReference? {
        guard surrounding != nil else { return ProcessReference(processID: number) }
        return NestedProcesses.process(numbered: number, beside: first.processID)
    }
}

extension ContainerStore {
    /// Finds the way into a container; one that is just being started is waited for.
    /// - Throws: `ContainerError.notRunning`.
    func entrance(to container: ContainerRecord) async throws -> ContainerEntrance {
        guard let run = container.state.run, let process = run.process,
            let state = run.runtimeState.map({ FilePath($0) })
        else { throw ContainerError.notRunning(id: container.id) }
        guard run.isNested else {
            return ContainerEntrance(
                container: container,
                state: state,
                name: container.id,
                first: process,
                surrounding: nil
            )
        }
        let own = state.appending("main")
        let first = try await FileWatch.wait(
            in: [state.removingLastComponent(), state, own],
            while: process
        ) { () -> ProcessReference? in
            // The runtime writes this when the container's root is what its processes are to see.
            guard try HostFiles.status(of: own.appending("status")) != nil else { return nil }
            return try NestedProcesses.first(in: process.processID).flatMap { ProcessReference(processID: $0) }
        }
        guard let first else { throw ContainerError.notRunning(id: container.id) }
        return ContainerEntrance(container: container, state: state, name: "main", first: first, surrounding: process)
    }

    /// The runtime in the surroundings of a container.
    func runtimeCommand(in entrance: ContainerEntrance, _ arguments: [String]) -> ChildProcessConfiguration {
        let command = runtimeCommand(entrance.state, arguments)
        guard let surrounding = entrance.surrounding else { return command }
        return ChildProcessConfiguration(
            .named("nsenter"),
            ["-t", "\(surrounding.processID)", "-m", "-p", "--", "crun"].map { Array($0.utf8) } + command.arguments
        )
    }
}
