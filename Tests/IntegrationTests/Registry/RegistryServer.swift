import Foundation
import Glibc
import HTTP
import SystemPackage

/// A registry of the distribution project on a loopback port, with its storage below a test's scratch directory.
final class RegistryServer: Sendable {
    enum Access: Sendable {
        case open
        /// User `tester`, password `secret`.
        case password
        /// TLS with a certificate of a private authority.
        case tls(Certificates)
    }

    struct NotReady: Error {}

    let port: Int
    private let process: RunningProcess
    var host: String { "127.0.0.1:\(port)" }

    private init(port: Int, process: RunningProcess) {
        self.port = port
        self.process = process
    }

    deinit { process.end() }

    func stop() { process.end() }

    static func start(in root: FilePath, _ access: Access = .open) async throws -> RegistryServer {
        let directory = root.appending("registry-\(UUID().uuidString)").string
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let port = try freePort()
        var lines = [
            "version: 0.1", "log: {level: error}", "storage:", "  filesystem: {rootdirectory: \(directory)/data}",
            // Manifests may name other places for their layers.
            "validation: {manifests: {urls: {allow: ['^http://127[.]0[.]0[.]1:']}}}",
            "http:",
            "  addr: 127.0.0.1:\(port)",
        ]
        switch access {
        case .open: break
        case .password:
            let hash = "$2b$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"
            try Data("tester:\(hash)\n".utf8).write(to: URL(filePath: "\(directory)/htpasswd"))
            lines += ["auth:", "  htpasswd: {realm: test, path: \(directory)/htpasswd}"]
        case .tls(let certificates):
            lines += ["  tls: {certificate: \(certificates.certificate), key: \(certificates.key)}"]
        }
        let file = "\(directory)/config.yml"
        try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(filePath: file))
        let process = try RunningProcess("docker-registry", ["serve", file], output: "\(directory)/log")
        for _ in 0..<2400 {
            if isListening(port) { return RegistryServer(port: port, process: process) }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw NotReady()
    }
}

/// A program in the background, ended with the object.
final class RunningProcess: @unchecked Sendable {
    // Started once and then only ended: Foundation's object is not touched by two threads at a time.
    private let process = Process()

    init(_ program: String, _ arguments: [String], output: String) throws {
        guard let path = findProgram(program) else { throw ProgramNotFound(name: program) }
        try Data().write(to: URL(filePath: output))
        process.executableURL = URL(filePath: path)
        process.arguments = arguments
        let log = try FileHandle(forWritingTo: URL(filePath: output))
        process.standardOutput = log
        process.standardError = log
        process.standardInput = FileHandle.nullDevice
        try process.run()
    }

    /// A program that closes what it inherits, by which Foundation would take it for ended and wait for it with everything else.
    static func behind(_ command: [String], output: String) throws -> RunningProcess {
        // Whoever is killed cannot end what it started: the end of the pipe tells a second process to.
        let script = """
            import os, signal, subprocess, sys
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            program = subprocess.Popen(sys.argv[1:])
            reader, writer = os.pipe()
            if os.fork() == 0:
                os.close(writer)
                os.read(reader, 1)
                os.kill(program.pid, signal.SIGKILL)
                os._exit(0)
            program.wait()
            """
        return try RunningProcess("python3", ["-c", script] + command, output: output)
    }

    var isRunning: Bool { process.isRunning }

    func end() {
        guard process.isRunning else { return }
        // Foundation starts a program with the signals blocked that the thread has blocked that starts it: SIGTERM may never arrive.
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }
}

/// An authority made for one test, and a certificate of it for 127.0.0.1.
struct Certificates: Sendable {
    let authority: String
    let certificate: String
    let key: String

    static func make(in root: FilePath) async throws -> Certificates {
        let directory = root.string
        func openssl(_ arguments: [String]) async throws {
            let result = try await runProgram("openssl", arguments)
            guard result.status == 0 else { throw RegistryServer.NotReady() }
        }
        try await openssl([
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=Test Authority", "-keyout",
            "\(directory)/ca.key",
            "-out", "\(directory)/ca.pem",
        ])
        try await openssl([
            "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-keyout", "\(directory)/server.key",
            "-out",
            "\(directory)/server.csr",
        ])
        try Data("subjectAltName=IP:127.0.0.1,DNS:localhost\n".utf8).write(to: URL(filePath: "\(directory)/san"))
        try await openssl([
            "x509", "-req", "-in", "\(directory)/server.csr", "-CA", "\(directory)/ca.pem", "-CAkey",
            "\(directory)/ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", "\(directory)/san", "-out", "\(directory)/server.pem",
        ])
        return Certificates(
            authority: "\(directory)/ca.pem",
            certificate: "\(directory)/server.pem",
            key: "\(directory)/server.key"
        )
    }
}

private func loopback(_ port: Int) -> sockaddr_in {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
    return address
}

private func withAddress<Value>(_ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Value) -> Value {
    var address = loopback(port)
    return withUnsafePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
    }
}

/// A port of the loopback interface that nobody listens on.
func freePort() throws -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    guard withAddress(0, { bind(descriptor, $0, $1) }) == 0 else { throw RegistryServer.NotReady() }
    var address = sockaddr_in()
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let code = withUnsafeMutablePointer(to: &address) {
        $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
    }
    guard code == 0 else { throw RegistryServer.NotReady() }
    return Int(in_port_t(bigEndian: address.sin_port))
}

/// Whether somebody listens on a port of the loopback interface.
func isListening(_ port: Int) -> Bool {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    return withAddress(port, { connect(descriptor, $0, $1) }) == 0
}
