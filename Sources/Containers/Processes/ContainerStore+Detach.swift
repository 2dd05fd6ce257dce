import LinuxSystem
import Sandboxes
import Synchronization
import SystemPackage
internal import Text

extension ContainerStore {
    func log(of record: ContainerRecord) -> FilePath { directory(of: record.id).appending("container.log") }

    /// Where a container's log is, for people.
    package func logPath(of record: ContainerRecord) -> String { escapedForDisplay(log(of: record).bytes) }

    /// Starts a container in the keeping of a monitor (conmon) that outlives this process, writes its log and notes its exit code.
    ///
    /// The monitor keeps this process's mount namespace, and with it the container's files, alive.
    /// One that runs by then is left alone.
    package func start(_ container: ContainerRecord) async throws {
        let turn = try await turn(of: container)
        defer { turn.end() }
        if turn.record.state.status == .running { return }
        let record = try await prepare(turn.record)
        do {
            let sandbox = try await sandboxConfiguration(of: record)
            let bundle = bundle(of: record)
            let hasTerminal = record.configuration.hasTerminal
            let prepared = try await onBlockingPool { () -> SandboxBundle in
                try removeTree(bundle)
                try HostFiles.createDirectory(bundle)
                let terminal = hasTerminal ? TerminalSize(rows: 24, columns: 80) : nil
                return try SandboxBundle(sandbox, terminal: terminal, level: self.privileges.level, in: bundle)
            }
            var run = ContainerState.Run(started: currentTime())
            run.process = try await monitor(record, prepared)
            run.runtimeState = prepared.state.string
            let started = run
            // Its end is told after its start, however soon it comes.
            try await whileNoneEnds {
                try await changed(record, .started(started))
                await tell(.start, of: record)
            }
        } catch {
            let failure = Self.failure(error)
            try await Task { try await self.finish(record, .neverStarted(failure)) }.value
            throw error
        }
        // What a daemon goes on to have in its hands after the start would never be given back: the container's processes keep their
        // root and their cgroups themselves.
        heldGroups.withLock { _ = $0.removeValue(forKey: record.id) }
        let root = directory(of: record.id).appending("root")
        try await onBlockingPool { try unmount(root, lazy: true) }
        // Its monitor may have told of its end before this one had said that it runs.
        try await noteEnd(of: record.id)
    }

    /// Takes away the plain hierarchy that covers the host's cgroups in the mount namespace of a monitor whose container has ended.
    package static func uncoverControlGroups() async throws {
        try await onBlockingPool { try unmount(RuntimeSurroundings.controlGroups.target, lazy: true) }
    }

    /// Has the monitor make the container, and starts its process.
    private func monitor(_ record: ContainerRecord, _ bundle: SandboxBundle) async throws -> ProcessReference {
        let directory = directory(of: record.id)
        let pidFile = directory.appending("pid")
        let runtime = try await ContainerRuntime.resolve()
        var conmon = ChildProcessConfiguration(
            .named("conmon"),
            [
                "--cid", record.id, "--cuuid", record.id, "--name", record.name, "--runtime", runtime.string,
                "--bundle", bundle.directory.string, "--container-pidfile", pidFile.string,
                "--conmon-pidfile", directory.appending("monitor.pid").string,
                "--log-path", "k8s-file:" + log(of: record).string, "--exit-dir", directory.appending("exits").string,
                "--persist-dir", directory.appending("monitor").string, "--socket-dir-path",
                directory.appending("monitor").string,
                "--runtime-arg", "--cgroup-manager=disabled", "--runtime-arg", "--root",
                "--runtime-arg", bundle.state.string, "--runtime-arg", "--log", "--runtime-arg",
                "file:" + bundle.log.string,
                "--runtime-arg", "--log-format", "--runtime-arg", "json", "--runtime-opt", "--no-new-keyring",
                "--log-level", "error",
            ]
        )
        func add(_ words: [String]) { conmon.arguments += words.map { Array($0.utf8) } }
        if record.configuration.hasTerminal { add(["--terminal"]) }
        // Without anything that writes to it, a shell that reads it does not end either.
        if record.configuration.keepsInput { add(["--stdin"]) }
        if record.configuration.keepsInput, !record.configuration.closesInput { add(["--leave-stdin-open"]) }
        if let program = exitCommand.first {
            add(["--exit-command", program])
            // It starts where the monitor is, which does not see the cgroups that it is to put away.
            let uncover = RuntimeSurroundings.hasPlainControlGroups ? [] : ["--uncover"]
            for argument in exitCommand.dropFirst() + uncover + [record.id] { add(["--exit-command-arg", argument]) }
        }
        // Its own descriptors 0 to 2 stay with it: pipes to us would end with us.
        conmon.grouping = .ownSession
        conmon.diesWithParent = false
        // On this one it says once that the container is made, or that it could not be.
        conmon.files[3] = .pipeFromChild
        if !RuntimeSurroundings.hasPlainControlGroups {
            conmon.namespaces = [.mount]
            conmon.mounts = [
                .init(source: "none", target: "/", flags: RuntimeSurroundings.recursivelyPrivate),
                RuntimeSurroundings.controlGroups,
            ]
        }
        conmon.environment = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "_OCI_SYNCPIPE=3"].map { Array($0.utf8) }
        try await onBlockingPool {
            try removeTree(pidFile)
            try removeTree(directory.appending("exits").appending(record.id))
            try HostFiles.createDirectory(directory.appending("monitor"))
        }
        let child = try await ChildProcess.start(conmon)
        var report: [UInt8] = []
        while !report.contains(0x0a), let bytes = try await child.reader(3)?.read() { report += bytes }
        // The first process ends at once; the monitor itself is its child.
        let status = try await child.wait()
        let text = try? await onBlockingPool { try OpenFile.open(pidFile, .readOnly).readToEnd(limit: 64) }
        guard status.isSuccess, let number = Int32(String(decoding: text ?? [], as: UTF8.self)),
            let process = await onBlockingPool({ ProcessReference(processID: number) })
        else {
            if let error = try await onBlockingPool({ try bundle.failure() }) { throw error }
            throw ContainerError.monitor(report.isEmpty ? "conmon ended with \(status)" : escapedForDisplay(report))
        }
        try await bindNetwork(of: record, to: process)
        try await shareNamespace(of: record)
        // It waits to be started: all that it will be is in the cgroups before it does anything.
        try await onBlockingPool { try ContainerDevices.add(number, to: record.state) }
        let log = log(of: record)
        let (before, logged) = try await onBlockingPool {
            (process.executable, try HostFiles.status(of: log)?.size ?? 0)
        }
        let start = try await ChildProcess.run(runtimeCommand(bundle.state, ["start", record.id]))
        if !start.status.isSuccess {
            if let error = SandboxBundle.failure(inLog: start.errors, program: bundle.program) { throw error }
            throw ContainerError.monitor(escapedForDisplay(start.errors))
        }
        let executes = try await onBlockingPool {
            try process.waitUntilExecuting(otherThan: before, atMost: .seconds(5))
        }
        if !executes { try await checkExecution(of: record, bundle, logSize: logged) }
        return process
    }

    /// Has those who come later find the user namespace that the monitor lives in, if it is one of this user's own.
    private func shareNamespace(of record: ContainerRecord) async throws {
        guard let members = privileges.members else { return }
        let path = directory(of: record.id).appending("monitor.pid")
        try await onBlockingPool {
            let text = String(decoding: try contentsIfPresent(of: path, limit: 64) ?? [], as: UTF8.self)
            guard let number = Int32(text.filter { $0 != "\n" }), let monitor = ProcessReference(processID: number)
            else { return }
            try members.add(monitor)
        }
    }

    /// Finds out whether a container that has ended so soon came to execute its program.
    ///
    /// The runtime has no other way to say that execve(2) failed than the container's standard error, which is its log.
    /// - Throws: `SandboxError`; the log is then as it was.
    private func checkExecution(of record: ContainerRecord, _ bundle: SandboxBundle, logSize: Int64) async throws {
        guard let code = try await noted(exitCodeOf: record) else { return }
        let path = log(of: record)
        try await onBlockingPool {
            let written = try ContainerLogLine.content(of: path, from: logSize)
            var filter = StandardErrorFilter(program: bundle.program)
            // What passes is the program's own.
            guard filter.pass(written).isEmpty else { return }
            if case .failure(let error) = filter.finish(status: .exited(code: code)) {
                try OpenFile.open(path, .writeOnly).truncate(to: logSize)
                throw error
            }
        }
    }

    /// The runtime, in surroundings that it accepts.
    func runtimeCommand(_ state: FilePath, _ arguments: [String]) -> ChildProcessConfiguration {
        var command = ChildProcessConfiguration(
            .named("crun"),
            ["--cgroup-manager=disabled", "--root", state.string, "--log-format", "json"] + arguments
        )
        if !RuntimeSurroundings.hasPlainControlGroups {
            command.namespaces = [.mount]
            command.mounts = [
                .init(source: "none", target: "/", flags: RuntimeSurroundings.recursivelyPrivate),
                RuntimeSurroundings.controlGroups,
            ]
        }
        return command
    }
}
