import BuildEngine
import BuildKitProto
import LLB
import RPC
import SwiftProtobuf

/// What clients ask of the build that they lead: BuildKit's `LLBBridge` on the daemon's own socket.
///
/// The metadata of a call names the build; a frontend in a container asks about its own.
struct GatewayService: RPCService {
    static let name = "moby.buildkit.v1.frontend.LLBBridge"
    /// The key of the metadata that names the build.
    static let buildKey = "buildkit-controlapi-buildid"

    let jobs: JobRegistry
    /// The build of all calls, where there is but one.
    var own: BuildJob?
    let workers: @Sendable () -> [Moby_Buildkit_V1_Types_WorkerRecord]

    func register(in methods: inout MethodTable) {
        let workers = workers
        unary("Ping", in: &methods) {
            (_: Moby_Buildkit_V1_Frontend_PingRequest, _) -> Moby_Buildkit_V1_Frontend_PongResponse in
            .with {
                $0.frontendApicaps = Capabilities.gateway
                $0.llbcaps = Capabilities.graphs
                $0.workers = workers()
            }
        }
        unary("Solve", in: &methods) { (question: Moby_Buildkit_V1_Frontend_SolveRequest, job) in
            try await job.solve(question)
        }
        unary("Return", in: &methods) {
            (answer: Moby_Buildkit_V1_Frontend_ReturnRequest, job) -> Moby_Buildkit_V1_Frontend_ReturnResponse in
            if answer.hasError, answer.error.code != 0 {
                job.finish(.failure(RPCFailure(answer.error)))
            } else {
                do { job.finish(.success(try FrontendResult(answer.result))) } catch { job.finish(.failure(error)) }
            }
            return Moby_Buildkit_V1_Frontend_ReturnResponse()
        }
        unary("Inputs", in: &methods) {
            (_: Moby_Buildkit_V1_Frontend_InputsRequest, job) -> Moby_Buildkit_V1_Frontend_InputsResponse in
            let definitions = try job.inputs.mapValues { try $0.message() }
            return .with { $0.definitions = definitions }
        }
        unary("Evaluate", in: &methods) {
            (question: Moby_Buildkit_V1_Frontend_EvaluateRequest, job) -> Moby_Buildkit_V1_Frontend_EvaluateResponse in
            _ = try await job.files(of: question.ref)
            return Moby_Buildkit_V1_Frontend_EvaluateResponse()
        }
        unary("Warn", in: &methods) {
            (warning: Moby_Buildkit_V1_Frontend_WarnRequest, job) -> Moby_Buildkit_V1_Frontend_WarnResponse in
            job.warn(warning)
            return Moby_Buildkit_V1_Frontend_WarnResponse()
        }
        registerLooks(in: &methods)
        registerContainers(in: &methods)
    }

    /// Containers for processes of the client's own.
    private func registerContainers(in methods: inout MethodTable) {
        unary("NewContainer", in: &methods) { (question: Moby_Buildkit_V1_Frontend_NewContainerRequest, job) in
            try await job.makeContainer(question)
            return Moby_Buildkit_V1_Frontend_NewContainerResponse()
        }
        unary("ReleaseContainer", in: &methods) { (question: Moby_Buildkit_V1_Frontend_ReleaseContainerRequest, job) in
            try await job.containers.release(question.containerID)
            return Moby_Buildkit_V1_Frontend_ReleaseContainerResponse()
        }
        unary("ReadFileContainer", in: &methods) { (question: Moby_Buildkit_V1_Frontend_ReadFileRequest, job) in
            try await job.readContainerFile(question)
        }
        unary("ReadDirContainer", in: &methods) { (question: Moby_Buildkit_V1_Frontend_ReadDirRequest, job) in
            try await job.readContainerDirectory(question)
        }
        unary("StatFileContainer", in: &methods) { (question: Moby_Buildkit_V1_Frontend_StatFileRequest, job) in
            try await job.containerStatus(question)
        }
        methods.stream(Self.name, "ExecProcess") {
            [self] (input: RPCInput<ExecCall.Message>, context, output: RPCOutput<ExecCall.Message>) in
            try await ExecCall(job: try await job(context), output: output).run(input)
        }
    }

    /// Looks into images and results.
    private func registerLooks(in methods: inout MethodTable) {
        unary("ResolveImageConfig", in: &methods) {
            (question: Moby_Buildkit_V1_Frontend_ResolveImageConfigRequest, job) in
            try await job.resolveImage(question)
        }
        unary("ResolveSourceMeta", in: &methods) {
            (question: Moby_Buildkit_V1_Frontend_ResolveSourceMetaRequest, job) in
            try await job.resolve(question)
        }
        unary("ReadFile", in: &methods) { (question: Moby_Buildkit_V1_Frontend_ReadFileRequest, job) in
            try await job.readFile(question)
        }
        unary("ReadDir", in: &methods) { (question: Moby_Buildkit_V1_Frontend_ReadDirRequest, job) in
            try await job.readDirectory(question)
        }
        unary("StatFile", in: &methods) { (question: Moby_Buildkit_V1_Frontend_StatFileRequest, job) in
            try await job.status(question)
        }
    }

    private func unary<Question: Message, Answer: Message>(
        _ method: String,
        in methods: inout MethodTable,
        _ body: @escaping @Sendable (Question, BuildJob) async throws -> Answer
    ) {
        methods.unary(Self.name, method) { [self] (question: Question, context: RPCContext) in
            let job = try await job(context)
            do { return try await body(question, job) } catch let step as StepFailure { throw job.failure(of: step) }
        }
    }

    /// The build that a call is about.
    private func job(_ context: RPCContext) async throws -> BuildJob {
        if let own { return own }
        guard let id = context.values(Self.buildKey).first, !id.isEmpty else { throw ServiceError.noBuildID }
        return try await jobs.job(id)
    }
}
