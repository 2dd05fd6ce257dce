internal import BuildEngine
internal import BuildGraph
internal import BuildKitClient
internal import ClientServices
internal import LinuxSystem
internal import Manual
internal import RPC
internal import SystemPackage
internal import Tasks
internal import Terminal
internal import Text

/// The same build at a daemon: what is said of it, and what is done with the answer.
extension BuildCommand {
    func carryOut(
        _ request: BuildRequest,
        at address: RPCAddress,
        _ mode: ProgressMode,
        _ environment: SlipwayEnvironment,
        _ note: @escaping ProfileOption.Taker
    ) async throws -> CommandStatus {
        let question = call.flatMap { $0.isQuestion ? $0 : nil }
        if let question { _ = try frontendCall(question) }
        let options = question == nil ? try await outputOptions(environment) : []
        return try await withScratch(environment) { scratch in
            try await withAgents(request.agents, scratch: { try scratch.newDirectory() }) { agents in
                try await describingFailures(environment) {
                    try await RemoteBuilder.at(address) { builder in
                        var translation = RemoteTranslation(
                            request,
                            environment,
                            credentials: try environment.credentials(),
                            scratch: scratch
                        )
                        try await translation.translate(self, caches: self.remoteCaches(environment))
                        translation.build.services = ClientServices(secrets: request.secrets, agents: agents)
                        if let question {
                            return try await ask(question, of: translation.build, builder, mode, environment)
                        }
                        let isOurs = try await builder.isSlipway()
                        try await translation.addOutputs(options, of: self, isSlipway: isOurs)
                        if options.isEmpty, !isOurs, !environment.isTrue(.noDefaultLoad) {
                            try await environment.errorOutput.writeLine(Self.noOutput)
                        }
                        return try await build(translation.build, builder, mode, environment, note)
                    }
                }
            }
        }
    }

    /// In buildx's words, as far as they go for what has no docker beside it.
    private static let noOutput =
        "WARNING: No output specified for this daemon. Build result will only remain in the build cache. To push result image into registry use --push or to have it in a file use --output"

    private func build(
        _ build: RemoteBuild,
        _ builder: RemoteBuilder,
        _ mode: ProgressMode,
        _ environment: SlipwayEnvironment,
        _ note: @escaping ProfileOption.Taker
    ) async throws -> CommandStatus {
        let written = build.writtenDirectories
        for (directory, _) in written { try await onBlockingPool { try directory.prepare() } }
        let name = arguments.first.map { escapedForDisplay($0) } ?? ""
        let (answer, warnings) = try await showingProgress(mode, environment) { channel in
            do {
                let answer = try await builder.solve(build, progress: channel)
                note { BuildProfile(remote: channel.steps, id: build.reference, name: name, nil) }
                return answer
            } catch {
                note { BuildProfile(remote: channel.steps, id: build.reference, name: name, error) }
                throw error
            }
        }
        for (directory, content) in written {
            try await onBlockingPool { try directory.finish(content, answer) }
        }
        let metadata = RemoteMetadata(answer, reference: build.reference)
        try await write(metadata.imageID, to: imageIDFile, environment)
        let told = environment.isTrue(.metadataWarnings) ? warnings : []
        try await write(metadata.document(warnings: told).indented, to: metadataFile, environment)
        if isQuiet || progress == .quiet { try await environment.output.writeLine(metadata.imageID) }
        return .success
    }

    private func ask(
        _ question: CallOption,
        of build: RemoteBuild,
        _ builder: RemoteBuilder,
        _ mode: ProgressMode,
        _ environment: SlipwayEnvironment
    ) async throws -> CommandStatus {
        let (answer, _) = try await showingProgress(mode, environment) {
            try await builder.answer(question.name, about: build, progress: $0)
        }
        let report = try CallReport(
            remote: answer,
            isCheck: try frontendCall(question) == .check,
            isJSON: question.isJSON,
            fileName: file.map { String(decoding: $0, as: UTF8.self) }
        )
        return try await self.report(report, to: question, environment)
    }

    /// Makes errors of the connection those of a build.
    private func describingFailures<Value>(
        _ environment: SlipwayEnvironment,
        _ body: () async throws -> Value
    ) async throws -> Value {
        do {
            return try await body()
        } catch {
            if error is CancellationError { throw error }
            throw failure(error, environment)
        }
    }

    private func withScratch<Value>(
        _ environment: SlipwayEnvironment,
        _ body: (ScratchDirectory) async throws -> Value
    ) async throws -> Value {
        let scratch = try await onBlockingPool { try ScratchDirectory(in: environment.temporaryDirectory) }
        return try await withCleanUp {
            try await body(scratch)
        } finally: {
            try await onBlockingPool { try scratch.remove() }
        }
    }
}

extension RemoteBuilder {
    /// Whether the daemon is Slipway's, which has a store of images.
    func isSlipway() async throws -> Bool {
        try await workers().contains { $0.labels[Self.versionLabel] != nil }
    }
}

/// A directory for files that are sent and not kept; no other user may enter it.
struct ScratchDirectory: Sendable {
    let path: FilePath

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    init(in parent: FilePath) throws(SystemCallError) {
        path = parent.appending("slipway-\(RemoteBuild.randomID())")
        try HostFiles.createNewDirectory(path, mode: 0o700)
    }

    /// Makes an empty directory in it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func newDirectory() throws(SystemCallError) -> FilePath {
        let directory = path.appending(RemoteBuild.randomID())
        try HostFiles.createNewDirectory(directory, mode: 0o700)
        return directory
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func remove() throws(SystemCallError) { try removeTree(path) }
}

extension SlipwayEnvironment {
    /// Where files go that are not kept: `TMPDIR`, else `/tmp`.
    var temporaryDirectory: FilePath { variable(.temporaryDirectory).map { path($0) } ?? "/tmp" }
}
