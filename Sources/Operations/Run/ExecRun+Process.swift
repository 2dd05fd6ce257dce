import BuildGraph
import ClientServices
import LLB
import LinuxSystem
import OCI
import Sandboxes
import Snapshots
import SystemPackage
import Tasks
internal import Text

/// The process of a step.
extension ExecRun {
    /// Where programs are found in a step that says nothing of it.
    private static let usualPath: [UInt8] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    /// Runs the process to its end.
    func runProcess(root: ActiveSnapshot, _ mounts: [SandboxConfiguration.Mount]) async throws {
        let obstacle = try await obstacle()
        let process = exec.process
        var configuration = try await configuration(of: process, exec.security, root: root, mounts)
        configuration.noteUsage = { [context, started = context.now()] in context.measured($0, since: started) }
        let failure = FailureWatch(root: root.root, exec: exec, network: .init(configuration.network))
        let status: ExitStatus
        do {
            status = try await withControlGroup(failure) { group in
                configuration.controlGroup = group
                return try await withSecretVariables(exec.secretEnvironment, configuration) {
                    sandboxes,
                    configuration in
                    try await run(configuration, in: sandboxes, failure)
                }
            }
        } catch let error as SandboxError {
            switch error {
            case .programNotExecutable where obstacle != nil: throw obstacle ?? error
            case .programNotFound, .programNotExecutable:
                throw OperationError.processFailed(
                    arguments: process.arguments,
                    exitCode: error.exitCode,
                    reason: "\(error)",
                    advice: await failure.advice(exitCode: error.exitCode, error)
                )
            default: throw error
            }
        }
        try Task.checkCancellation()
        let code = status.shellCode
        let accepted = process.validExitCodes.isEmpty ? [0] : process.validExitCodes
        guard accepted.contains(code) else {
            throw OperationError.processFailed(
                arguments: process.arguments,
                exitCode: code,
                reason: nil,
                advice: await failure.advice(exitCode: code, nil)
            )
        }
    }

    /// What a process of the step is started with.
    func configuration(
        of process: Process,
        _ security: SecurityMode,
        root: ActiveSnapshot,
        _ mounts: [SandboxConfiguration.Mount]
    ) async throws -> SandboxConfiguration {
        var configuration = SandboxConfiguration(root: root.root, arguments: process.arguments)
        configuration.purpose = .step
        configuration.isRootReadOnly = exec.mounts.contains { $0.destination == "/" && $0.isReadOnly }
        configuration.environment = process.environment + proxyVariables(of: process)
        // Graphs of other frontends than ours may leave it out, as BuildKit lets them.
        if !process.environment.contains(where: { $0.starts(with: "PATH=") }) {
            configuration.environment.append(Self.usualPath)
        }
        configuration.workingDirectory = process.directory.isEmpty ? "/" : FilePath(bytes: process.directory)
        configuration.user = process.user
        configuration.hostname = process.hostname.isEmpty ? "buildkitsandbox" : process.hostname
        configuration.mounts = mounts
        configuration.resourceLimits = process.limits.map { limit in
            SandboxConfiguration.ResourceLimit(
                name: "RLIMIT_" + String(decoding: limit.name, as: UTF8.self).uppercased(),
                soft: limit.soft < 0 ? .max : UInt64(limit.soft),
                hard: limit.hard < 0 ? .max : UInt64(limit.hard)
            )
        }
        configuration.network = try await network.network()
        configuration.resolverLines = environment.networks.resolverLines
        let gateway = configuration.network.host
        configuration.hosts = process.extraHosts.map { host in
            let address = String(decoding: host.address, as: UTF8.self)
            return (String(decoding: host.host, as: UTF8.self), address == "host-gateway" ? gateway : address)
        }
        if security == .insecure {
            configuration.capabilities = try await onBlockingPool { try Capability.available() }
            configuration.confinesSystemCalls = false
            configuration.masksKernelFiles = false
            configuration.deviceNodes = try await onBlockingPool { try unconfinedDevices() }
            configuration.usesAllDevices = true
        }
        if !exec.devices.isEmpty {
            let names = exec.devices.map { String(decoding: $0.name, as: UTF8.self) }
            configuration = try await onBlockingPool { [configuration, registry = environment.devices] in
                var configuration = configuration
                try registry.give(names, to: &configuration)
                return configuration
            }
        }
        configuration.noteObstacle = { [context] in context.warn($0) }
        configuration.noteRestored = { root.note(restored: $0) }
        return configuration
    }

    /// Runs the process with its output on the way to the display.
    private func run(
        _ configuration: SandboxConfiguration,
        in sandboxes: SandboxRunner,
        _ failure: FailureWatch
    ) async throws -> ExitStatus {
        let log = StepLog(environment.logLimits, context)
        return try await withCleanUp {
            // As in BuildKit: nothing of a step counts once it is not to end well, so it gets no time to end.
            try await sandboxes.run(configuration, grace: .zero) { stream, bytes in
                failure.note(bytes)
                await log.write(bytes, stream == 2 ? .error : .output)
            }
        } finally: {
            await log.finish()
        }
    }

    /// Runs the process in a cgroup of its own where limits ask for one, and says which of them this host does not let be set.
    private func withControlGroup(
        _ failure: FailureWatch,
        _ body: (ControlGroup?) async throws -> ExitStatus
    ) async throws -> ExitStatus {
        let parent = exec.process.cgroupParent
        guard operation.resources != nil || !parent.isEmpty else { return try await body(nil) }
        if let reason = environment.sandboxes.obstacleToLimits {
            throw OperationError.unsupported(
                "a step cannot be held to the limits of --memory, --resource and the like: \(reason)"
            )
        }
        let limits = ControlGroup.Limits(operation.resources ?? LLB.Resources())
        let (group, refusals) = await onBlockingPool {
            parent.isEmpty ? ControlGroup.make(limits) : ControlGroup.make(limits, below: FilePath(bytes: parent))
        }
        for refusal in refusals {
            context.warn("a limit of --resource or --cgroup-parent could not be set: \(refusal)")
        }
        return try await withCleanUp {
            try await body(group)
        } finally: {
            await onBlockingPool {
                failure.note(outOfMemoryKills: group?.outOfMemoryKills() ?? 0)
                group?.remove()
            }
        }
    }

    /// What may keep a step for another platform from running.
    /// - Throws: the same where it surely will.
    private func obstacle() async throws -> SandboxError? {
        let machine = OCI.Platform.current
        let platform = operation.platform ?? machine
        let emulation = Emulation(machine: machine.architecture)
        let answer = try await onBlockingPool {
            try emulation.answer(os: platform.os, architecture: platform.architecture)
        }
        func error(_ reason: String) -> SandboxError {
            .foreignPlatform(
                "\(platform)",
                machine: "\(machine)",
                reason: reason
                    + "; or do the work with programs of this machine, in a stage FROM --platform=$BUILDPLATFORM"
            )
        }
        switch answer {
        case .runs: return nil
        case .uncertain(let reason): return error(reason)
        case .obstacle(let reason): throw error(reason)
        }
    }

    /// Adds the secrets that are variables; what the runtime is told then stays in memory.
    func withSecretVariables<Value>(
        _ variables: [SecretVariable],
        _ configuration: SandboxConfiguration,
        _ body: (SandboxRunner, SandboxConfiguration) async throws -> Value
    ) async throws -> Value {
        var configuration = configuration
        var hasSecrets = false
        for variable in variables {
            let offered = try await environment.client.secret(variable.id, isOptional: variable.isOptional)
            // As in BuildKit: a variable without a value is there, and empty.
            let value = offered?.revealBytes() ?? []
            guard !value.contains(0), String(validating: value, as: UTF8.self) != nil else {
                throw ClientServiceError.secretIsNoText(variable.id)
            }
            let prefix = variable.name + "="
            configuration.environment.removeAll { $0.starts(with: prefix) }
            configuration.environment.append(prefix + value)
            hasSecrets = hasSecrets || offered != nil
        }
        guard hasSecrets else { return try await body(environment.sandboxes, configuration) }
        return try await environment.withMemoryDirectory { directory in
            try await body(environment.sandboxes.writing(to: directory), configuration)
        }
    }

    private func proxyVariables(of process: Process) -> [[UInt8]] {
        guard let proxy = process.proxy else { return [] }
        let pairs = [
            ("HTTP_PROXY", proxy.http), ("HTTPS_PROXY", proxy.https), ("FTP_PROXY", proxy.ftp),
            ("NO_PROXY", proxy.none), ("ALL_PROXY", proxy.all),
        ]
        return pairs.filter { !$0.1.isEmpty }.flatMap { name, value in
            ["\(name)=" + value, "\(name.lowercased())=" + value]
        }
    }
}

extension FailureEvidence.Network {
    fileprivate init(_ network: SandboxConfiguration.Network) {
        switch network {
        case .host: self = .host
        case .none: self = .none
        case .namespace, .own: self = .own
        }
    }
}

extension ControlGroup.Limits {
    fileprivate init(_ resources: LLB.Resources) {
        self.init()
        if resources.memory != 0 { memory = resources.memory }
        if resources.memoryAndSwap != 0 { memoryAndSwap = resources.memoryAndSwap }
        if resources.processorShares != 0 { processorShares = resources.processorShares }
        if resources.processorPeriod != 0 { processorPeriod = resources.processorPeriod }
        if resources.processorQuota != 0 { processorQuota = resources.processorQuota }
        if !resources.processors.isEmpty { processors = resources.processors }
        if !resources.memoryNodes.isEmpty { memoryNodes = resources.memoryNodes }
    }
}
