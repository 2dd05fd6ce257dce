import Foundation
import Testing

/// Slipway in a container with the default profile, which allows neither mounts nor namespaces; the container is Slipway's own.
struct ConfinedSlipway: Sendable {
    private static let image = "localhost/confined"

    private let outer: Slipway
    private let libraries: [String]
    /// The test's directory, which the container has at `/share`.
    let share: TemporaryDirectory

    init() async throws {
        outer = try await Slipway.shared()
        let needed = try await runProgram("ldd", [try Slipway.binary]).text.split(separator: "\n").compactMap { line in
            line.split(whereSeparator: \.isWhitespace).first { $0.hasPrefix("/") }.map(String.init)
        }
        // A debug build finds Swift's libraries where the compiler is.
        libraries = Set(needed.map { URL(filePath: $0).deletingLastPathComponent().path })
            .filter { $0.contains("/swift/") }.sorted()
        share = try TemporaryDirectory()
        try await ConfinedImage.instance.make(in: outer, named: Self.image, with: needed)
        try await outer.succeed("save", "-o", share.path + "/busybox.tar", "busybox")
    }

    /// Runs a script of busybox's shell, in which `slipway` is the program under test with a store of the container's own.
    /// - Parameters:
    ///   - script: it is ended by the first command that fails.
    ///   - options: more of `slipway run`.
    /// - Returns: how it ended, and what it wrote.
    /// - Throws: what starting it throws.
    func run(_ script: String, _ options: String...) async throws -> ProgramResult {
        try await outer.run(
            ["run", "--rm"] + (try shared(at: "/share")) + options
                + [
                    Self.image, "sh", "-ec",
                    "if [ $(id -u) = 0 ]; then slipway load -q -i busybox.tar > /dev/null; fi; " + script,
                ]
        )
    }

    /// What every container has that runs the program under test: options of `slipway run`.
    private func shared(at place: String) throws -> [String] {
        let mounts = libraries.flatMap { ["-v", "\($0):\($0):ro"] }
        return [
            "--network", "host", "-v", "\(try Slipway.binary):/bin/slipway:ro", "-v", "\(share.path):\(place)",
            "-e", "LD_LIBRARY_PATH=\(libraries.joined(separator: ":"))", "-w", place,
        ] + mounts
    }

    /// Runs commands in a container that stays, with the test's directory where it is outside and its store on a volume.
    /// - Parameter body: it gets the program, as it is started from outside in that directory.
    /// - Throws: what the body throws, and what starting the container throws.
    static func withLastingContainer(
        _ body: (_ slipway: Slipway, _ share: TemporaryDirectory) async throws -> Void
    ) async throws {
        let confined = try await Self()
        let outer = confined.outer
        let share = confined.share
        let name = share.url.lastPathComponent
        // It ends by itself where the test cannot end it.
        let started = try await outer.run(
            ["run", "-d", "--rm", "--name", name, "-v", "/var/lib/slipway"] + (try confined.shared(at: share.path))
                + [image, "sleep", "3600"]
        )
        try #require(started.status == 0, "\(started.errorText)")
        try share.write(
            """
            #!/bin/sh
            SLIPWAY_ROOT='\(outer.root)' exec '\(try outer.program)' exec -w "$PWD" '\(name)' slipway "$@"
            """,
            to: "slipway"
        )
        let launcher = share.path + "/slipway"
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: launcher)
        do {
            try await body(Slipway(root: "/var/lib/slipway", launcher: launcher), share)
        } catch {
            _ = try? await outer.succeed("rm", "-f", name)
            throw error
        }
        try await outer.succeed("rm", "-f", name)
    }

    /// Runs a script that must succeed, and gives its output.
    @discardableResult
    func succeed(_ script: String, sourceLocation: SourceLocation = #_sourceLocation) async throws -> String {
        let result = try await run(script)
        try #require(result.status == 0, "\(result.text) \(result.errorText)", sourceLocation: sourceLocation)
        return result.text
    }

    /// Writes the Dockerfile of the context `/share/context`.
    func write(_ dockerfile: String) throws { try share.write(dockerfile, to: "context/Dockerfile") }
}

/// The image of the container: busybox, and what the program under test is linked with.
private actor ConfinedImage {
    static let instance = ConfinedImage()
    private var making: Task<Void, any Error>?

    func make(in slipway: Slipway, named name: String, with libraries: [String]) async throws {
        if let making { return try await making.value }
        // Awaited by every test that asks; it ends by itself.
        let task = Task {
            let scratch = try TemporaryDirectory()
            let others = libraries.filter { !$0.contains("/swift/") }
            let script = """
                mkdir -p tree/bin tree/etc tree/root tree/tmp tree/var/lib && chmod 1777 tree/tmp && cp /bin/busybox tree/bin
                for name in $(tree/bin/busybox --list); do [ $name = busybox ] || ln -sf busybox tree/bin/$name; done
                printf 'root:x:0:0::/root:/bin/sh\\nuser:x:1000:1000::/tmp:/bin/sh\\n' > tree/etc/passwd
                printf 'root:x:0:\\nuser:x:1000:\\n' > tree/etc/group
                for library in "$@"; do mkdir -p "tree$(dirname "$library")"; cp -L "$library" "tree$library"; done
                tar -C tree -cf image.tar .
                """
            let made = try await runProgram("bash", ["-ec", script, "make"] + others, in: scratch.url)
            try #require(made.status == 0, "\(made.errorText)")
            try await slipway.succeed("import", scratch.path + "/image.tar", name)
        }
        making = task
        try await task.value
    }
}
