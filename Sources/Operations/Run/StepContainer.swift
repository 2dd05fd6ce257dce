package import BuildGraph
package import LLB
package import LinuxSystem
package import OCI
package import Sandboxes
import Snapshots
package import SystemPackage
internal import Text

/// A place like that of a step, in which a client runs processes of its own: a first one, and others beside it.
package struct StepContainer: Sendable {
    /// What a client asks for.
    package struct Plan: Sendable {
        package struct Mount: Sendable {
            package var kind: LLB.Mount.Kind
            /// Nil for an empty tree.
            package var files: BuildOutput?
            package var selector: [UInt8] = []
            package var destination: [UInt8]
            package var isReadOnly = false

            package init(_ kind: LLB.Mount.Kind, of files: BuildOutput?, at destination: [UInt8]) {
                self.kind = kind
                self.files = files
                self.destination = destination
            }
        }

        package var mounts: [Mount]
        package var network = NetworkMode.sandbox
        package var hostname: [UInt8] = []
        package var extraHosts: [HostAddress] = []
        package var platform: OCI.Platform?

        package init(mounts: [Mount]) { self.mounts = mounts }
    }

    /// One process of it.
    package struct ProcessPlan: Sendable {
        package var process: Process
        package var security = SecurityMode.sandbox
        package var secrets: [SecretVariable] = []
        /// Of its terminal; nil for a process without one.
        package var terminal: TerminalSize?
        /// What a process without a terminal reads; nil for nothing.
        package var input: OpenFile?
        /// Which of its streams are listened to.
        package var streams: Set<CInt> = []

        package init(_ process: Process) { self.process = process }
    }

    /// A process that runs.
    package struct Running: Sendable {
        /// What it writes to 1, and where it has one to its terminal.
        package let output: ByteReader?
        package let errors: ByteReader?
        package let terminal: PseudoTerminal?
        /// Hides what the runtime writes in its place.
        package let filter: StandardErrorFilter
        package let send: @Sendable (Signal) async throws -> Void
        package let wait: @Sendable () async throws -> ExitStatus
    }

    private let plan: Plan
    private let run: ExecRun
    private let root: ActiveSnapshot
    private let mounts: [SandboxConfiguration.Mount]

    fileprivate init(_ plan: Plan, _ run: ExecRun, root: ActiveSnapshot, _ mounts: [SandboxConfiguration.Mount]) {
        self.plan = plan
        self.run = run
        self.root = root
        self.mounts = mounts
    }

    /// Where the files of a mount are on this machine; nil for one that has none.
    package func files(ofMount number: Int) -> FilePath? {
        guard plan.mounts.indices.contains(number) else { return nil }
        let destination = plan.mounts[number].destination
        if destination == "/" { return root.root }
        let target = FilePath("/").pushing(FilePath(bytes: destination))
        guard case .bind(let path)? = mounts.first(where: { $0.target == target })?.source else { return nil }
        return path
    }

    // MARK: Processes

    /// Runs the first process to its end, which is that of all the others.
    package func runFirst(
        _ plan: ProcessPlan,
        _ body: @Sendable (SandboxProcess, Running) async throws -> Void
    ) async throws -> ExitStatus {
        try await run.withSecretVariables(plan.secrets, configuration(plan)) { sandboxes, configuration in
            try await sandboxes.withProcess(configuration, streams: streams(plan), grace: .zero) { process in
                let running = Running(
                    output: try process.terminal?.makeReader() ?? process.reader(1),
                    errors: process.reader(2),
                    terminal: process.terminal,
                    filter: process.makeErrorFilter(),
                    send: { try process.send(signal: $0) },
                    wait: { try await process.wait() }
                )
                try await body(process, running)
                _ = try await process.wait()
            }.status
        }
    }

    /// Runs a process beside the first one.
    package func runAnother(
        _ plan: ProcessPlan,
        beside first: SandboxProcess,
        _ body: @Sendable (Running) async throws -> Void
    ) async throws -> ExitStatus {
        try await run.withSecretVariables(plan.secrets, configuration(plan)) { sandboxes, configuration in
            try await sandboxes.withAdditionalProcess(in: first, configuration, streams: streams(plan)) { process in
                let running = Running(
                    output: try process.terminal?.makeReader() ?? process.reader(1),
                    errors: process.reader(2),
                    terminal: process.terminal,
                    filter: process.makeErrorFilter(),
                    send: { try await process.send(signal: $0) },
                    wait: { try await process.wait() }
                )
                try await body(running)
                _ = try await process.wait()
            }.status
        }
    }

    private func configuration(_ plan: ProcessPlan) async throws -> SandboxConfiguration {
        var process = plan.process
        process.hostname = self.plan.hostname
        process.extraHosts = self.plan.extraHosts
        return try await run.configuration(of: process, plan.security, root: root, mounts)
    }

    private func streams(_ plan: ProcessPlan) -> SandboxRunner.Streams {
        var streams = SandboxRunner.Streams(input: .ownNull, output: .ownNull, errors: .ownNull)
        if let terminal = plan.terminal {
            streams.terminal = terminal
            return streams
        }
        if let input = plan.input { streams.input = .open(input) }
        if plan.streams.contains(1) { streams.output = .pipeFromChild }
        // The runtime says there why it cannot start a program.
        streams.errors = .pipeFromChild
        return streams
    }
}

extension OperationEnvironment {
    /// Lends a container: its mounts are there as long as `body` runs, and what is written to them is dropped in the end.
    package func withContainer(
        _ plan: StepContainer.Plan,
        _ context: OperationContext,
        _ body: @escaping @Sendable (StepContainer) async throws -> Void
    ) async throws {
        var inputs: [LLB.Output] = []
        var files: [BuildOutput] = []
        let mounts = try plan.mounts.enumerated().map { number, mount in
            var input: LLB.Output?
            if let tree = mount.files {
                // Stands for the result in what steps are mounted by.
                let output = Output(try Node(.source(Source(identifier: "container-mount://\(number)"))))
                inputs.append(output)
                files.append(tree)
                input = output
            }
            return LLB.Mount(
                mount.kind,
                of: input,
                selector: mount.selector,
                at: mount.destination,
                isReadOnly: mount.isReadOnly
            )
        }
        guard let root = mounts.first(where: { $0.destination == "/" }), root.kind == .bind else {
            throw OperationError.unsupported("a container without a tree mounted at / cannot be made")
        }
        let exec = Exec(process: Process(arguments: []), mounts: mounts, network: plan.network)
        let operation = ExecOperation(
            exec: exec,
            platform: plan.platform,
            resources: nil,
            inputs: inputs,
            environment: self
        )
        try await networks.withNetwork(for: plan.network, context) { [files] network in
            let run = ExecRun(operation: operation, inputs: files, context: context, network: network) {
                try await body(StepContainer(plan, $0, root: $1, $2))
            }
            let others = mounts.filter { $0 != root }
            try await snapshots.withDiscardedSnapshot(on: try run.tree(of: root)) { active in
                _ = try await run.mount(others, root: active)
            }
        }
    }
}
