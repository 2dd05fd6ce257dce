import BuildEngine
import BuildGraph
import DockerfileFrontend
import DockerfileSyntax
import Exporters
import LLB
import LinuxSystem
import OCI
import Storage
import SystemPackage

/// `slipway build`, and docker's and buildx's other spellings of it.
struct BuildCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "PATH | URL | -",
        summary: "Build an image from a Dockerfile",
        arguments: .exactly(1),
        mounts: true,
        completion: .directories
    )

    var arguments: [[UInt8]] = []
    var tags: [ImageReference] = []
    var file: [UInt8]?
    var target: [UInt8]?
    var buildArguments: [[UInt8]] = []
    var buildContexts: [[UInt8]] = []
    var labels: [[UInt8]] = []
    var platforms: [Platform] = []
    var outputs: [BuildOutputOption] = []
    var annotations: [ImageAnnotation] = []
    var ignoresCache = false
    var uncachedStages: [String] = []
    var cacheSources: [CacheOption] = []
    var cacheDestinations: [CacheOption] = []
    var pulls = false
    var network: BuildRequest.Network?
    var entitlements: [Entitlement] = []
    var limits: [ResourceLimit] = []
    var resources: [ResourceOption] = []
    var sharedMemorySize: Int64?
    var controlGroupParent: [UInt8]?
    var secrets: [[UInt8]] = []
    var agents: [[UInt8]] = []
    var hosts: [(name: [UInt8], address: [UInt8])] = []
    var imageIDFile: [UInt8]?
    var isQuiet = false
    var progress: ProgressMode?
    var loads = false
    var pushes = false
    var metadataFile: [UInt8]?
    /// Kept only to have been understood: what is accepted asks for nothing.
    var attestations: [AttestationOption] = []
    /// Of flags that are accepted and ignored.
    var flagWarnings: [String] = []
    var call: CallOption?
    var checks = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let mode = try mode(environment)
        for warning in flagWarnings { try await environment.errorOutput.writeLine("WARNING: \(warning)") }
        let request = try await request(environment)
        let question = checks ? .check : call.flatMap { $0.isQuestion ? $0 : nil }
        let engine = try await environment.engine()
        let builder = try await environment.buildEngine(engine)
        let channel = ProgressChannel()
        let text = environment.textVariables
        let errorOutput = environment.errorOutput
        let printer = ProgressPrinter(
            mode.display(
                isTerminal: errorOutput.isTerminal,
                colors: DisplayColors(environment: text),
                logLines: TerminalDisplay.logLines(environment: text)
            ),
            output: ProgressPrinter.Output(
                size: {
                    TerminalSize(of: StandardStream.error.descriptor).map { (Int($0.columns), Int($0.rows)) }
                },
                write: { try await errorOutput.write($0) }
            )
        )
        async let shown = printer.show(channel)
        let result: Result<Outcome, any Error>
        do {
            if let question {
                result = .success(.answered(try await Self.answer(question, builder, request, channel)))
            } else {
                result = .success(.built(try await builder.build(request, progress: channel)))
            }
        } catch {
            result = .failure(error)
        }
        channel.finish()
        let warnings = await shown
        if case .success(.built) = result { await environment.collectIfDue(engine.store) }
        await engine.store.close()
        if mode != .quiet, mode != .rawjson {
            let color = errorOutput.isTerminal ? DisplayColors(environment: text).warning : ""
            try await errorOutput.write(
                BuildEpilogue.warnings(warnings, isVerbose: environment.global.isDebugging, color: color)
            )
        }
        switch result {
        case .failure(let error):
            if error is CancellationError { throw error }
            throw CommandFailure(Self.message(for: error))
        case .success(.built(let result)):
            try await report(result, warnings, environment)
            return .success
        case .success(.answered(let answer)):
            return try await show(answer, to: question ?? .check, environment)
        }
    }

    /// What became of a request.
    private enum Outcome {
        case built(BuildResult)
        case answered(FrontendAnswer)
    }

    private static func answer(
        _ question: CallOption,
        _ builder: BuildEngine,
        _ request: BuildRequest,
        _ channel: ProgressChannel
    ) async throws -> FrontendAnswer {
        guard let call = FrontendCall(rawValue: question.name) else {
            let meant = suggestion(for: question.name, among: ["build", "check", "outline", "targets"])
            throw CommandFailure(
                "ERROR: failed to build: failed to solve: unsupported request frontend.\(question.name)"
                    + didYouMean(meant)
            )
        }
        return try await builder.answer(call, request, progress: channel)
    }

    private func show(
        _ answer: FrontendAnswer,
        to question: CallOption,
        _ environment: SlipwayEnvironment
    ) async throws -> CommandStatus {
        let name = file.map { String(decoding: $0, as: UTF8.self) }
        let report = CallReport(answer, isJSON: question.isJSON, fileName: name)
        try await environment.output.write(report.output)
        if let error = report.error { throw CommandFailure(error) }
        return report.hasFindings && !question.ignoresStatus ? .failure : .success
    }

    private func report(
        _ result: BuildResult,
        _ warnings: [VertexWarning],
        _ environment: SlipwayEnvironment
    ) async throws {
        // Of files there is no id.
        let id = result.image?.id.description ?? ""
        try await write(id, to: imageIDFile, environment)
        let isTold = environment.variable("BUILDX_METADATA_WARNINGS").flatMap { try? FlagValues.boolean($0) } ?? false
        let metadata = BuildMetadata(result, warnings: isTold ? warnings : [])
        try await write(metadata.text, to: metadataFile, environment)
        if isQuiet { try await environment.output.writeLine(id) }
    }

    private func write(_ text: String, to file: [UInt8]?, _ environment: SlipwayEnvironment) async throws {
        guard let path = file.map({ environment.path($0) }) else { return }
        try await onBlockingPool { try HostFiles.write(Array(text.utf8), to: path) }
    }

    private func mode(_ environment: SlipwayEnvironment) throws -> ProgressMode {
        if isQuiet { return .quiet }
        if let progress { return progress }
        guard let name = environment.variable("BUILDKIT_PROGRESS") else { return .auto }
        guard let mode = ProgressMode(rawValue: String(decoding: name, as: UTF8.self)) else {
            throw CommandFailure(
                "ERROR: failed to build: BUILDKIT_PROGRESS: \(Self.unknownProgress(escapedForDisplay(name)))"
            )
        }
        return mode
    }

    static func unknownProgress(_ name: String) -> String {
        "invalid progress mode \(name): it is none of auto, none, plain, quiet, rawjson and tty"
    }

    /// What a failed build says: the lines of the Dockerfile at fault, and the error.
    private static func message(for error: any Error) -> String {
        func solving(_ frame: String, _ message: String) -> String {
            "\(frame)ERROR: failed to build: failed to solve: \(message)\n"
        }
        switch error {
        case let failure as StepFailure:
            return BuildEpilogue.failure(failure.error, source: failure.source, advice: failure.advice)
        case let error as DockerfileError: return solving(error.frame, error.message)
        case let error as FrontendError: return solving(error.frame, error.message)
        case let failure as CommandFailure: return failure.message
        case let error as BuildError: return "ERROR: failed to build: \(error)\n"
        default: return solving("", "\(error)")
        }
    }
}
