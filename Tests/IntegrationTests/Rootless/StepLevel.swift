import Foundation
import LinuxSystem
import Testing

/// A level of privileges at which steps run.
enum StepLevel: String, CaseIterable, Sendable, CustomTestStringConvertible {
    case root
    case subordinateIDs = "a user namespace with subordinate ids"
    case singleID = "a user namespace with one id"
    case confined = "a container with the default profile"

    var testDescription: String { rawValue }

    /// Of an ordinary user.
    static let user: [StepLevel] = [.subordinateIDs, .singleID]
}

/// Slipway at a level, with the image `busybox` and a context of its own.
final class LeveledSlipway: Sendable {
    private enum Kind: Sendable {
        case root(Slipway)
        case user(OrdinaryUser)
        case confined(ConfinedSlipway)
    }

    private let kind: Kind
    private let scratch: TemporaryDirectory

    init(_ level: StepLevel) async throws {
        switch level {
        case .root: kind = .root(try await Slipway.shared())
        case .subordinateIDs: kind = .user(try await OrdinaryUser.withBusybox())
        case .singleID: kind = .user(try await OrdinaryUser.withBusybox(.init(subordinateIDs: nil)))
        case .confined: kind = .confined(try await ConfinedSlipway())
        }
        if case .confined(let confined) = kind { scratch = confined.share } else { scratch = try TemporaryDirectory() }
    }

    /// A directory of the machine that no step may reach, and the user who owns it can.
    var outside: String {
        switch kind {
        case .root: scratch.path
        case .user(let user): user.directory.path + "/home"
        case .confined: "/share"
        }
    }

    var store: String {
        switch kind {
        case .root(let slipway): slipway.root
        case .user(let user): user.store
        case .confined: "/var/lib/slipway"
        }
    }

    /// Writes a file into the context.
    func write(_ content: String, to name: String) throws { try scratch.write(content, to: "context/" + name) }

    /// Compiles a static program into the context.
    func compile(_ source: String, to name: String) async throws {
        let path = scratch.path + "/context/" + name
        try scratch.write("", to: "context/" + name)
        let flags = ["-static", "-O1", "-x", "c", "-o", path, "-"]
        let compiled = try await runProgram("gcc", flags, input: Array(source.utf8))
        try #require(compiled.status == 0, "\(compiled.errorText)")
    }

    /// Runs a shell script in a directory with the context, as the user of the level; `$build` is a build of the context in plain lines.
    func run(_ script: String) async throws -> ProgramResult {
        let build = "build --progress=plain --no-cache"
        switch kind {
        case .root(let slipway):
            let variables = ["SLIPWAY_ROOT": slipway.root, "slipway": try Slipway.binary]
            return try await runProgram(
                "sh",
                ["-euc", "build=\"$slipway \(build)\"\n" + script],
                in: scratch.url,
                environment: variables
            )
        case .user(let user):
            let work = "mkdir \"$HOME/work\"; cd \"$HOME/work\"; cp -r \(scratch.path)/context ."
            return try await user.run(work + "\nbuild=\"$slipway \(build)\"\n" + script)
        case .confined(let confined):
            return try await confined.run("slipway=slipway; build=\"slipway \(build)\"\n" + script)
        }
    }
}
