import Foundation
import LinuxSystem
import Synchronization
import SystemPackage
import Testing
import Text

/// The program under test on a terminal of its own, typed at and read from.
final class TerminalSession: Sendable {
    struct Missing: Error, CustomStringConvertible {
        let text: String
        let screen: String
        var description: String { "the terminal never showed \(text.debugDescription), but \(screen.debugDescription)" }
    }

    private let terminal: PseudoTerminal
    private let reader: ByteReader
    private let writer: ByteWriter
    private let child: ChildProcess
    /// What was read and not expected yet.
    private let pending = Mutex<[UInt8]>([])

    private init(_ terminal: PseudoTerminal, _ child: ChildProcess) throws {
        self.terminal = terminal
        self.child = child
        reader = try terminal.makeReader()
        writer = try terminal.makeWriter()
    }

    /// Runs a command on a terminal of 30 rows and 90 columns while `body` uses it, and then to its end.
    /// - Returns: what it wrote after that, and its exit status; 137 where it did not end within 20 seconds.
    static func run(
        _ slipway: Slipway,
        _ arguments: [String],
        _ body: @escaping @Sendable (TerminalSession) async throws -> Void = { _ in }
    ) async throws -> (rest: String, status: CInt) {
        try await run(
            Slipway.binary,
            arguments,
            slipway.environment.merging(["SLIPWAY_ROOT": slipway.root]) { $1 },
            body
        )
    }

    /// The same for another program.
    static func run(
        _ program: String,
        _ arguments: [String],
        _ variables: [String: String],
        _ body: @escaping @Sendable (TerminalSession) async throws -> Void = { _ in }
    ) async throws -> (rest: String, status: CInt) {
        let session = try await start(program, arguments, variables)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await Task.sleep(for: .seconds(20))
                try session.child.send(signal: .kill)
            }
            defer { group.cancelAll() }
            do { try await body(session) } catch {
                try session.child.send(signal: .kill)
                throw error
            }
            let status = try await session.child.wait()
            return (try await session.rest(), status.shellCode)
        }
    }

    /// Starts a command; its side of the terminal is open nowhere else.
    private static func start(
        _ program: String,
        _ arguments: [String],
        _ more: [String: String]
    ) async throws -> TerminalSession {
        let (terminal, device) = try await onBlockingPool { try PseudoTerminal.make() }
        try terminal.resize(TerminalSize(rows: 30, columns: 90))
        var command = ChildProcessConfiguration(.path(FilePath(program)), arguments)
        let variables = ProcessInfo.processInfo.environment.merging(more) { $1 }
        command.environment = variables.map { "\($0)=\($1)" }
        command.files = [0: .open(device), 1: .open(device), 2: .open(device)]
        command.grouping = .ownTerminalSession
        return try TerminalSession(terminal, try await ChildProcess.start(command))
    }

    /// Types.
    func type(_ text: String) async throws { try await writer.write(Array(text.utf8)) }

    func resize(rows: UInt16, columns: UInt16) throws {
        try terminal.resize(TerminalSize(rows: rows, columns: columns))
    }

    /// Reads until the program has written a text, and forgets all up to there.
    func expect(_ text: String) async throws {
        while true {
            let isFound = pending.withLock { bytes in
                let screen = String(decoding: bytes, as: UTF8.self)
                guard let range = screen.range(of: text) else { return false }
                bytes = Array(screen[range.upperBound...].utf8)
                return true
            }
            if isFound { return }
            guard let bytes = try await reader.read() else {
                throw Missing(text: text, screen: pending.withLock { String(decoding: $0, as: UTF8.self) })
            }
            pending.withLock { $0 += bytes }
        }
    }

    /// What is left to read: the terminal keeps it after the program's end.
    private func rest() async throws -> String {
        while let bytes = try await reader.read() { pending.withLock { $0 += bytes } }
        return pending.withLock { String(decoding: $0, as: UTF8.self) }
    }
}
