import Attestations
import BuildEngine
import BuildGraph
import BuildKitProto
import ClientServices
import DockerfileFrontend
import Exporters
import LLB
import OCI
import Operations
import RemoteCache
import Sandboxes
import Settings
import Storage
import SwiftProtobuf
import SystemPackage
import Tasks
import Terminal
import Text

extension BuildServer {
    /// Carries a client's request out.
    /// - Parameters:
    ///   - question: the request.
    ///   - parent: the header `traceparent` of the call.
    /// - Returns: what the client is told in the end.
    /// - Throws: why the build failed.
    func solve(
        _ question: Moby_Buildkit_V1_SolveRequest,
        parent: String? = nil
    ) async throws -> Moby_Buildkit_V1_SolveResponse {
        try await withJob(question.ref) { try await solve(question, parent: parent, in: $0) }
    }

    /// The same, with the entry of the request among the jobs.
    func solve(
        _ question: Moby_Buildkit_V1_SolveRequest,
        parent: String? = nil,
        upload: Upload? = nil,
        in entry: JobRegistry.Entry
    ) async throws -> Moby_Buildkit_V1_SolveResponse {
        defer { keeper.look() }
        return try await recorded(question, parent: parent, in: entry) { lease in
            let channel = ProgressChannel()
            async let relayed: Void = entry.progress.relay(channel)
            do {
                let solved = try await solve(question, upload, entry, channel, lease)
                channel.finish()
                await relayed
                return solved
            } catch {
                channel.finish()
                await relayed
                entry.job.keep(.failure(error))
                throw error
            }
        }.answer
    }

    /// The same; the lease holds what the record of the build names.
    private func solve(
        _ question: Moby_Buildkit_V1_SolveRequest,
        _ upload: Upload?,
        _ entry: JobRegistry.Entry,
        _ channel: ProgressChannel,
        _ lease: Lease
    ) async throws -> SolvedRequest {
        let session = question.session.isEmpty ? nil : try await sessions.session(question.session)
        let client = session.map { SessionClient($0, among: sessions, store: store) }
        var request = try request(question, client)
        if let upload { request.client = UploadingClient(upload, beside: request.client) }
        if question.hasSourcePolicy { request.sourcePolicies = [try SourcePolicy(question.sourcePolicy)] }
        if !question.sourcePolicySession.isEmpty {
            request.sourceCheck = SessionPolicy(session: try await sessions.session(question.sourcePolicySession))
        }
        let inputs = try BuildJob.inputs(question.frontendInputs)
        let engine = try await configuration.engine(client?.credentials ?? NoCredentials())
        return try await engine.withBuild(request, progress: channel) { [request] build in
            let job = BuildJob(
                id: question.ref,
                request,
                build,
                inputs: inputs,
                produced: self.produced,
                sessionID: question.session,
                workers: { [self] in workers },
                cacheSource: { [self] in try cacheSource($0, $1, client) }
            )
            defer { job.end() }
            entry.job.keep(.success(job))
            let given = try await withCleanUp {
                try await job.scanned(try await Self.result(of: question, job))
            } finally: {
                await job.containers.releaseAll()
            }
            let attributes = question.frontendAttrs
            if attributes["requestid"] == nil, let text = given.platformWarning(asked: attributes["platform"]) {
                build.progress.warn(text)
            }
            let asked = question.enableSessionExporter ? client : nil
            let more = try await asked?.exports(of: given, after: question.outputs.count) ?? []
            let result = try await job.export(given, adding: more)
            let answer = try Moby_Buildkit_V1_SolveResponse(result, given)
            try await asked?.finishExports(answer)
            return try await SolvedRequest(answer, result, in: self.store, lease)
        }
    }

    /// What is to be exported: a graph's result, a frontend's, or what the client's own frontend returns.
    private static func result(
        of question: Moby_Buildkit_V1_SolveRequest,
        _ job: BuildJob
    ) async throws -> FrontendResult {
        if question.hasDefinition, !question.definition.def.isEmpty {
            let definition = try Definition.load(question.definition)
            return FrontendResult(references: .one(job.add(definition, in: job.scope)), metadata: [:])
        }
        if question.frontend.isEmpty {
            // A graph of nothing is not the same as none.
            if question.hasDefinition { return FrontendResult(references: .one(nil), metadata: [:]) }
            return try await job.clientResult()
        }
        return try await job.solve(
            frontend: question.frontend,
            question.frontendAttrs,
            inputs: job.inputs,
            in: job.scope
        )
    }

    /// What goes for all that the client asks for in the build.
    private func request(
        _ question: Moby_Buildkit_V1_SolveRequest,
        _ client: SessionClient?
    ) throws -> BuildRequest {
        var request = BuildRequest(.offered("context"))
        request.dockerfile = .offered("dockerfile", "Dockerfile")
        request.offeredFiles = client?.files ?? LocalDirectories()
        request.client = client?.services
        try grant(question.entitlements, to: &request)
        request.attestations = try AttestationOptions(attributes: question.frontendAttrs)
        // The history has all there is to tell, whatever goes into the image.
        var recorded = ProvenanceOptions()
        recorded.builderID = request.attestations.provenance?.builderID ?? ""
        request.recordedProvenance = recorded
        request.parameters = BuildParameters(asking: question.frontend, question.frontendAttrs)
        let exporters = question.outputs
        // Where images are kept for docker, those are taken that it has; a builder by itself asks their registries.
        request.pullsBaseImages = !exporters.contains { $0.type == "moby" }
        // As BuildKit has it: the build's own argument goes for outputs that say nothing of their own.
        let epoch = question.frontendAttrs["build-arg:SOURCE_DATE_EPOCH"]
        request.exports = try exporters.enumerated().compactMap { number, exporter in
            var exporter = exporter
            if let epoch, Int64(epoch) != nil, exporter.attrs["source-date-epoch"] == nil {
                exporter.attrs["source-date-epoch"] = epoch
            }
            return try Export(exporter, number: number, sink: client)
        }
        // A client that leads its build can look into what a failed step left.
        request.keepsRemains = question.frontend.isEmpty && question.definition.def.isEmpty
        request.cacheSources = try question.cache.imports.map { try cacheSource($0.type, $0.attrs, client) }
        request.cacheExports = try question.cache.exports.map { try cacheExport($0.type, $0.attrs, client) }
        return request
    }

    /// A cache that the client names, or keeps itself.
    private func cacheSource(
        _ type: String,
        _ attributes: [String: String],
        _ client: SessionClient?
    ) throws -> CacheSource {
        let source = try configuration.cacheSource(type, attributes)
        guard case .local(let local) = source else { return source }
        // The client has looked up the tag: its store knows digests alone.
        guard let digest = local.digest else {
            throw ServiceError.cache("local cache importer requires explicit digest")
        }
        return .client(try cachePlace(attributes["src"], client), digest)
    }

    private func cacheExport(
        _ type: String,
        _ attributes: [String: String],
        _ client: SessionClient?
    ) throws -> CacheExport {
        var export = try configuration.cacheExport(type, attributes)
        if case .local = export.destination { export.destination = .client(try cachePlace(attributes["dest"], client)) }
        return export
    }

    private func cachePlace(_ path: String?, _ client: SessionClient?) throws -> ClientCachePlace {
        guard let client else { throw ServiceError.cache("local cache exporter/importer requires session") }
        return ClientCachePlace(try client.content("local:" + (path ?? "")))
    }

    /// Lets steps do what the client asks for, as far as the daemon allows it.
    private func grant(_ names: [String], to request: inout BuildRequest) throws(ServiceError) {
        for name in names {
            let allowance: Allowance
            do throws(FlagValueError) { allowance = try Allowance(parsing: Array(name.utf8)) } catch {
                throw .unknownEntitlement(name)
            }
            guard isGranted(allowance) else { throw .entitlementRefused(name) }
            allowance.apply(to: &request)
        }
    }

    private func isGranted(_ allowance: Allowance) -> Bool {
        let devices = configuration.deviceGrants
        return switch allowance {
        case .entitlement(let entitlement): configuration.entitlements.contains(entitlement)
        case .allDevices: devices.allowsAll
        case .device(let name, _): devices.allowsAll || devices.names.contains(name)
        }
    }
}

/// The credentials of a client that offers none.
struct NoCredentials: CredentialSource {
    func credential(for host: String) -> Credential? { nil }
}
