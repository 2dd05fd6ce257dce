import DockerfileSyntax
import LLB
internal import OCI
internal import Text

/// RUN.
extension StageBuilder {
    /// What RUN executes, after its heredocs have been dealt with.
    private struct Execution {
        var arguments: [[UInt8]]
        /// What history shows: for a script the script, not the shell's way to it.
        var mounts = RunMounts()
        /// Mounts that no flag asked for.
        var extraMounts: [Mount] = []
        var titleText: [UInt8]
    }

    mutating func run(_ run: Run, _ command: StageNode.Command) throws {
        try checkEntitlements(of: run)
        var execution = try execution(of: run, command.instruction)
        guard !execution.arguments.isEmpty else { throw failure(.emptyCommand(instruction: "RUN")) }
        execution.mounts = try mounts(of: run, command)
        if options.sharedMemorySize > 0 {
            execution.extraMounts.append(
                Mount(.temporary(size: options.sharedMemorySize), at: "/dev/shm")
            )
        }
        var expander = translator.expander
        expander.keepsQuotes = true
        expander.keepsUnset = true
        let title = self.title(titleText(execution.titleText, expander, masked(run)))
        let history = historyLine(execution.arguments)
        try execute(execution, run, title: title, text: command.instruction.text)
        state.record(history, hasLayer: true)
    }

    private mutating func execute(_ execution: Execution, _ run: Run, title: [UInt8], text: [UInt8]) throws {
        var process = Process(
            arguments: execution.arguments,
            environment: state.variables.ordered.map { $0.name + "=" + $0.value },
            directory: state.directory,
            user: state.user
        )
        let hostname = options.buildArguments["BUILDKIT_SANDBOX_HOSTNAME"] ?? []
        process.hostname = hostname.isEmpty ? options.hostname : hostname
        process.extraHosts = options.extraHosts
        process.limits = options.limits
        process.cgroupParent = options.cgroupParent
        process.removesMountStubsRecursively = true
        process.proxy = proxies(in: options.buildArguments)
        let agentVariable: [UInt8] = "SSH_AUTH_SOCK="
        if let agent = execution.mounts.agents.first,
            !process.environment.contains(where: { $0.starts(with: agentVariable) })
        {
            process.environment.append(agentVariable + agent.destination)
        }
        var exec = Exec(
            process: process,
            mounts: [.root(state.output)] + execution.mounts.ordered(with: execution.extraMounts)
        )
        exec.secretEnvironment = execution.mounts.secretVariables
        exec.network = try network(of: run)
        exec.security = run.security == .insecure ? .insecure : .sandbox
        exec.devices = run.devices.map(Self.device)
        var metadata = Metadata(name: title, description: [Self.commandKey: text], ignoresCache: ignoresCache)
        metadata.resources = options.resources
        do throws(LLBError) {
            state.output = try Output.run(exec, platform: state.platform, metadata: metadata)
        } catch {
            throw failure(.definition(error))
        }
        remember(state.output)
    }

    private func checkEntitlements(of run: Run) throws(FrontendError) {
        if run.security == .insecure, !options.allowsInsecure { throw failure(.insecureNotAllowed) }
        for device in run.devices {
            if let obstacle = options.deviceObstacle(Self.device(device)) { throw failure(.device(obstacle)) }
        }
    }

    private static func device(_ device: DeviceFlag) -> Device {
        Device(name: device.name, isOptional: !device.isRequired)
    }

    private func network(of run: Run) throws(FrontendError) -> NetworkMode {
        switch run.network {
        case .default: return options.network
        case .none: return .none
        case .host:
            guard options.allowsHostNetwork else { throw failure(.hostNetworkNotAllowed) }
            return .host
        }
    }

    private func execution(of run: Run, _ instruction: Instruction) throws(FrontendError) -> Execution {
        let text: [UInt8]
        switch run.commandLine {
        case .exec(let words): return Execution(arguments: words, titleText: instruction.text)
        case .shell(let line): text = line
        }
        guard let first = instruction.heredocs.first else {
            return Execution(arguments: state.withShell(text), titleText: instruction.text)
        }
        guard Self.isOnlyHeredoc(text, instruction.heredocs) else {
            // The shell reads its heredocs itself: it gets them as they stand.
            let script = instruction.heredocs.reduce(text) { $0 + [0x0a] + $1.content + $1.name }
            return Execution(arguments: state.withShell(script), titleText: instruction.text)
        }
        let content = first.effectiveContent
        let title = instruction.text + " (" + Self.summary(first.content) + ")"
        guard content.starts(with: "#!"), state.platform.os != "windows" else {
            return Execution(arguments: state.withShell(content), titleText: title)
        }
        // A script with an interpreter of its own is a file that is run.
        let directory: [UInt8] = "/dev/pipes/"
        let file = try inlineFile(InlineDocument(name: first.name, content: content, expands: false), mode: 0o755)
        return Execution(
            arguments: state.withShell(joinedPath(directory, first.name)),
            extraMounts: [Mount(of: file, at: directory, isReadOnly: true)],
            titleText: title
        )
    }

    /// Whether the line is one heredoc and nothing else.
    private static func isOnlyHeredoc(_ text: [UInt8], _ heredocs: [Heredoc]) -> Bool {
        guard heredocs.count == 1, let heredoc = heredocs.first else { return false }
        var rest = text.drop { ("0"..."9").contains($0) }
        guard rest.starts(with: "<<") else { return false }
        rest = rest.dropFirst(2)
        if heredoc.stripsTabs { rest = rest.dropFirst() }
        let word = Array(rest.drop { $0 == 0x20 || $0 == 0x09 })
        var expander = WordExpander()
        expander.keepsUnset = true
        guard let words = try? expander.expand(word, with: Variables()).words else { return false }
        return words == [heredoc.name]
    }

    /// The first line of a document, and dots where there are more.
    private static func summary(_ content: [UInt8]) -> [UInt8] {
        let lines = content.trimmed.split(separator: 0x0a, omittingEmptySubsequences: false)
        let first = lines.first.map { Array($0) } ?? []
        let line = first.last == 0x0d ? Array(first.dropLast()) : first
        return lines.count > 1 ? line + "..." : line
    }

    /// `RUN |N name=value … command # buildkit`: the declared arguments are part of the line.
    private func historyLine(_ arguments: [[UInt8]]) -> [UInt8] {
        var names: [[UInt8]] = []
        var values: [[UInt8]: [UInt8]] = [:]
        for argument in state.arguments {
            if values[argument.name] == nil { names.append(argument.name) }
            values[argument.name] = state.variables[argument.name] ?? argument.value ?? []
        }
        var line: [UInt8] = "RUN "
        if !names.isEmpty { line += "|\(names.count) " }
        for name in names { line += name + "=" + (values[name] ?? []) + [0x20] }
        return line + Array(arguments.joined(separator: [0x20])) + " # buildkit"
    }
}
