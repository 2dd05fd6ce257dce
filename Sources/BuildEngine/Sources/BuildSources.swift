import BuildGraph
import DockerfileFrontend
import DockerfileSyntax
import LLB
import LinuxSystem
import OCI
import Operations
import Snapshots
import SystemPackage
import Text

/// What a build is made from: its context, and what its Dockerfile says.
struct BuildSources: Sendable {
    let context: BuildContext
    let dockerfile: Dockerfile
    /// Nil where nothing is left out of the context.
    let ignoreFile: IgnoreFile?
}

/// What a build reads files from, found and, where it is not a directory of this machine, brought here.
struct BuildContext: Sendable {
    /// The directory that is read in place; nil for a context that came from elsewhere.
    var directory: ContextDirectory?
    /// What brings the files of such a context in.
    var node: Output?
    /// The files that it gave.
    var tree: FileTree?
    /// What was solved to have them.
    var known: [Digest: [BuildOutput]] = [:]
    /// What names lead to instead.
    var named = NamedContexts()
    /// The directories among it, by the names that sources have for them.
    var namedDirectories: [[UInt8]: FilePath] = [:]
    /// The Dockerfile, where the context is nothing else.
    var dockerfile: [UInt8]?

    /// All directories of the client, by the names that sources have for them.
    var directories: [[UInt8]: FilePath] {
        var directories = namedDirectories
        if let directory { directories[BuildOptions().contextName] = directory.path }
        return directories
    }
}

extension Build {
    /// Finds and reads what the request is about.
    func sources() async throws -> BuildSources {
        let context = try await context()
        let file = try await readDockerfile(context)
        let dockerfile: Dockerfile
        do {
            dockerfile = try await parse(file)
        } catch let error as DockerfileError {
            let options = try options(nil, for: request.platforms.first, in: context).replacedLintOptions
            let source = SourceText(name: file.name, bytes: file.bytes)
            Dockerfile.syntaxWarnings(beforeErrorIn: file.bytes, name: file.name, options: options)
                .forEach { warn($0, in: source) }
            throw error
        }
        return BuildSources(
            context: context,
            dockerfile: dockerfile,
            ignoreFile: try await readIgnoreFile(context)
        )
    }

    /// The text of the Dockerfile that the request names.
    func readDockerfile(_ context: BuildContext) async throws -> ContextDirectory.File {
        try await progress.step(loadStep) { step in
            let file = try await dockerfile(in: context, step)
            await report("transferring dockerfile:", file.bytes.count, step)
            return file
        }
    }

    private var loadStep: String {
        "[internal] load build definition from \(request.dockerfile.shownName ?? "Dockerfile")"
    }

    /// Text of 4 MiB takes a moment: not on the cooperative pool.
    func parse(_ file: ContextDirectory.File) async throws -> Dockerfile {
        let argument = request.argument("BUILDKIT_SYNTAX")
        let namesFrontend = request.namesFrontend
        return try await onBlockingPool {
            let source = SourceText(name: file.name, bytes: file.bytes)
            if namesFrontend, let other = otherFrontend(of: source, argument) { throw other }
            return try Dockerfile(parsing: file.bytes, name: file.name)
        }
    }

    func readIgnoreFile(_ context: BuildContext) async throws -> IgnoreFile? {
        // Another tool chose what this holds: nothing is left out.
        guard context.directory != nil || request.context.offeredName != nil else { return nil }
        return try await progress.step("[internal] load .dockerignore") { step in
            let file = try await ignoreFile(in: context, step)
            await report("transferring context:", file?.bytes.count ?? 0, step)
            return try file.map { try IgnoreFile(parsing: $0.bytes) }
        }
    }

    /// Shows what was read; what a client sends is shown as it comes.
    private func report(_ id: String, _ count: Int, _ step: OperationContext) async {
        if request.offeredFiles != nil { return }
        await step.withStatus(id) { report in report(Int64(count), 0) }
    }

    private func ignoreFile(
        in context: BuildContext,
        _ step: OperationContext
    ) async throws -> ContextDirectory.File? {
        let location = request.dockerfile
        if let directory = context.directory {
            return try await onBlockingPool { try directory.readIgnoreFile(for: location) }
        }
        if case .offered(let name, let path) = location {
            // It came with the Dockerfile.
            let directory = try await offeredDirectory(source(name, having: path), step)
            if let own = try await onBlockingPool({ try directory.readIgnoreFile(besides: path) }) { return own }
        }
        guard let name = request.context.offeredName else { return nil }
        let directory: ContextDirectory
        do {
            let source = source(name, followPaths: [".dockerignore"], hint: name + "-.dockerignore")
            directory = try await offeredDirectory(source, step)
        } catch {
            if error is CancellationError { throw error }
            // A client that offers no context may have a Dockerfile that needs none; the step that needs it says so.
            return nil
        }
        return try await onBlockingPool { try directory.readIgnoreFile(for: .inContext(".dockerignore")) }
    }

    /// The graph that the Dockerfile comes from; nil where telling of it would tell a password.
    ///
    /// A directory of this machine goes by the name that clients of BuildKit give it.
    func dockerfileGraph(_ context: BuildContext) throws -> Definition? {
        let metadata = Metadata(name: Array(loadStep.utf8))
        switch request.dockerfile {
        case .graph(let definition, _): return definition
        case .address(let address):
            if withoutCredentials(address) != address { return nil }
            return Definition(target: try Output.http(HTTPSource(url: address), metadata: metadata))
        case .offered(let name, let path):
            return Definition(target: try Output.local(self.source(name, having: path), metadata: metadata))
        case .default, .inContext, .file, .content: break
        }
        if request.dockerfile.isInContext, let node = context.node { return Definition(target: node) }
        var file: FilePath = "Dockerfile"
        switch request.dockerfile {
        case .file(let path), .inContext(let path): file = path.lastComponent.map { FilePath(root: nil, [$0]) } ?? file
        case .default, .content, .address, .offered, .graph: break
        }
        return Definition(target: try Output.local(source("dockerfile", having: file), metadata: metadata))
    }

    /// A directory of the client with a Dockerfile and the ignore file beside it.
    private func source(_ name: [UInt8], having dockerfile: FilePath) -> LocalSource {
        var paths = [dockerfile.bytes, dockerfile.bytes + ".dockerignore"]
        if dockerfile == "Dockerfile" { paths.append("dockerfile") }
        return source(name, followPaths: paths, hint: name)
    }

    private func source(_ name: [UInt8], followPaths: [[UInt8]], hint: [UInt8]) -> LocalSource {
        var source = LocalSource(name: name)
        source.followPaths = followPaths
        source.sharedKeyHint = hint
        source.session = request.localSessions[name] ?? []
        // So few files that nothing need be guessed of them.
        source.comparesMetadata = false
        return source
    }

    private func offeredDirectory(_ source: LocalSource, _ step: OperationContext) async throws -> ContextDirectory {
        let files = request.offeredFiles ?? LocalDirectories()
        let path = try await files.directory(for: source, step).path
        reads.add(directory: source.name)
        return try await onBlockingPool { try ContextDirectory(path) }
    }

    /// Shows a finding under the step that loaded the Dockerfile, as BuildKit does.
    func warn(_ finding: LintWarning, in source: SourceText) {
        guard notices.isNew(finding) else { return }
        let warning = VertexWarning(
            vertex: BuildSteps.digest(of: loadStep),
            short: "\(finding.rule.rawValue): \(finding.message) (line \(finding.range.start.line))",
            detail: [finding.rule.summary],
            url: finding.rule.url ?? "",
            source: VertexWarning.Source(
                fileName: source.name,
                language: "Dockerfile",
                data: source.bytes,
                lines: finding.range.lines.map { $0...$0 }
            )
        )
        progress.channel.post(.warning(warning))
    }

    /// The Dockerfile, wherever it is.
    private func dockerfile(in context: BuildContext, _ step: OperationContext) async throws -> ContextDirectory.File {
        let location = request.dockerfile
        switch location {
        case .address(let address):
            let bytes = try await content(of: HTTPSource(url: address))
            return ContextDirectory.File(name: "Dockerfile", bytes: bytes)
        case .content(let bytes): return ContextDirectory.File(name: "Dockerfile", bytes: bytes)
        case .offered(let name, let path):
            let directory = try await offeredDirectory(source(name, having: path), step)
            return try await onBlockingPool { try directory.readDockerfile(at: location) }
        case .graph(let definition, _):
            reads.add(definition)
            let solved = try await solve(work(of: [definition]))
            return try await snapshots.withMounted(solved.trees.first ?? .empty) { root in
                try await onBlockingPool { try ContextDirectory(root).readDockerfile(at: location) }
            }
        case .file(let path) where context.directory == nil:
            // From this machine, with files from elsewhere.
            return try await onBlockingPool {
                let directory = path.removingLastComponent()
                return try ContextDirectory(directory.isEmpty ? "." : directory).readDockerfile(at: location)
            }
        case .default, .file, .inContext: break
        }
        if let bytes = context.dockerfile {
            // What a web server has is the Dockerfile whatever -f says, as in BuildKit; standard input leaves a choice.
            if context.directory != nil {
                guard case .default = location else { throw BuildError.ambiguousDockerfile }
            }
            return ContextDirectory.File(name: "Dockerfile", bytes: bytes)
        }
        if let directory = context.directory {
            return try await onBlockingPool { try directory.readDockerfile(at: location) }
        }
        return try await snapshots.withMounted(context.tree ?? .empty) { root in
            try await onBlockingPool { try ContextDirectory(root).readDockerfile(at: location) }
        }
    }
}
