import Foundation
import Testing

/// The program under test, with a store of its own.
struct Slipway: Sendable {
    /// The directory of the store.
    let root: String
    let environment: [String: String]
    /// What is executed instead of the program: something that executes it.
    private let launcher: String?

    /// A program with a store at `root`.
    init(root: String, environment: [String: String] = [:], launcher: String? = nil) {
        self.root = root
        self.environment = environment
        self.launcher = launcher
    }

    /// The file to execute.
    var program: String {
        get throws { try launcher ?? Self.binary }
    }

    /// The store that most tests share: it holds the base images, which take long to make.
    static func shared() async throws -> Slipway { try await SharedStore.instance.slipway() }

    /// The shared store, with a base image of `.build/base-images` in it under a name of Docker Hub's.
    static func shared(with base: String, as name: String) async throws -> Slipway {
        let slipway = try await shared()
        if try await slipway("image", "inspect", name).status != 0 {
            try await slipway.succeed("import", try #require(baseArchive(base)), name)
        }
        return slipway
    }

    /// An archive that scripts/test makes; nil where it is not there.
    static func baseArchive(_ name: String) -> String? {
        guard let python = ProcessInfo.processInfo.environment["SLIPWAY_TEST_BASE_IMAGE"] else { return nil }
        let path = URL(filePath: python).deletingLastPathComponent().appending(path: "\(name).tar").path
        return FileManager.default.fileExists(atPath: path) ? path : nil
    }

    static var binary: String {
        get throws {
            if let given = ProcessInfo.processInfo.environment["SLIPWAY_TEST_BINARY"] { return given }
            // Beside the test bundle, where the package manager puts it.
            let products = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
            let binary = products.appending(path: "slipway").path
            try #require(FileManager.default.isExecutableFile(atPath: binary), "no slipway at \(binary)")
            return binary
        }
    }

    /// Runs a command to its end.
    func callAsFunction(
        _ arguments: String...,
        in directory: URL? = nil,
        environment more: [String: String] = [:],
        input: [UInt8] = []
    ) async throws -> ProgramResult {
        try await run(arguments, in: directory, environment: more, input: input)
    }

    /// Runs a command to its end.
    func run(
        _ arguments: [String],
        in directory: URL? = nil,
        environment more: [String: String] = [:],
        input: [UInt8] = []
    ) async throws -> ProgramResult {
        var variables = environment.merging(more) { $1 }
        variables["SLIPWAY_ROOT"] = root
        return try await runProgram(try program, arguments, in: directory, environment: variables, input: input)
    }

    /// Runs a command that must succeed and gives its output.
    @discardableResult
    func succeed(
        _ arguments: String...,
        in directory: URL? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> String {
        let result = try await run(arguments, in: directory)
        try #require(
            result.status == 0,
            "slipway \(arguments.joined(separator: " ")): \(result.errorText)",
            sourceLocation: sourceLocation
        )
        return result.text
    }

    /// Builds the directory `context` of a scratch directory with this Dockerfile, whose progress is told in plain lines.
    func build(
        _ dockerfile: String,
        _ options: [String] = [],
        in scratch: TemporaryDirectory,
        environment: [String: String] = [:]
    ) async throws -> ProgramResult {
        try scratch.write(dockerfile, to: "context/Dockerfile")
        return try await run(
            ["build", "--progress=plain"] + options + ["."],
            in: scratch.url.appending(path: "context"),
            environment: environment
        )
    }

    /// Builds the same and lists the files of the result as `tar` does, with single spaces: mode, owner, size, time and name.
    func listing(
        of dockerfile: String,
        in scratch: TemporaryDirectory,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> [String] {
        let built = try await build(dockerfile, ["-o", "type=tar,dest=../result.tar"], in: scratch)
        try #require(built.status == 0, "\(built.errorText)", sourceLocation: sourceLocation)
        let listed = try await runProgram(
            "tar",
            ["--utc", "--numeric-owner", "--full-time", "-tvf", scratch.url.appending(path: "result.tar").path]
        )
        return listed.text.split(separator: "\n").map {
            $0.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
        }
    }

    /// A store that no other test sees, in a directory that goes with the returned object.
    static func isolated(environment: [String: String] = [:]) throws -> (Slipway, TemporaryDirectory) {
        let directory = try TemporaryDirectory()
        return (Slipway(root: directory.url.appending(path: "store").path, environment: environment), directory)
    }
}

/// Makes the shared store once: `debian-python` made of Debian's packages, and `busybox`, static and small.
private actor SharedStore {
    static let instance = SharedStore()
    private var making: Task<Slipway, any Error>?

    func slipway() async throws -> Slipway {
        if let making { return try await making.value }
        // Awaited by every test that asks; it ends by itself.
        let task = Task { try await Self.make() }
        making = task
        return try await task.value
    }

    private static func make() async throws -> Slipway {
        let environment = ProcessInfo.processInfo.environment
        let root = environment["SLIPWAY_TEST_STORE"] ?? "/tmp/slipway-test-store-\(getpid())"
        let slipway = Slipway(root: root)
        if try await slipway("image", "inspect", "busybox:latest").status != 0 {
            let scratch = try TemporaryDirectory()
            let script = """
                set -e
                mkdir -p bin etc tmp root
                cp /bin/busybox bin/busybox
                for name in $(bin/busybox --list); do [ "$name" = busybox ] || ln -s busybox "bin/$name"; done
                printf 'root:x:0:0:root:/root:/bin/sh\\napp:x:1000:1000::/:/bin/sh\\n' > etc/passwd
                printf 'root:x:0:\\napp:x:1000:\\nextra:x:2000:app\\n' > etc/group
                tar -cf ../busybox.tar .
                """
            let tree = scratch.url.appending(path: "tree")
            try FileManager.default.createDirectory(at: tree, withIntermediateDirectories: true)
            let made = try await runProgram("sh", ["-c", script], in: tree)
            try #require(made.status == 0, "\(made.errorText)")
            let archive = scratch.url.appending(path: "busybox.tar").path
            try await slipway.succeed("import", "--change", "CMD [\"sh\"]", archive, "busybox:latest")
        }
        if let base = environment["SLIPWAY_TEST_BASE_IMAGE"], FileManager.default.fileExists(atPath: base),
            try await slipway("image", "inspect", "python:3-alpine").status != 0
        {
            try await slipway.succeed("import", "--change", "CMD [\"python3\"]", base, "python:3-alpine")
        }
        return slipway
    }
}
