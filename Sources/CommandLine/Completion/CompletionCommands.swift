internal import Containers
internal import Images
internal import LinuxSystem
internal import OCI
internal import Storage
internal import Terminal
internal import Text

/// `slipway __complete -- WORD…`: asked by the completion scripts what may follow.
///
/// Prints `word<TAB>description` lines, then a line `:words`, `:files` or `:directories`.
struct CompleteCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "WORD [WORD...]",
        summary: "Print what may complete a command line",
        arguments: .atLeast(0),
        usesStore: true,
        place: .anywhere
    )
    static let flags: [Flag<CompleteCommand>] = []

    var arguments: [[UInt8]] = []

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let offer = CommandTree(SlipwayCommands.all).complete(arguments)
        var candidates = offer.candidates
        var directive = ":words"
        switch offer.source {
        case .files: directive = ":files"
        case .directories: directive = ":directories"
        case .images: candidates += try await imageNames(environment)
        case .containers: candidates += try await containerNames(environment)
        case .nothing, .words: break
        }
        candidates.sort { $0.word < $1.word }
        let lines = candidates.map { $0.description.isEmpty ? $0.word : "\($0.word)\t\($0.description)" }
        try await environment.output.write((lines + [directive]).joined(separator: "\n") + "\n")
        return .success
    }
}

extension CompleteCommand {
    private func imageNames(_ environment: SlipwayEnvironment) async throws -> [(word: String, description: String)] {
        let engine = try await environment.engine()
        let images = try await engine.images.list()
        await engine.store.close()
        let names = images.flatMap(\.names).flatMap { [$0.familiar, $0.familiarRepository] }
        return fitting(Array(Set(names)))
    }

    private func containerNames(
        _ environment: SlipwayEnvironment
    ) async throws -> [(word: String, description: String)] {
        fitting(try await environment.containers().list().map(\.name))
    }

    private func fitting(_ names: [String]) -> [(word: String, description: String)] {
        let typed = escapedForDisplay(arguments.last ?? [])
        return names.filter { $0.hasPrefix(typed) }.map { ($0, "") }
    }
}

struct BashCompletionCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "",
        summary: "Generate the completion script for bash",
        detail: "Load it in this shell with:\n\n  source <(slipway completion bash)",
        arguments: .none,
        place: .anywhere
    )
    static let flags: [Flag<BashCompletionCommand>] = []

    var arguments: [[UInt8]] = []

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        try await environment.output.write(CompletionScripts.bash)
        return .success
    }
}

struct ZshCompletionCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "",
        summary: "Generate the completion script for zsh",
        detail: "Load it in this shell with:\n\n  source <(slipway completion zsh)",
        arguments: .none,
        place: .anywhere
    )
    static let flags: [Flag<ZshCompletionCommand>] = []

    var arguments: [[UInt8]] = []

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        try await environment.output.write(CompletionScripts.zsh)
        return .success
    }
}

struct FishCompletionCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "",
        summary: "Generate the completion script for fish",
        detail: "Load it in this shell with:\n\n  slipway completion fish | source",
        arguments: .none,
        place: .anywhere
    )
    static let flags: [Flag<FishCompletionCommand>] = []

    var arguments: [[UInt8]] = []

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        try await environment.output.write(CompletionScripts.fish)
        return .success
    }
}
