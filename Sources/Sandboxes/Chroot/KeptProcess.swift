internal import FoundationEssentials
internal import LinuxSystem
internal import Synchronization
internal import SystemPackage

/// A process in a root of its own, as its keeper lets it be handled.
final class KeptProcess: Sendable {
    let keeper: ChildProcess
    private let program: [UInt8]
    /// The end of the keeper's commands: once it is closed, the keeper ends everything.
    private let commands: Mutex<OpenFile?>
    /// Ends when the keeper does.
    private let report: Task<KeeperReport?, any Error>

    private init(keeper: ChildProcess, commands: OpenFile, program: [UInt8]) {
        self.keeper = keeper
        self.program = program
        self.commands = Mutex(commands)
        let reports = keeper.reader(SandboxKeeper.report)
        // Awaited by all that ask how the process ended.
        report = Task {
            let bytes = try await reports?.readToEnd(limit: 1 << 20) ?? []
            _ = try await keeper.wait()
            return try? JSONDecoder().decode(KeeperReport.self, from: Data(bytes))
        }
    }

    /// Starts a keeper, and with it the process.
    static func start(
        _ chroot: PreparedChroot,
        by program: Program,
        _ configuration: SandboxConfiguration,
        _ streams: SandboxRunner.Streams,
        terminal: OpenFile?
    ) async throws -> KeptProcess {
        var keeper = ChildProcessConfiguration(program, [SandboxKeeper.command])
        // It sees to its end itself, after that of what it keeps.
        keeper.diesWithParent = false
        keeper.grouping = .ownSession
        keeper.controlGroup = configuration.controlGroup?.unified
        keeper.controlGroups = configuration.controlGroup?.entrances ?? []
        let commands = try makePipe()
        keeper.files = [
            0: streams.input, 1: streams.output, 2: streams.errors,
            SandboxKeeper.request: .open(chroot.request), SandboxKeeper.commands: .open(commands.reading),
            SandboxKeeper.report: .pipeFromChild, SandboxKeeper.root: .open(chroot.root),
        ]
        if let terminal { for stream: CInt in 0...2 { keeper.files[stream] = .open(terminal) } }
        let child = try await ChildProcess.start(keeper)
        return KeptProcess(
            keeper: child,
            commands: commands.writing,
            program: configuration.arguments.first ?? []
        )
    }

    /// Sends the process a signal.
    func send(signal: Signal) throws(SystemCallError) {
        guard let commands = commands.withLock({ $0 }) else { return }
        do throws(SystemCallError) {
            try commands.write([UInt8(clamping: signal.rawValue)])
        } catch {
            // It has ended.
            if error.errno != .brokenPipe { throw error }
        }
    }

    /// Waits for its end.
    func wait() async throws -> ExitStatus {
        let status = try await keeper.wait()
        return try await outcome()?.status ?? status
    }

    /// Why it could not be started; nil where it was.
    func failure() async throws -> SandboxError? {
        guard let report = try await outcome() else { return .keeperFailed }
        return report.failure(program: program)
    }

    /// Ends it if it has not ended, and waits until all of it is gone, even in a cancelled task.
    /// - Returns: how it ended.
    func end(_ grace: Duration) async throws -> ExitStatus {
        if keeper.statusIfEnded == nil, grace > .zero {
            try send(signal: .terminate)
            _ = await keeper.hasEnded(within: grace)
        }
        commands.withLock { $0 = nil }
        // Waiting in a task of its own: this one may be cancelled, and the process is as good as gone.
        return try await Task { try await self.wait() }.value
    }

    private func outcome() async throws -> KeeperReport? { try await report.value }
}
