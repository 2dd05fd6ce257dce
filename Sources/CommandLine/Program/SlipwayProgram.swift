internal import LinuxSystem
internal import Sandboxes
internal import SystemPackage
package import Terminal

/// The program from its arguments to its exit status.
///
/// `start` is synchronous on purpose: what must happen before the process has a second thread happens there, and help and
/// `--version` are answered without starting anything.
package enum SlipwayProgram {
    /// What `start` leads to.
    package enum Start: Sendable {
        /// Everything is done.
        case finished(CommandStatus)
        case running(RunningCommand)
    }

    /// Understands the command line, whose first word is the program's name, answers what needs no engine, and prepares the
    /// process for the rest.
    package static func start(_ arguments: [[UInt8]]) -> Start {
        StandardStream.openMissing()
        FileModeMask.takeOver()
        if arguments.dropFirst().first.map({ $0.elementsEqual(SandboxKeeper.command.utf8) }) ?? false {
            return .finished(CommandStatus(rawValue: SandboxKeeper.run()))
        }
        let width = TerminalSize(of: StandardStream.input.descriptor).map { Int($0.columns) } ?? 80
        let tree = CommandTree(SlipwayCommands.all, width: width)
        do throws(LocatedUsageError) {
            var global = GlobalOptions()
            switch try understand(Array(arguments.dropFirst()), tree, &global) {
            case .help(let text):
                return .finished(print(text))
            case .run(let command):
                return launch(command, global)
            }
        } catch {
            return .finished(print(error.text, to: .error, status: error.error.exitStatus))
        }
    }

    /// Everything that needs only the command line itself.
    static func understand(
        _ arguments: [[UInt8]],
        _ tree: CommandTree<SlipwayEnvironment>,
        _ global: inout GlobalOptions
    ) throws(LocatedUsageError) -> Invocation<SlipwayEnvironment> {
        let parsed: ParsedArguments
        do throws(UsageError) {
            let parser = FlagParser(GlobalOptions.flags, allowsFlagsAfterArguments: false)
            parsed = try parser.parse(arguments, into: &global)
        } catch {
            throw LocatedUsageError(error, path: [], usage: "[OPTIONS] COMMAND [ARG...]")
        }
        if global.showsVersion { return .help(SlipwayVersion.line + "\n") }
        if parsed.asksForHelp { return .help(tree.programHelp()) }
        return try tree.parse(parsed.positional)
    }

    private static func launch(_ command: any RunnableCommand<SlipwayEnvironment>, _ global: GlobalOptions) -> Start {
        do {
            try ProcessContext.requireProc()
            var global = global
            if command.isDebugging { global.isDebugging = true }
            var environment = try SlipwayEnvironment(global: global, router: SignalRouter())
            try environment.requirePlace(of: command)
            // While there is one thread: what is mounted from here on is gone with the process, however it ends.
            environment = environment.with(try environment.takePrivileges(for: command))
            try requireThreads()
            let signals = try ProcessSignals.receive([
                .interrupt, .terminate, .hangUp, .quit, .windowChange, .user1, .user2,
            ])
            return .running(RunningCommand(command: command, environment: environment, signals: signals))
        } catch {
            return .finished(print("Error: \(error)\n", to: .error, status: .failure))
        }
    }

    private static func print(
        _ text: String,
        to stream: StandardStream = .output,
        status: CommandStatus = .success
    ) -> CommandStatus {
        do throws(SystemCallError) {
            try stream.writeAll(Array(safeLines(text).utf8))
            return status
        } catch {
            return error.errno == .brokenPipe ? .brokenPipe : .failure
        }
    }
}

/// Which Slipway this is.
package enum SlipwayVersion {
    package static let number = "0.1.0"
    package static let line = "Slipway version \(number)"
}

/// One command, running.
package struct RunningCommand: Sendable {
    let command: any RunnableCommand<SlipwayEnvironment>
    let environment: SlipwayEnvironment
    let signals: ProcessSignalSource

    /// Runs the command to its end, or to the first signal that ends it.
    /// - Returns: the exit status of the process.
    package func run() async -> CommandStatus {
        // Awaited right below; its cancellation is what signals do.
        let work = Task { try await command.run(environment) }
        // Ends with the process: it only ever waits for the next signal.
        let listener = Task {
            while let signal = try? await signals.next() {
                environment.router.receive(signal) { work.cancel() }
            }
        }
        defer { listener.cancel() }
        switch await work.result {
        case .success(let status):
            return environment.router.statusOfInterruption ?? status
        case .failure(let error):
            return await FailureReport(
                error,
                interruptedBy: environment.router.statusOfInterruption,
                isDebugging: environment.global.isDebugging
            ).write(to: environment.errorOutput)
        }
    }
}
