internal import FoundationEssentials
internal import LinuxSystem
internal import SystemPackage

/// The program that keeps one process in a root of its own where no namespaces can be made: its parent, and that of everything that
/// the process leaves behind.
///
/// It ends when the process does, or when the other end of its commands is closed, as when the builder was killed; and
/// nothing that the process has started is left then.
package enum SandboxKeeper {
    /// The word on the command line that makes a keeper of this program.
    package static let command = "__keep-process"

    /// Which descriptors lead where, besides the process's own three.
    static let (request, commands, report, root): (CInt, CInt, CInt, CInt) = (3, 4, 5, 6)

    /// Does a keeper's work; the process has no other thread.
    /// - Returns: the exit status of the keeper, which says nothing of that of the process.
    @available(*, noasync, message: "call it at the start of main")
    package static func run() -> Int32 {
        let reports = OpenFile(owning: report, path: "report")
        do {
            let request = try JSONDecoder().decode(
                KeeperRequest.self,
                from: Data(try OpenFile(owning: Self.request, path: "request").readToEnd(limit: 64 << 20))
            )
            try say(try keep(request), on: reports)
            return 0
        } catch let error as SystemCallError {
            do {
                try say(KeeperReport(error), on: reports)
                return 0
            } catch {
                return 125
            }
        } catch {
            return 125
        }
    }

    private static func say(_ report: KeeperReport, on file: OpenFile) throws {
        try file.write(Array(try JSONEncoder().encode(report)))
    }

    private static func keep(_ request: KeeperRequest) throws -> KeeperReport {
        let commands = OpenFile(owning: commands, path: "commands")
        let processes = try DescendantProcesses()
        let signalRules = try AccessRules.ofSignals()
        try signalRules?.restrictCaller()
        let first = try ChildProcess.startUnwatched(try configuration(request))
        var status: ExitStatus?
        while status == nil {
            if try processes.waitForEnd(orReading: commands), try !handOn(commands, to: first, processes) { break }
            while let ended = try processes.nextEnded() {
                if ended.process == first { status = ended.status }
            }
        }
        while true {
            if signalRules == nil { try killDescendants() } else { processes.killAll() }
            guard let ended = try processes.nextEnded(waiting: true) else { break }
            if ended.process == first { status = ended.status }
        }
        return KeeperReport(status ?? .signaled(.kill))
    }

    private static func configuration(_ request: KeeperRequest) throws -> ChildProcessConfiguration {
        let root = OpenFile(owning: Self.root, path: "/")
        var confinement = ProcessConfinement(userID: request.userID, groupID: request.groupID)
        confinement.root = root
        confinement.rules = try AccessRules.beneath(root)
        confinement.groups = request.groups
        confinement.capabilities = request.capabilities
        confinement.boundingCapabilities = request.boundingCapabilities
        confinement.limits = request.limits
        confinement.filter = Array(request.filter)
        var configuration = ChildProcessConfiguration(
            .path(FilePath(bytes: request.program)),
            request.arguments.dropFirst().map { Array($0) }
        )
        configuration.name = request.arguments.first.map { Array($0) }
        configuration.environment = request.environment.map { Array($0) }
        configuration.workingDirectory = FilePath(bytes: request.workingDirectory)
        configuration.grouping = request.hasTerminal ? .ownTerminalSession : .ownSession
        configuration.files = [0: .inherited, 1: .inherited, 2: .inherited]
        configuration.confinement = confinement
        return configuration
    }

    /// Sends the process the signals that were asked for.
    /// - Returns: whether more may come; no more do if the other end is closed.
    private static func handOn(
        _ commands: OpenFile,
        to process: Int32,
        _ processes: DescendantProcesses
    ) throws -> Bool {
        var numbers = [UInt8](repeating: 0, count: 64)
        let count = try numbers.withUnsafeMutableBytes { try commands.read(into: $0) }
        for number in numbers[..<count] { processes.send(Signal(rawValue: CInt(number)), to: process) }
        return count > 0
    }

    /// Kills what descends from this process, as far as it can be seen now.
    private static func killDescendants() throws {
        let parents = try NestedProcesses.parents()
        let children = Dictionary(grouping: parents.keys) { parents[$0] ?? 0 }
        var pending = [ProcessContext.processID]
        while let parent = pending.popLast() {
            for child in children[parent] ?? [] {
                pending.append(child)
                try ProcessReference(processID: child)?.send(signal: .kill)
            }
        }
    }
}
