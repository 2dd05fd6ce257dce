import BuildEngine
import BuildKitProto
import DockerfileFrontend
import FoundationEssentials
import LLB
import LinuxSystem
import OCI
import Operations
import RPC
import SwiftProtobuf
import Synchronization
import SystemPackage
import Tasks
import Text

/// A frontend that is an image: its program runs in a container, and asks for what it needs over its standard streams.
struct ImageFrontend: Sendable {
    /// Of the request that the program answers.
    let attributes: [String: String]
    /// What the program's questions are about.
    let job: BuildJob

    /// The attributes that are for the gateway.
    static let sourceKey = "source"
    private static let capabilitiesKey = "frontend.caps"
    private static let inputsCapability = "moby.buildkit.frontend.inputs"

    /// Runs the program to its end.
    /// - Returns: what it gave.
    func run() async throws -> FrontendResult {
        if attributes["gateway-devel"] != nil { throw ServiceError.developmentGateway }
        guard let source = attributes[Self.sourceKey], !source.isEmpty else { throw ServiceError.noFrontendSource }
        let (image, tree) = try await job.frontendImage(source)
        try checkCapabilities(of: image)
        var plan = StepContainer.Plan(mounts: [StepContainer.Plan.Mount(.bind, of: .tree(tree), at: "/")])
        let labels = image.config?.labels ?? [:]
        let isAlone = labels["moby.buildkit.frontend.network.none"]?.lowercased() ?? ""
        if ["1", "t", "true"].contains(isAlone) {
            plan.network = NetworkMode.none
        }
        let account = FrontendAccount()
        try await withCleanUp {
            try await job.build.withContainer(plan) { container in
                do {
                    account.note(.success(try await serve(image, in: container, account)))
                } catch {
                    account.note(.failure(error))
                }
            }
        } finally: {
            await job.containers.releaseAll()
        }
        return try account.result(of: source, job.returnedResult)
    }

    private func checkCapabilities(of image: ImageConfiguration) throws(ServiceError) {
        func names(_ list: String?) -> Set<String> {
            Set((list ?? "").split(separator: ",").compactMap { $0.split(separator: "+").first.map(String.init) })
        }
        let offered = names(image.config?.labels?["moby.buildkit.frontend.caps"])
        var wanted = names(attributes[Self.capabilitiesKey])
        if !job.inputs.isEmpty { wanted.insert(Self.inputsCapability) }
        if let missing = wanted.subtracting(offered).sorted().first { throw .unsupportedCapability(missing) }
    }

    // MARK: The program

    private func serve(
        _ image: ImageConfiguration,
        in container: StepContainer,
        _ account: FrontendAccount
    ) async throws -> ExitStatus {
        let settings = image.config
        var process = Process(
            arguments: (settings?.entrypoint ?? ["/run"]).map { Array($0.utf8) },
            environment: (settings?.environment ?? []).map { Array($0.utf8) } + (try variables()),
            directory: Array((settings?.workingDirectory ?? "/").utf8)
        )
        process.user = []
        var plan = StepContainer.ProcessPlan(process)
        let pipe = try makePipe()
        plan.input = pipe.reading
        plan.streams = [1, 2]
        let writer = try ByteWriter(pipe.writing)
        let server = RPCServer(
            services: [GatewayService(jobs: JobRegistry(), own: job) { [job] in job.workers }, HealthService()],
            grace: .zero,
            failure: serviceFailure
        )
        return try await container.runFirst(plan) { _, running in
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    guard let reader = running.output else { return }
                    try await server.serve(reading: reader, writing: writer)
                }
                group.addTask {
                    while let bytes = try await running.errors?.read() { account.note(bytes) }
                }
                _ = try await running.wait()
                group.cancelAll()
            }
        }
    }

    private func variables() throws -> [[UInt8]] {
        let options = attributes.sorted { $0.key < $1.key }.enumerated().map { number, option in
            "BUILDKIT_FRONTEND_OPT_\(number)=\(option.key)=\(option.value)"
        }
        let workers = job.workers.map { FrontendWorker($0) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return
            (options + [
                "BUILDKIT_SESSION_ID=\(job.sessionID)",
                "BUILDKIT_WORKERS=" + String(decoding: try encoder.encode(workers), as: UTF8.self),
                "BUILDKIT_EXPORTEDPRODUCT=buildkit",
            ]).map { Array($0.utf8) }
    }
}

/// How the program of a frontend ended, and what it said last.
private final class FrontendAccount: Sendable {
    private struct State {
        var ending: Result<ExitStatus, any Error>?
        var tail: [UInt8] = []
    }

    private static let tailLimit = 4096
    private let state = Mutex(State())

    func note(_ ending: Result<ExitStatus, any Error>) { state.withLock { $0.ending = ending } }

    func note(_ bytes: [UInt8]) { state.withLock { $0.tail = ($0.tail + bytes).suffix(Self.tailLimit) } }

    /// What the program gave; how it ended says whether that counts.
    func result(of source: String, _ returned: Result<FrontendResult, any Error>?) throws -> FrontendResult {
        let (ending, tail) = state.withLock { ($0.ending, $0.tail) }
        if case .failure(let error as CancellationError)? = ending { throw error }
        // What the program says of its failure is more than its exit status says.
        if let returned, case .failure = returned { return try returned.get() }
        let reason: String
        switch ending {
        case .success(let status)? where !status.isSuccess: reason = "exit code: \(status.shellCode)"
        case .failure(let error)?: reason = "\(error)"
        case .success?, nil:
            if let returned { return try returned.get() }
            reason = "it ended without a result"
        }
        let said = tail.split(separator: "\n").last.map { ": " + escapedForDisplay(Array($0)) } ?? ""
        throw ServiceError.frontendFailed(source, reason: reason + said)
    }
}

/// A builder as frontends read of it in their environment.
private struct FrontendWorker: Encodable {
    let id: String
    let labels: [String: String]
    let platforms: [Platform]

    init(_ record: Moby_Buildkit_V1_Types_WorkerRecord) {
        id = record.id
        labels = record.labels
        platforms = record.platforms.map { Platform($0) }
    }
}

extension OtherFrontend {
    /// Has the image asked; a failure that shows no lines of its own is shown at the line that names the image.
    func naming<Value>(_ ask: () async throws -> Value) async throws -> Value {
        do {
            return try await ask()
        } catch  where !(error is CancellationError) && !showsLines(error) {
            throw OtherFrontendFailure(self, error)
        }
    }

    private func showsLines(_ error: any Error) -> Bool {
        if let failure = error as? RPCFailure { return failure.details.contains { $0.isSource } }
        return serviceFailure(error).details.contains { $0.isSource }
    }
}
