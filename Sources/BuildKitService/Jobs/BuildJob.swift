import Attestations
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
    private struct KnownResult {
        let definition: Definition
        /// The request that it answers.
        let scope: RequestScope
    }

    private struct State {
        /// Results by the ids that the client has for them.
        var results: [String: KnownResult] = [:]
        /// The targets of graphs that were solved.
        var evaluated: Set<Output> = []
        var outputs: [Digest: [BuildOutput]] = [:]
        /// The files of results, as far as they were asked for.
        var trees: [String: FileTree] = [:]
        var inputs: [String: Definition] = [:]
        /// The caches that requests to frontends named.
        var caches: [CacheSource] = []
        var produced: [ProducedGraphs.Entry] = []
        var returned: Result<FrontendResult, any Error>?
    }

    let id: String
    /// What the request says that goes for all of the build.
    let request: BuildRequest
    let build: Build
    /// What the client itself asks for.
    let scope: RequestScope
    /// What the client runs processes of its own in.
    let containers = GatewayContainers()
    private let state = Mutex(State())
    /// What the client's frontend returned.
    private let returned = Promise<Result<FrontendResult, any Error>>()

    private let produced: ProducedGraphs
    /// The client's session.
    let sessionID: String
    private let cacheSource: @Sendable (String, [String: String]) throws -> CacheSource
    private let describe: @Sendable () -> [Moby_Buildkit_V1_Types_WorkerRecord]

    init(
        id: String,
        _ request: BuildRequest,
        _ build: Build,
        inputs: [String: Definition] = [:],
        produced: ProducedGraphs = ProducedGraphs(),
        sessionID: String = "",
        workers: @escaping @Sendable () -> [Moby_Buildkit_V1_Types_WorkerRecord] = { [] },
        cacheSource: @escaping @Sendable (String, [String: String]) throws -> CacheSource
    ) {
        self.cacheSource = cacheSource
        self.sessionID = sessionID
        describe = workers
        self.id = id
        self.request = request
        self.build = build
        self.produced = produced
        var parameters = request.parameters
        parameters.inputs = produced.requests(for: inputs)
        scope = RequestScope(parameters)
        state.withLock { $0.inputs = inputs }
    }

    /// How the builder describes itself.
    var workers: [Moby_Buildkit_V1_Types_WorkerRecord] { describe() }

    // MARK: Results

    /// What the client has put in front of its frontend.
    var inputs: [String: Definition] { state.withLock(\.inputs) }

    /// Names a result.
    /// - Parameters:
    ///   - definition: its graph.
    ///   - scope: the request that it answers.
    /// - Returns: its id; nil for one without files.
    func add(_ definition: Definition, in scope: RequestScope) -> String? {
        guard definition.target != nil else { return nil }
        let id = hexadecimal((0..<16).map { _ in UInt8.random(in: 0...255) })
        state.withLock { $0.results[id] = KnownResult(definition: definition, scope: scope) }
        scope.add(result: id)
        if let parameters = scope.parameters,
            let entry = produced.add(definition, answering: RequestProvenance(parameters, madeOf: Materials()))
        {
            state.withLock { $0.produced.append(entry) }
        }
        return id
    }

    /// The build is over: what its frontends gave says nothing of inputs any more.
    func end() { produced.remove(state.withLock(\.produced)) }

    /// Names a tree; the empty name is that of an empty one.
    func add(_ tree: FileTree?) -> String {
        guard let tree else { return "" }
        let id = hexadecimal((0..<16).map { _ in UInt8.random(in: 0...255) })
        state.withLock { $0.trees[id] = tree }
        return id
    }

    /// The graph of a result.
    func definition(of id: String) throws(ServiceError) -> Definition {
        if id.isEmpty { throw .emptyReference(id) }
        guard let result = state.withLock({ $0.results[id] }) else { throw .unknownReference(id) }
        return result.definition
    }

    /// The request that a result answers.
    func scope(of id: String) -> RequestScope { state.withLock { $0.results[id]?.scope } ?? scope }

    /// Whether the files of a result were made.
    func isEvaluated(_ id: String) -> Bool {
        state.withLock { state in
            state.results[id]?.definition.target.map { state.evaluated.contains($0) } ?? false
        }
    }

    /// Has the files of results made, as far as they are not.
    func evaluate(_ definitions: [Definition]) async throws -> SolvedBuild {
        let (known, caches) = state.withLock { ($0.outputs, $0.caches) }
        // Clients name their caches twice: for the build, and for its frontend.
        let others = caches.filter { !request.cacheSources.contains($0) }
        let solved = try await build.solve(definitions, known: known, caches: request.cacheSources + others)
        state.withLock { state in
            state.outputs.merge(solved.outputs) { first, _ in first }
            state.evaluated.formUnion(definitions.compactMap(\.target))
        }
        return solved
    }

    /// The files of a result.
    func files(of id: String) async throws -> FileTree {
        if let known = state.withLock({ $0.trees[id] }) { return known }
        let solved = try await evaluate([try definition(of: id)])
        let tree = solved.trees.first ?? .empty
        state.withLock { $0.trees[id] = tree }
        return tree
    }

    // MARK: Frontends

    /// Asks a frontend.
    /// - Parameters:
    ///   - frontend: its name.
    ///   - attributes: what it is asked for.
    ///   - inputs: graphs that stand for contexts.
    ///   - outer: the request that leads to this one.
    /// - Returns: what it gave.
    /// - Throws: why it gave nothing.
    func solve(
        frontend: String,
        _ attributes: [String: String],
        inputs: [String: Definition],
        in outer: RequestScope
    ) async throws -> FrontendResult {
        let given = inputs.isEmpty ? self.inputs : inputs
        var parameters = BuildParameters(asking: frontend, attributes)
        parameters.inputs = produced.requests(for: inputs)
        let scope = outer.asking(parameters)
        switch frontend {
        case "dockerfile.v0": return try await translate(attributes, inputs: given, in: scope)
        case "gateway.v0":
            // The one that is built in goes by this name too.
            if attributes[ImageFrontend.sourceKey] == "dockerfile.v0" {
                let attributes = attributes.merging(["cmdline": "dockerfile.v0"]) { own, _ in own }
                return try await translate(attributes, inputs: given, in: scope)
            }
            return try await run(attributes, inputs: given, in: scope)
        default: throw ServiceError.unknownFrontend(frontend)
        }
    }

    /// Translates a Dockerfile, unless it names another frontend.
    private func translate(
        _ attributes: [String: String],
        inputs: [String: Definition],
        in scope: RequestScope
    ) async throws -> FrontendResult {
        let asked = FrontendAttributes(attributes)
        try asked.checkCapabilities(forwarded: false)
        let request = try asked.request(like: request, inputs: inputs)
        try addCaches(asked.caches().map { ($0.type, $0.attributes) })
        do {
            if let call = try asked.call() {
                let answer = try await answer(call, request)
                try asked.checkCapabilities(forwarded: true)
                return answer
            }
            let planned = try await build.plans(for: request)
            try asked.checkCapabilities(forwarded: true)
            scope.add(reads: planned.reads, planned.images)
            // A stage may be of another platform than the image is for.
            let platforms = request.platforms.isEmpty ? planned.plans.map(\.platform) : request.platforms
            let plans = Array(zip(planned.plans, platforms))
            var result = try await result(of: plans, isIndex: request.isMultiPlatform, in: scope)
            if let options = try AttestationOptions(attributes: attributes).sbom {
                let scanner = try await build.scanner(options)
                scope.add(scanner.image)
                for (plan, platform) in plans {
                    let name = "\(platform.normalized)"
                    let scan = try scanner.scan(plan.definition.target, plan.scanTargets, of: name)
                    result.attestations[name] = [.scan(add(scan, in: scope))]
                }
            }
            return result
        } catch let other as OtherFrontend {
            let more = [ImageFrontend.sourceKey: other.image, "cmdline": other.commandLine]
            return try await other.naming {
                try await run(attributes.merging(more) { $1 }, inputs: inputs, in: scope)
            }
        }
    }

    /// Lets a scanner for parts look through what a frontend gave, where the client asks for it and the frontend has
    /// not said what is in it.
    func scanned(_ result: FrontendResult) async throws -> FrontendResult {
        guard let options = request.attestations.sbom,
            !result.attestations.values.joined().contains(where: { $0.predicateType == Statement.spdx })
        else { return result }
        let scanner = try await build.scanner(options)
        var result = result
        for image in try images(of: result) {
            guard let reference = image.reference else { continue }
            let scan = try scanner.scan(try definition(of: reference).target, ScanTargets(), of: image.id)
            result.attestations[image.id, default: []].append(.scan(add(scan, in: scope)))
        }
        return result
    }

    /// Asks a frontend that is an image.
    private func run(
        _ attributes: [String: String],
        inputs: [String: Definition],
        in scope: RequestScope
    ) async throws -> FrontendResult {
        let child = BuildJob(
            id: id,
            request,
            build,
            inputs: inputs,
            produced: produced,
            sessionID: sessionID,
            workers: describe,
            cacheSource: cacheSource
        )
        let (outputs, caches) = state.withLock { ($0.outputs, $0.caches) }
        child.state.withLock { ($0.outputs, $0.caches) = (outputs, caches) }
        defer { child.end() }
        var result = try await ImageFrontend(attributes: attributes, job: child).run()
        try result.replaceReferences { add(try child.definition(of: $0), in: scope) }
        // What it says of its results goes by its own names.
        let (made, known) = child.state.withLock { ($0.outputs, $0.results) }
        state.withLock { state in
            state.outputs.merge(made) { first, _ in first }
            state.results.merge(known) { first, _ in first }
        }
        return result
    }

    /// Has caches looked at from now on.
    func addCaches(_ caches: [(type: String, attributes: [String: String])]) throws {
        let sources = try caches.map { try cacheSource($0.type, $0.attributes) }
        state.withLock { $0.caches += sources }
    }

    private func result(
        of plans: [(plan: BuildPlan, platform: Platform)],
        isIndex: Bool,
        in scope: RequestScope
    ) async throws -> FrontendResult {
        var result = FrontendResult(references: .one(nil), metadata: [:])
        var references: [String: String?] = [:]
        var entries: [PlatformsDocument.Entry] = []
        for (plan, platform) in plans {
            let platform = platform.normalized
            let name = "\(platform)"
            let suffix = isIndex ? "/\(name)" : ""
            let reference = add(plan.definition, in: scope)
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
    func finish(_ result: Result<FrontendResult, any Error>) {
        state.withLock { $0.returned = $0.returned ?? result }
        returned.keep(result)
    }

    /// What it gave, if it did.
    var returnedResult: Result<FrontendResult, any Error>? { state.withLock(\.returned) }

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
    /// - Parameters:
    ///   - result: what the frontend gave.
    ///   - more: outputs besides those of the request.
    /// - Returns: what the build gave.
    /// - Throws: why a step or an output failed.
    func export(_ result: FrontendResult, adding more: [Export] = []) async throws -> Build.Result {
        let images = try images(of: result)
        let said = images.map { result.attestations[$0.id] ?? [] }
        let references = images.map(\.reference) + said.joined().map(\.reference)
        let definitions = try references.map { try $0.map { try definition(of: $0) } ?? Definition(target: nil) }
        let solved = try await evaluate(definitions)
        var isIndex = false
        if case .several = result.references { isIndex = true }
        let exported = Set(references.compactMap(\.self))
        var trees = solved.trees[images.count...]
        var built: [ClientImage] = []
        for (index, image) in images.enumerated() {
            var one = ClientImage(
                configuration: image.configuration,
                base: image.base,
                tree: solved.trees[index],
                sourceDate: image.seconds.map { .time($0) }
            )
            for attestation in said[index] {
                guard attestation.reference != nil, let tree = trees.popFirst() else {
                    throw ServiceError.invalidResult("attestation does not have available content")
                }
                one.attestations.append(attestation.built(from: tree))
            }
            if let id = image.reference, build.tellsOrigins {
                let platform = isIndex ? image.platform : nil
                one.origin = try await build.unlessOnlyRecorded {
                    try await origin(of: id, among: exported, for: platform, of: images.map(\.platform))
                }
            }
            built.append(one)
        }
        let exports = try (request.exports + more).map { try result.described($0) }
        return try await build.export(built, to: exports, isMultiPlatform: isIndex, of: solved)
    }

    private struct Image {
        /// Its platform's name.
        let id: String
        let reference: String?
        let configuration: ImageConfiguration
        let base: ImageConfiguration?
        let seconds: Int64?
        let platform: Platform
    }

    private func images(of result: FrontendResult) throws -> [Image] {
        let platforms = try result.platforms()
        switch result.references {
        case .one(let reference):
            let first = platforms.first
            return [try image(reference, of: result, first?.id ?? "", first?.platform)]
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
        _ named: Platform?
    ) throws -> Image {
        let configuration = try result.configuration(for: id, named)
        let epoch = result.value(FrontendResult.epochKey, for: id)
        let platform = named ?? configuration?.platform.normalized ?? Platform.current.normalized
        return Image(
            id: id.isEmpty ? "\(platform)" : id,
            reference: reference,
            configuration: configuration ?? ImageConfiguration(platform: platform),
            base: try result.value(FrontendResult.baseConfigurationKey, for: id).map {
                try ImageConfiguration(parsing: $0)
            },
            seconds: epoch.flatMap { Int64(String(decoding: $0, as: UTF8.self)) },
            platform: platform
        )
    }
}
