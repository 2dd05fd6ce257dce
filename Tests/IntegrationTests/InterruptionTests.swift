import Foundation
import Glibc
import LinuxSystem
import Sandboxes
import Storage
import SystemPackage
import Testing
import Text

/// Ctrl-C: SIGINT to the process group of a command.
@Suite(.requires(.root, .program("crun"), .program("docker-registry"), .program("skopeo")))
struct `Commands interrupted` {
    private let scratch: TemporaryDirectory
    private let marker = ProcessMarker()
    private let slipway: Slipway

    init() throws {
        scratch = try TemporaryDirectory()
        slipway = Slipway(root: scratch.path + "/store", environment: marker.environment)
    }

    private func path(_ name: String) -> String { scratch.path + "/" + name }

    private func context(_ dockerfile: String) throws -> String {
        try scratch.write(dockerfile, to: "context/Dockerfile")
        return path("context")
    }

    private func makeBase() async throws {
        let archive = path("busybox.tar")
        try await Slipway.shared().succeed("save", "-o", archive, "busybox")
        try await slipway.succeed("load", "-i", archive)
    }

    /// Starts a command in a process group of its own, interrupts it as soon as `condition` holds, and waits for its end.
    ///
    /// The group is stopped while it is looked at, so that it cannot end between the look and the signal.
    private func interrupt(
        _ arguments: [String],
        when condition: (_ output: String) throws -> Bool,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> String {
        let log = path("log-\(UUID().uuidString)")
        let output = try await onBlockingPool { try OpenFile.open(FilePath(log), [.writeOnly, .create, .append]) }
        var configuration = ChildProcessConfiguration(.path(FilePath(try Slipway.binary)), arguments)
        configuration.environment = ProcessInfo.processInfo.environment
            .merging(slipway.environment.merging(["SLIPWAY_ROOT": slipway.root]) { $1 }) { $1 }
            .map { "\($0.key)=\($0.value)" }
        configuration.files = [1: .open(output), 2: .open(output)]
        let process = try await ChildProcess.start(configuration)
        while process.statusIfEnded == nil {
            _ = kill(-process.processID, SIGSTOP)
            let isTime = try condition(try String(contentsOfFile: log, encoding: .utf8))
            if isTime { _ = kill(-process.processID, SIGINT) }
            _ = kill(-process.processID, SIGCONT)
            if isTime { break }
            try await Task.sleep(for: .milliseconds(3))
        }
        let status = try await process.wait()
        let text = try String(contentsOfFile: log, encoding: .utf8)
        #expect(status.shellCode == 130, "\(arguments): \(text)", sourceLocation: sourceLocation)
        try await expectNothingLeft(of: slipway, marker, "\(arguments)", sourceLocation: sourceLocation)
        return text
    }

    /// Whether a file has been written below the store's scratch directory.
    private func hasScratchFiles(atLeast count: Int) -> Bool {
        let files = FileManager.default.enumerator(atPath: slipway.root + "/tmp")
        var seen = 0
        while seen < count, files?.nextObject() != nil { seen += 1 }
        return seen >= count
    }

    @Test func `a step that runs`() async throws {
        try await makeBase()
        let context = try context(
            """
            FROM busybox
            ENV \(marker.name)=\(marker.value)
            RUN trap '' INT TERM; sleep 100000 & echo ready-$((1+1)); wait; sleep 100000
            """
        )
        let names = SandboxNetworks(name: StoreLayout(root: FilePath(slipway.root)).tag)
        _ = try await interrupt(["build", "--progress=plain", context]) { output in
            guard output.contains("ready-2") else { return false }
            let devices = try String(contentsOfFile: "/proc/net/dev", encoding: .utf8)
            #expect(devices.contains(names.interfacePrefix), "\(devices)")
            return true
        }
    }

    @Test func `a container that is attached`() async throws {
        try await makeBase()
        let text = try await interrupt([
            "run", "--rm", "--network", "none", "-e", "\(marker.name)=\(marker.value)", "busybox", "sh", "-c",
            "trap 'exit 130' INT; echo ready; while :; do sleep 0.1; done",
        ]) { $0.contains("ready") }
        #expect(text.hasPrefix("ready"))
        #expect(try await slipway.succeed("ps", "-aq") == "")
    }

    @Test func `a pull`() async throws {
        let registry = try await RegistryServer.start(in: FilePath(scratch.path))
        let size = 32 << 20
        try await ForeignImage.make(in: FilePath(scratch.path), [["big": noise(size)]])
            .push(to: "\(registry.host)/big:1")
        let proxy = try await CuttingProxy.start(to: registry.port, pause: size / 2)
        _ = try await interrupt(["pull", "127.0.0.1:\(proxy.port)/big:1"]) { _ in proxy.passed > size / 2 }
        #expect(try await slipway.succeed("images", "-aq") == "")
        // What had arrived serves the next pull.
        proxy.resume()
        let before = proxy.passed
        try await slipway.succeed("pull", "-q", "127.0.0.1:\(proxy.port)/big:1")
        #expect(proxy.passed - before < size)
    }

    private func makeLargeTree(_ files: Int) async throws {
        let made = try await runProgram(
            "sh",
            ["-ec", "mkdir -p context/tree; cd context/tree; seq 1 \(files) | split -l 1 -a 4 - file"],
            in: scratch.url
        )
        try #require(made.status == 0, "\(made.errorText)")
    }

    @Test func `the copy of a large tree`() async throws {
        try await makeLargeTree(6_000)
        let context = try context("FROM scratch\nCOPY tree /tree\n")
        _ = try await interrupt(["build", context]) { _ in hasScratchFiles(atLeast: 50) }
        #expect(try await slipway.succeed("images", "-aq") == "")
    }

    @Test func `an export`() async throws {
        try await makeLargeTree(24_000)
        let context = try context("FROM scratch\nCOPY tree /tree\n")
        try await slipway.succeed("build", "-q", context)
        try FileManager.default.createDirectory(atPath: path("out"), withIntermediateDirectories: true)
        let names = { try FileManager.default.contentsOfDirectory(atPath: path("out")).sorted() }
        for type in ["tar", "oci", "docker"] {
            // The file has no name before it is whole: the progress tells when it is written.
            _ = try await interrupt(["build", "-o", "type=\(type),dest=\(path("out"))/result.tar", context]) {
                $0.contains("exporting to")
            }
            #expect(try names() == [], "\(type)")
        }
        // What stands there stays until it is replaced by the whole.
        try scratch.write("old", to: "out/result.tar")
        _ = try await interrupt(["build", "-o", "type=tar,dest=\(path("out"))/result.tar", context]) {
            $0.contains("exporting to")
        }
        #expect(try names() == ["result.tar"])
        #expect(try String(contentsOfFile: path("out/result.tar"), encoding: .utf8) == "old")
        let directory = path("out/files")
        _ = try await interrupt(["build", "-o", directory, context]) { _ in
            FileManager.default.fileExists(atPath: directory + "/tree")
        }
        // Files appear whole: no name of a file in the making is left.
        let written = try FileManager.default.contentsOfDirectory(atPath: directory + "/tree")
        #expect(written.allSatisfy { $0.hasPrefix("file") })
        #expect(
            try written.allSatisfy { name in
                try String(contentsOfFile: "\(directory)/tree/\(name)", encoding: .utf8).hasSuffix("\n")
            }
        )
    }
}
