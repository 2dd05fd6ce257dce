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
internal import Terminal
internal import Text

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
    var attestations: [AttestationOption] = []
    /// Of flags that are accepted and ignored.
    var flagWarnings: [String] = []
    var call: CallOption?
    var builder: [UInt8]?
    var isDebugging = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        let mode = try mode(environment)
        for warning in flagWarnings + builderWarnings(environment) {
            try await environment.errorOutput.writeLine("WARNING: \(warning)")
        }
        let request = try await request(environment)
        try await removeOldImageID(environment)
        let engine = try await environment.engine()
        let builder = try await environment.buildEngine(engine)
        let channel = ProgressChannel()
        async let shown = printer(mode, environment).show(channel)
        let result: Result<Outcome, any Error>
        do {
            result = .success(try await carryOut(request, builder, channel))
        } catch {
            result = .failure(error)
        }
        channel.finish()
        let warnings = await shown
        if case .success(.built) = result { await environment.collectIfDue(engine.store) }
        await engine.store.close()
        try await show(warnings, mode, environment)
        switch result {
        case .failure(let error):
            if error is CancellationError { throw error }
            throw failure(error, environment)
        case .success(.built(let result)):
            try await report(result, warnings, environment)
            return .success
        case .success(.answered(let answer, let question)):
            return try await report(answer, to: question, environment)
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
        _ channel: ProgressChannel
    ) async throws -> Outcome {
        guard let question = call, question.isQuestion else {
            return .built(try await builder.build(request, progress: channel))
        }
        guard let call = FrontendCall(rawValue: question.name) else {
            let meant = suggestion(for: question.name, among: ["build", "check", "outline", "targets"])
            throw failedBuild("failed to solve: unsupported request frontend.\(question.name)" + didYouMean(meant))
        }
        return .answered(try await builder.answer(call, request, progress: channel), to: question)
    }
}
