import BuildEngine
import BuildGraph
import BuildKitProto
import DockerfileFrontend
import Exporters
import FoundationEssentials
import LLB
import LinuxSystem
import OCI
import Operations
import RemoteCache
import Snapshots
import Synchronization
import SystemPackage
import Tasks
import Text

/// One solve of a client from its request to its answer.
///
/// The client may lead it: its own frontend asks for results, looks into them, and in the end names those that are
/// exported.
final class BuildJob: Sendable {
    private struct State {
        /// The graphs of results, by the ids that the client has for them.
        var results: [String: Definition] = [:]
        var outputs: [Digest: [BuildOutput]] = [:]
        var inputs: [String: Definition] = [:]
        /// The caches that requests to frontends named.
        var caches: [CacheSource] = []
    }

    let id: String
    /// What the request says that goes for all of the build.
    let request: BuildRequest
    let build: Build
    private let state = Mutex(State())
    /// What the client's frontend returned.
    private let returned = Promise<Result<FrontendResult, any Error>>()

    private let cacheSource: @Sendable (String, [String: String]) throws -> CacheSource

    init(
        id: String,
        _ request: BuildRequest,
        _ build: Build,
        inputs: [String: Definition] = [:],
        cacheSource: @escaping @Sendable (String, [String: String]) throws -> CacheSource
    ) {
        self.cacheSource = cacheSource
        self.id = id
        self.request = request
        self.build = build
        state.withLock { $0.inputs = inputs }
    }

    // MARK: Results

    /// What the client has put in front of its frontend.
    var inputs: [String: Definition] { state.withLock(\.inputs) }

    /// Names a result.
    func add(_ definition: Definition) -> String? {
        guard definition.target != nil else { return nil }
        let id = hexadecimal((0..<16).map { _ in UInt8.random(in: 0...255) })
        state.withLock { $0.results[id] = definition }
        return id
    }

    /// The graph of a result.
    func definition(of id: String) throws(ServiceError) -> Definition {
        if id.isEmpty { throw .emptyReference(id) }
        guard let definition = state.withLock({ $0.results[id] }) else { throw .unknownReference(id) }
        return definition
    }

    /// Has the files of results made, as far as they are not.
    func evaluate(_ definitions: [Definition]) async throws -> SolvedBuild {
        let (known, caches) = state.withLock { ($0.outputs, $0.caches) }
        // Clients name their caches twice: for the build, and for its frontend.
        let others = caches.filter { !request.cacheSources.contains($0) }
        let solved = try await build.solve(definitions, known: known, caches: request.cacheSources + others)
        state.withLock { $0.outputs.merge(solved.outputs) { first, _ in first } }
        return solved
    }

    /// The files of a result.
    func files(of id: String) async throws -> FileTree {
        let solved = try await evaluate([try definition(of: id)])
        return solved.trees.first ?? .empty
    }

    // MARK: Frontends

    /// Asks a frontend.
    func solve(frontend: String, _ attributes: [String: String], inputs: [String: Definition]) async throws
        -> FrontendResult
    {
        guard frontend == "dockerfile.v0" else { throw ServiceError.unknownFrontend(frontend) }
        let asked = FrontendAttributes(attributes)
        let given = inputs.isEmpty ? self.inputs : inputs
        let request = try asked.request(like: request, inputs: given)
        let caches = try asked.caches().map { try cacheSource($0.type, $0.attributes) }
        state.withLock { $0.caches += caches }
        if let call = try asked.call() { return try await answer(call, request) }
        let plans = try await build.plans(for: request)
        // A stage may be of another platform than the image is for.
        let platforms = request.platforms.isEmpty ? plans.map(\.platform) : request.platforms
        return try await result(of: Array(zip(plans, platforms)), isIndex: request.isMultiPlatform)
    }

    private func result(
        of plans: [(plan: BuildPlan, platform: Platform)],
        isIndex: Bool
    ) async throws -> FrontendResult {
        var result = FrontendResult(references: .one(nil), metadata: [:])
        var references: [String: String?] = [:]
        var entries: [PlatformsDocument.Entry] = []
        for (plan, platform) in plans {
            let platform = platform.normalized
            let name = "\(platform)"
            let suffix = isIndex ? "/\(name)" : ""
            let reference = add(plan.definition)
            references[name] = .some(reference)
            if !isIndex { result.references = .one(reference) }
            entries.append(PlatformsDocument.Entry(id: name, platform: platform))
            result.metadata[FrontendResult.configurationKey + suffix] = try StrictJSON.encode(plan.configuration)
            if let base = plan.baseConfiguration {
                result.metadata[FrontendResult.baseConfigurationKey + suffix] = try StrictJSON.encode(base)
            }
            if let seconds = try await build.seconds(of: plan.sourceDate) {
                result.metadata[FrontendResult.epochKey + suffix] = Array("\(seconds)".utf8)
            }
        }
        if isIndex { result.references = .several(references) }
        result.metadata[FrontendResult.platformsKey] = [UInt8](
            try JSONEncoder().encode(PlatformsDocument(platforms: entries))
        )
        return result
    }

    private func answer(_ call: FrontendCall, _ request: BuildRequest) async throws -> FrontendResult {
        let document = FrontendDocument(try await build.answer(call, for: request))
        return FrontendResult(references: .one(nil), metadata: document.metadata)
    }

    // MARK: The client's own frontend

    /// Takes what the client's frontend gave; only the first answer counts.
    func finish(_ result: Result<FrontendResult, any Error>) { returned.keep(result) }

    /// Waits for what the client's frontend gives.
    func clientResult() async throws -> FrontendResult {
        try await withTaskCancellationHandler {
            try await returned.value().get()
        } onCancel: {
            returned.keep(.failure(CancellationError()))
        }
    }

    // MARK: The end

    /// Has the results made that a frontend gave, and does with them what the request asks for.
    func export(_ result: FrontendResult) async throws -> Build.Result {
        let images = try images(of: result)
        let definitions = try images.map { try $0.reference.map { try definition(of: $0) } ?? Definition(target: nil) }
        let solved = try await evaluate(definitions)
        let built = zip(images, solved.trees).map { image, tree in
            ClientImage(
                configuration: image.configuration,
                base: image.base,
                tree: tree,
                sourceDate: image.seconds.map { .time($0) }
            )
        }
        var isIndex = false
        if case .several = result.references { isIndex = true }
        return try await build.export(built, isMultiPlatform: isIndex, of: solved)
    }

    private struct Image {
        let reference: String?
        let configuration: ImageConfiguration
        let base: ImageConfiguration?
        let seconds: Int64?
    }

    private func images(of result: FrontendResult) throws -> [Image] {
        let platforms = try result.platforms()
        switch result.references {
        case .one(let reference):
            let first = platforms.first ?? ("", Platform.current.normalized)
            return [try image(reference, of: result, first.id, first.platform)]
        case .several(let references):
            if platforms.isEmpty { throw ServiceError.missingConfiguration(FrontendResult.platformsKey) }
            return try platforms.map { id, platform in
                guard let reference = references[id] else {
                    throw ServiceError.invalidResult("there is no result for the platform \(id)")
                }
                return try image(reference, of: result, id, platform)
            }
        }
    }

    private func image(
        _ reference: String?,
        of result: FrontendResult,
        _ id: String,
        _ platform: Platform
    ) throws -> Image {
        let configuration = try result.value(FrontendResult.configurationKey, for: id).map {
            try ImageConfiguration(parsing: $0)
        }
        let epoch = result.value(FrontendResult.epochKey, for: id)
        return Image(
            reference: reference,
            configuration: configuration ?? ImageConfiguration(platform: platform),
            base: try result.value(FrontendResult.baseConfigurationKey, for: id).map {
                try ImageConfiguration(parsing: $0)
            },
            seconds: epoch.flatMap { Int64(String(decoding: $0, as: UTF8.self)) }
        )
    }
}
