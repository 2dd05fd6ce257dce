internal import BuildEngine
internal import BuildGraph
internal import BuildKitClient
internal import DockerfileFrontend
internal import DockerfileSyntax
internal import Exporters
internal import LinuxSystem
internal import Manual
internal import OCI
internal import RPC
internal import Terminal
internal import Text

/// What a build shows, and what it writes when it is over.
extension BuildCommand {
    // MARK: While it runs

    /// How progress is shown: as the flags say, else as `BUILDKIT_PROGRESS` does.
    func mode(_ environment: SlipwayEnvironment) throws -> ProgressMode {
        var mode = progress ?? .auto
        if isQuiet {
            guard [.auto, .quiet, .none].contains(mode) else {
                throw failedBuild("progress=\(mode.rawValue) and quiet cannot be used together")
            }
            return .quiet
        }
        if mode == .auto, let name = environment.variable(.progress) {
            guard let known = ProgressMode(rawValue: String(decoding: name, as: UTF8.self)) else {
                throw failedBuild("BUILDKIT_PROGRESS: \(Self.unknownProgress(escapedForDisplay(name)))")
            }
            mode = known
        }
        if mode == .tty, !environment.errorOutput.isTerminal {
            throw failedBuild(
                "failed to get console: the standard error output is not a terminal; use --progress=plain"
            )
        }
        return mode
    }

    static func unknownProgress(_ name: String) -> String {
        "invalid progress mode \(name): it is not one of auto, none, plain, quiet, rawjson and tty"
    }

    /// What shows the progress of the build on the standard error output.
    func printer(_ mode: ProgressMode, _ environment: SlipwayEnvironment) -> ProgressPrinter {
        let settings = ProgressSettings(environment: environment.textVariables)
        let output = environment.errorOutput
        return ProgressPrinter(
            mode.display(isTerminal: output.isTerminal, settings),
            output: ProgressPrinter.Output(
                size: { TerminalSize(of: StandardStream.error.descriptor).map { (Int($0.columns), Int($0.rows)) } },
                write: { try await output.write($0) }
            ),
            interval: settings.interval
        )
    }

    func show(_ warnings: [VertexWarning], _ mode: ProgressMode, _ environment: SlipwayEnvironment) async throws {
        switch mode {
        case .quiet, .none, .rawjson: return
        case .auto, .plain, .tty: break
        }
        let colors = DisplayColors(environment: environment.textVariables)
        // Bytes, for a color may be among them; the texts of others are made safe there.
        let text = BuildEpilogue.warnings(
            warnings,
            isVerbose: environment.global.isDebugging,
            color: environment.errorOutput.isTerminal ? colors.warning : ""
        )
        try await environment.errorOutput.write(Array(text.utf8))
    }

    // MARK: When it is over

    /// Removes the file of `--iidfile` of an earlier build, so that after a failure it names no image.
    ///
    /// Of what is no regular file, as `/dev/stdout`, nothing could stay behind.
    func removeOldImageID(_ environment: SlipwayEnvironment) async throws {
        guard let path = imageIDFile.map({ environment.path($0) }) else { return }
        try await onBlockingPool {
            if try HostFiles.status(of: path)?.type == .regular { try HostFiles.remove(path) }
        }
    }

    func report(
        _ result: BuildResult,
        _ warnings: [VertexWarning],
        _ environment: SlipwayEnvironment
    ) async throws {
        // Of files there is no id.
        let id = result.image?.id.description ?? ""
        try await write(id, to: imageIDFile, environment)
        let metadata = BuildMetadata(
            result,
            warnings: environment.isTrue(.metadataWarnings) ? warnings : [],
            hasWholeProvenance: environment.variable(.metadataProvenance)?.elementsEqual("max".utf8) ?? false
        )
        try await write(metadata.text, to: metadataFile, environment)
        if isQuiet || progress == .quiet { try await environment.output.writeLine(id) }
    }

    func report(
        _ answer: FrontendAnswer,
        to question: CallOption,
        _ environment: SlipwayEnvironment
    ) async throws -> CommandStatus {
        let name = file.map { String(decoding: $0, as: UTF8.self) }
        return try await self.report(
            CallReport(answer, isJSON: question.isJSON, fileName: name),
            to: question,
            environment
        )
    }

    func report(
        _ report: CallReport,
        to question: CallOption,
        _ environment: SlipwayEnvironment
    ) async throws -> CommandStatus {
        // There is no image: buildx leaves an empty file.
        try await write("", to: imageIDFile, environment)
        try await write(BuildMetadata(report).text, to: metadataFile, environment)
        try await environment.output.write(report.output)
        if let error = report.error { throw CommandFailure(error) }
        return report.hasFindings && !question.ignoresStatus ? .failure : .success
    }

    func write(_ text: String, to file: [UInt8]?, _ environment: SlipwayEnvironment) async throws {
        guard let path = file.map({ environment.path($0) }) else { return }
        try await onBlockingPool { try HostFiles.write(Array(text.utf8), to: path) }
    }

    // MARK: When it failed

    /// How a build that failed ends.
    func failure(_ error: any Error, _ environment: SlipwayEnvironment) -> CommandFailure {
        if let failure = error as? CommandFailure { return failure }
        let account = environment.global.isDebugging ? FailureAccount(error).text : ""
        return CommandFailure(Self.message(for: error) + account, status: CommandStatus(ofFailedBuild: error))
    }

    /// The lines of the Dockerfile at fault, and the error.
    private static func message(for error: any Error) -> String {
        func solving(_ frame: String, _ message: String) -> String {
            "\(frame)ERROR: failed to build: failed to solve: \(message)\n"
        }
        return switch error {
        case let failure as StepFailure:
            BuildEpilogue.failure(failure.error, source: failure.source, advice: failure.advice)
        case let error as DockerfileError: solving(error.frame, error.message)
        case let error as FrontendError: solving(error.frame, error.message)
        case let failure as OtherFrontendFailure: solving(failure.frontend.refusal.frame, "\(failure)")
        case let error as BuildError: "ERROR: failed to build: \(error)\n"
        case let failure as RemoteFailure:
            failure.sources.map { sourceFrame(fileName: $0.fileName, data: $0.data, ranges: $0.lines) }.joined()
                + "ERROR: failed to build: failed to solve: \(safeLines(withoutCredentials(failure.message)))\n"
        case is LostDaemon, is DialError: "ERROR: failed to build: \(error)\n"
        case let error as ExportError where error.isRefusal: "ERROR: failed to build: \(error)\n"
        default: solving("", "\(error)")
        }
    }
}
