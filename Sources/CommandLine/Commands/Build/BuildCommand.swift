import BuildEngine
import BuildGraph
internal import BuildKitService
import DockerfileFrontend
import DockerfileSyntax
import Exporters
import LLB
import LinuxSystem
import OCI
import Storage
import SystemPackage
internal import Tasks
internal import Terminal
internal import Text

/// `slipway build`, and docker's and buildx's other spellings of it.
struct BuildCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "PATH | URL | -",
        summary: "Build an image from a Dockerfile",
        arguments: .exactly(1),
        mounts: true,
        completion: .directories,
        place: .daemonToo
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
    var allowances: [Allowance] = []
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
    var profile: ProfileOption?
    var attestations: [AttestationOption] = []
    /// Of flags that are accepted and ignored.
    var flagWarnings: [String] = []
    var call: CallOption?
    var builder: [UInt8]?
    var isDebugging = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let mode = try mode(environment)
        let address = try environment.daemonAddress()
        for warning in flagWarnings + (address == nil ? builderWarnings(environment) : []) {
            try await environment.errorOutput.writeLine("WARNING: \(warning)")
        }
        let request = try await request(environment, isRemote: address != nil)
        try await removeOldImageID(environment)
        return try await withProfile(environment) { note in
            if let address { return try await carryOut(request, at: address, mode, environment, note) }
            return try await carryOut(request, mode, environment, note)
        }
    }

    private func carryOut(
        _ request: BuildRequest,
        _ mode: ProgressMode,
        _ environment: SlipwayEnvironment,
        _ note: @escaping ProfileOption.Taker
    ) async throws -> CommandStatus {
        let engine = try await environment.engine()
        return try await withCleanUp {
            let builder = try await environment.buildEngine(engine)
            let (outcome, warnings) = try await showingProgress(mode, environment) {
                try await carryOut(request, builder, $0, note)
            }
            switch outcome {
            case .built(let result):
                // What cannot be flushed is part of no image: it is a step that runs again after the next boot.
                try? await engine.store.flushRest()
                await environment.collectIfDue(engine.store)
                try await report(result, warnings, environment)
                return .success
            case .answered(let answer, let question):
                return try await report(answer, to: question, environment)
            }
        } finally: {
            await engine.store.close()
        }
    }

    /// Shows what a build tells while it runs, and then its warnings.
    /// - Returns: what `work` returns, and the warnings.
    /// - Throws: `CommandFailure` for a build that failed.
    func showingProgress<Value: Sendable>(
        _ mode: ProgressMode,
        _ environment: SlipwayEnvironment,
        _ work: (ProgressChannel) async throws -> Value
    ) async throws -> (value: Value, warnings: [VertexWarning]) {
        let channel = ProgressChannel()
        async let shown = printer(mode, environment).show(channel)
        let result: Result<Value, any Error>
        do {
            result = .success(try await work(channel))
        } catch {
            result = .failure(error)
        }
        channel.finish()
        let warnings = await shown
        try await show(warnings, mode, environment)
        do {
            return (try result.get(), warnings)
        } catch {
            if error is CancellationError { throw error }
            throw failure(error, environment)
        }
    }

    /// What became of a request.
    private enum Outcome {
        case built(BuildResult)
        case answered(FrontendAnswer, to: CallOption)
    }

    private func carryOut(
        _ request: BuildRequest,
        _ builder: BuildEngine,
        _ channel: ProgressChannel,
        _ note: @escaping ProfileOption.Taker
    ) async throws -> Outcome {
        guard let question = call, question.isQuestion else {
            let result = try await builder.build(request, progress: channel) { record in
                note { BuildProfile(record) }
            }
            return .built(result)
        }
        return .answered(try await builder.answer(try frontendCall(question), request, progress: channel), to: question)
    }

    /// What a question means.
    func frontendCall(_ question: CallOption) throws -> FrontendCall {
        guard let call = FrontendCall(rawValue: question.name) else {
            let meant = suggestion(for: question.name, among: ["build", "check", "outline", "targets"])
            throw failedBuild("failed to solve: unsupported request frontend.\(question.name)" + didYouMean(meant))
        }
        return call
    }
}
