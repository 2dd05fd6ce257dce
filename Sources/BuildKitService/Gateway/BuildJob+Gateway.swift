import Attestations
import BuildEngine
import BuildGraph
import BuildKitProto
import DockerfileFrontend
import FileSync
import FoundationEssentials
import LLB
import LinuxSystem
import OCI
import SwiftProtobuf
import SystemPackage
import Text

/// The answers to what a client's frontend asks.
extension BuildJob {
    func solve(
        _ question: Moby_Buildkit_V1_Frontend_SolveRequest
    ) async throws -> Moby_Buildkit_V1_Frontend_SolveResponse {
        var result: FrontendResult
        try addCaches(question.cacheImports.map { ($0.type, $0.attrs) })
        if question.frontend.isEmpty {
            let policies = try question.sourcePolicies.map { try SourcePolicy($0) }
            let definition = try await build.admitted(Definition.load(question.definition), policies)
            result = FrontendResult(references: .one(add(definition, in: scope)), metadata: [:])
            if question.evaluate { _ = try await evaluate([definition]) }
        } else {
            let inputs = try BuildJob.inputs(question.frontendInputs)
            result = try await solve(frontend: question.frontend, question.frontendOpt, inputs: inputs, in: scope)
            if question.evaluate { _ = try await evaluate(definitions(of: result)) }
        }
        if question.final { finish(.success(result)) }
        let message = try result.message(takesDefinitions: question.allowResultArrayRef) { id in
            try definition(of: id).message()
        }
        return .with { answer in
            answer.result = message
            guard !question.allowResultReturn, case .one(let id) = result.references else { return }
            answer.ref = id ?? ""
        }
    }

    /// The graphs that stand for contexts.
    static func inputs(_ messages: [String: Pb_Definition]) throws -> [String: Definition] {
        try messages.mapValues { message in
            if message.def.isEmpty { throw ServiceError.invalidResult("invalid nil input definition to definition op") }
            return try Definition.load(message)
        }
    }

    private func definitions(of result: FrontendResult) throws -> [Definition] {
        switch result.references {
        case .one(let id): return try id.map { [try definition(of: $0)] } ?? []
        case .several(let ids): return try ids.values.compactMap(\.self).map { try definition(of: $0) }
        }
    }

    func resolveImage(
        _ question: Moby_Buildkit_V1_Frontend_ResolveImageConfigRequest
    ) async throws -> Moby_Buildkit_V1_Frontend_ResolveImageConfigResponse {
        let answer = try await build.resolveImage(question)
        try note(
            answer.ref,
            question.hasPlatform ? Platform(question.platform) : .current,
            answer.digest,
            isOfLayout: question.resolverType == Build.layoutResolver
        )
        return answer
    }

    func resolve(
        _ question: Moby_Buildkit_V1_Frontend_ResolveSourceMetaRequest
    ) async throws -> Moby_Buildkit_V1_Frontend_ResolveSourceMetaResponse {
        let answer = try await build.resolve(question)
        guard answer.hasImage else { return answer }
        let source = Source(answer.source)
        try note(
            String(decoding: source.rest, as: UTF8.self),
            question.hasPlatform ? Platform(question.platform) : .current,
            answer.image.digest,
            isOfLayout: source.scheme == Source.layoutScheme
        )
        return answer
    }

    /// Notes an image that the frontend has looked at, for what provenance tells.
    private func note(_ name: String, _ platform: Platform, _ digest: String, isOfLayout: Bool) throws {
        scope.add(
            Materials.Image(
                try ImageReference(parsing: name),
                platform: platform.normalized,
                digest: try? Digest(parsing: digest),
                isOfLayout: isOfLayout
            )
        )
    }

    // MARK: Files

    func readFile(
        _ question: Moby_Buildkit_V1_Frontend_ReadFileRequest
    ) async throws -> Moby_Buildkit_V1_Frontend_ReadFileResponse {
        try await build.withFiles(of: files(of: question.ref)) { try await Self.read(question, in: $0) }
    }

    func status(
        _ question: Moby_Buildkit_V1_Frontend_StatFileRequest
    ) async throws -> Moby_Buildkit_V1_Frontend_StatFileResponse {
        try await build.withFiles(of: files(of: question.ref)) { try await Self.status(question, in: $0) }
    }

    func readDirectory(
        _ question: Moby_Buildkit_V1_Frontend_ReadDirRequest
    ) async throws -> Moby_Buildkit_V1_Frontend_ReadDirResponse {
        try await build.withFiles(of: files(of: question.ref)) { try await Self.entries(question, in: $0) }
    }

    /// What is read of a file at once: a message must hold it.
    private static let fileLimit: Int64 = 16 << 20

    static func read(
        _ question: Moby_Buildkit_V1_Frontend_ReadFileRequest,
        in root: RootedDirectory
    ) async throws -> Moby_Buildkit_V1_Frontend_ReadFileResponse {
        let range = question.hasRange ? question.range : nil
        let bytes = try await look(into: root, at: question.filePath) { root, path in
            let file = try root.open(path, [.readOnly, .nonBlocking])
            guard try file.status().type == .regular else {
                throw ServiceError.path(question.filePath, reason: "is not a regular file")
            }
            let length = range.map { $0.length > 0 ? $0.length : Int64.max } ?? .max
            return try file.read(from: range?.offset ?? 0, limit: Int(min(length, Self.fileLimit)))
        }
        return .with { $0.data = Data(bytes) }
    }

    static func status(
        _ question: Moby_Buildkit_V1_Frontend_StatFileRequest,
        in root: RootedDirectory
    ) async throws -> Moby_Buildkit_V1_Frontend_StatFileResponse {
        let stat = try await look(into: root, at: question.path) { root, path in
            try Fsutil_Types_Stat(
                root,
                path,
                root.status(path),
                as: path.lastComponent.map { FilePath(root: nil, [$0]).bytes } ?? []
            )
        }
        return .with { $0.stat = stat }
    }

    static func entries(
        _ question: Moby_Buildkit_V1_Frontend_ReadDirRequest,
        in root: RootedDirectory
    ) async throws -> Moby_Buildkit_V1_Frontend_ReadDirResponse {
        let filter =
            try question.includePattern.isEmpty ? nil : IgnoreFile(patterns: [Array(question.includePattern.utf8)])
        let entries = try await look(into: root, at: question.dirPath) { root, path in
            var entries: [Fsutil_Types_Stat] = []
            for name in try root.entries(of: path).sorted(by: { $0.lexicographicallyPrecedes($1) })
            where filter?.ignores(name) ?? true {
                let below = path.appending(name: name)
                entries.append(try Fsutil_Types_Stat(root, below, root.status(below), as: name))
            }
            return entries
        }
        return .with { $0.entries = entries }
    }

    /// Lends files on a thread that may block; errors name the path as the client does.
    private static func look<Value: Sendable>(
        into root: RootedDirectory,
        at name: String,
        _ body: @escaping @Sendable (RootedDirectory, FilePath) throws -> Value
    ) async throws -> Value {
        var path = FilePath(root: nil, FilePath(name).components)
        if path.isEmpty { path = "." }
        do {
            return try await onBlockingPool { [path] in try body(root, path) }
        } catch let error as SystemCallError {
            throw ServiceError.path("open \(name)", reason: SystemCallError.text(of: error.errno))
        }
    }

    // MARK: Warnings

    func warn(_ warning: Moby_Buildkit_V1_Frontend_WarnRequest) {
        var source: BuildGraph.VertexWarning.Source?
        if warning.hasInfo {
            source = BuildGraph.VertexWarning.Source(
                fileName: String(decoding: warning.info.filename, as: UTF8.self),
                language: warning.info.language,
                data: [UInt8](warning.info.data),
                lines: warning.ranges.map { range in
                    let first = Int(range.start.line)
                    return first...max(first, Int(range.end.line))
                }
            )
        }
        build.progress.channel.post(
            .warning(
                BuildGraph.VertexWarning(
                    vertex: try? Digest(parsing: warning.digest),
                    level: Int(warning.level),
                    short: String(decoding: warning.short, as: UTF8.self),
                    detail: warning.detail.map { String(decoding: $0, as: UTF8.self) },
                    url: warning.url,
                    source: source
                )
            )
        )
    }
}

extension Platform {
    init(_ message: Pb_Platform) {
        self.init(os: message.os, architecture: message.architecture)
        if !message.variant.isEmpty { variant = message.variant }
        if !message.osversion.isEmpty { osVersion = message.osversion }
        if !message.osfeatures.isEmpty { osFeatures = message.osfeatures }
    }
}
