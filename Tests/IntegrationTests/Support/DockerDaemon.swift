import Foundation
import SystemPackage
import Testing

/// `slipway daemon` with a store of its own that has busybox, and docker's client for it.
final class DockerDaemon: Sendable {
    let slipway: Slipway
    let scratch: TemporaryDirectory
    private let process: RunningProcess
    var socket: String { scratch.path + "/socket" }

    private init(_ slipway: Slipway, _ scratch: TemporaryDirectory) throws {
        self.slipway = slipway
        self.scratch = scratch
        process = try RunningProcess(
            try Slipway.binary,
            ["daemon", "--root", slipway.root, "--addr", "unix://\(scratch.path)/socket"],
            output: scratch.path + "/log"
        )
    }

    deinit { process.end() }

    static func start() async throws -> DockerDaemon {
        let (slipway, scratch) = try Slipway.isolated()
        let root = try await makeBusyboxRoot(in: FilePath(scratch.path), name: "busybox")
        let archive = scratch.path + "/busybox.tar"
        _ = try await runProgram("tar", ["-C", root.string, "-cf", archive, "."])
        try await slipway.succeed("import", archive, "busybox:latest")
        return try await DockerDaemon(slipway, scratch).ready()
    }

    private func ready() async throws -> DockerDaemon {
        for _ in 0..<1200 {
            if try await docker("version").status == 0 { return self }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw RegistryServer.NotReady()
    }

    /// Ends the daemon as a crash does.
    func kill() { process.end() }

    /// Another daemon with the same store, after this one's end.
    func next() async throws -> DockerDaemon { try await DockerDaemon(slipway, scratch).ready() }

    /// What a client of Docker's finds in its environment.
    var variables: [String: String] {
        ["DOCKER_HOST": "unix://\(socket)", "DOCKER_BUILDKIT": "1", "DOCKER_CONFIG": scratch.path + "/docker"]
    }

    func docker(
        _ arguments: String...,
        environment: [String: String] = [:],
        input: [UInt8] = []
    ) async throws -> ProgramResult {
        let variables = variables.merging(environment) { $1 }
        return try await runProgram("/usr/bin/docker", arguments, environment: variables, input: input)
    }

    /// Runs a command that must succeed and gives its output without the end of the last line.
    @discardableResult
    func succeed(
        _ arguments: String...,
        input: [UInt8] = [],
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> String {
        let result = try await runProgram("/usr/bin/docker", arguments, environment: variables, input: input)
        try #require(
            result.status == 0,
            "docker \(arguments.joined(separator: " ")): \(result.errorText)",
            sourceLocation: sourceLocation
        )
        return result.text.hasSuffix("\n") ? String(result.text.dropLast()) : result.text
    }

    /// What the daemon answers to a request with a file as its body.
    func ask(_ path: String, body: String) async throws -> String {
        let request = ["-sS", "--unix-socket", socket, "--data-binary", "@" + body, "http://localhost" + path]
        return try await runProgram("curl", request).text
    }

    /// Runs a command on a terminal.
    func onTerminal(
        _ arguments: String...,
        body: @escaping @Sendable (TerminalSession) async throws -> Void
    ) async throws -> (rest: String, status: CInt) {
        try await TerminalSession.run("/usr/bin/docker", arguments, variables, body)
    }

    /// Sends a request with nothing else than it says.
    /// - Returns: the status and the body.
    func request(_ method: String, _ path: String, body: String? = nil) async throws -> (status: Int, body: String) {
        var arguments = ["-s", "--max-time", "60", "--unix-socket", socket, "-X", method, "-w", "\n%{http_code}"]
        if method == "HEAD" { arguments.append("--head") }
        if body != nil { arguments += ["-H", "Content-Type: application/json", "--data-binary", "@-"] }
        let result = try await runProgram(
            "curl",
            arguments + ["http://localhost" + path],
            input: Array((body ?? "").utf8)
        )
        let lines = result.text.split(separator: "\n", omittingEmptySubsequences: false)
        return (Int(lines.last ?? "") ?? 0, lines.dropLast().joined(separator: "\n"))
    }
}
