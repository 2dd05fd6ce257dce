package import BuildGraph
import ClientServices
import DockerfileFrontend
import DockerfileSyntax
import Exporters
package import HTTP
package import Images
import LLB
import LinuxSystem
import OCI
package import RemoteCache
package import Sandboxes
package import Snapshots
package import Storage
internal import Text

/// Builds images: one request from its Dockerfile to what becomes of its result.
///
/// The engine works in the process that calls it. Several engines, in this process or others, may use one store.
package final class BuildEngine: Sendable {
    let store: Store
    let snapshots: SnapshotStore
    let images: ImageStore
    let bases: any BaseImages
    let sandboxes: SandboxRunner
    let networks: SandboxNetworks
    let web: WebClient
    let variables: [[UInt8]: [UInt8]]
    let remote: RemoteImages?
    let caches: RemoteCaches?
    let devices: @Sendable () -> DeviceRegistry
    let now: @Sendable () -> Timestamp

    /// - Parameters:
    ///   - store: where everything is kept.
    ///   - snapshots: the layers of the store.
    ///   - images: the images of the store.
    ///   - bases: finds base images, in the store or a registry.
    ///   - sandboxes: runs the processes of steps.
    ///   - networks: makes the networks of steps.
    ///   - web: reads what a build takes from web servers.
    ///   - variables: the environment of the process: where git finds proxies, certificates and the agent.
    ///   - remote: pushes images; an engine without it refuses to.
    ///   - caches: reads and writes build caches outside of the store; an engine without it refuses to.
    ///   - devices: reads, on a thread that may block, what devices the machine has; each build asks anew.
    ///   - now: the clock.
    package init(
        store: Store,
        snapshots: SnapshotStore,
        images: ImageStore,
        bases: any BaseImages,
        sandboxes: SandboxRunner,
        networks: SandboxNetworks,
        web: WebClient,
        variables: [[UInt8]: [UInt8]] = [:],
        remote: RemoteImages? = nil,
        caches: RemoteCaches? = nil,
        devices: @escaping @Sendable () -> DeviceRegistry = { DeviceRegistry(reading: []) },
        now: @escaping @Sendable () -> Timestamp = Timestamp.system
    ) {
        self.store = store
        self.snapshots = snapshots
        self.images = images
        self.bases = bases
        self.sandboxes = sandboxes
        self.networks = networks
        self.web = web
        self.variables = variables
        self.remote = remote
        self.caches = caches
        self.devices = devices
        self.now = now
    }

    /// Carries out a request; what happens is told through `progress`, which the caller finishes.
    ///
    /// How the build ended, and why each step ran, is kept in the build history, also when it fails.
    /// - Throws: `BuildError`, `DockerfileError`, `FrontendError`, `SolveError`, `StorageError` and what the exports throw.
    package func build(_ request: BuildRequest, progress: ProgressChannel) async throws -> BuildResult {
        let id = hexadecimal((0..<12).map { _ in UInt8.random(in: 0...255) })
        let started = now()
        let name = escapedForDisplay(request.name)
        func record(_ status: BuildRecord.Status, _ image: Digest?, _ error: (any Error)?, _ steps: [StepExplanation])
            -> BuildRecord
        {
            BuildRecord(
                id: id,
                started: started,
                completed: now(),
                status: status,
                name: name,
                imageID: image,
                error: error.map { withoutCredentials("\($0)") },
                steps: steps
            )
        }
        let history = BuildHistory(store: store)
        do {
            return try await store.withLease { _ in
                let (image, steps, cache) = try await withClient(of: request) { client in
                    try await carryOut(request, client, BuildSteps(channel: progress, now: now))
                }
                try await history.add(record(.completed, image?.id, nil, steps))
                return BuildResult(buildID: id, image: image, cacheManifest: cache)
            }
        } catch {
            let status: BuildRecord.Status = error is CancellationError ? .canceled : .failed
            // The error of the build is the one that matters, also where the store is the reason for it.
            try? await history.add(record(status, nil, error, (error as? StepFailure)?.error.steps ?? []))
            throw error
        }
    }

    /// Lends what a request offers to steps and to those who fetch.
    func withClient<Value>(
        of request: BuildRequest,
        _ body: (ClientServices) async throws -> Value
    ) async throws -> Value {
        try await withAgents(request.agents, scratch: { [store] in try store.temporaryDirectory() }) { agents in
            try await body(ClientServices(secrets: request.secrets, agents: agents))
        }
    }

    private func carryOut(
        _ request: BuildRequest,
        _ client: ClientServices,
        _ progress: BuildSteps
    ) async throws -> (image: ExportedImage?, steps: [StepExplanation], cache: Descriptor?) {
        try checkExports(of: request)
        try checkCaches(of: request)
        let context = try await prepareContext(request, client, progress)
        let file = try await readDockerfile(request, context, progress)
        let dockerfile: Dockerfile
        do {
            dockerfile = try await parse(file, request)
        } catch let error as DockerfileError {
            let options = try options(request, nil, request.platforms.first, in: context).replacedLintOptions
            let source = SourceText(name: file.name, bytes: file.bytes)
            Dockerfile.syntaxWarnings(beforeErrorIn: file.bytes, name: file.name, options: options)
                .forEach { warn($0, in: source, request, progress) }
            throw error
        }
        let ignoreFile = try await loadIgnoreFile(request, context, progress)
        let plans = try await plans(dockerfile, ignoreFile, context, request, progress)
        if let plan = plans.first, let warning = unusedArgumentsWarning(plan, request) {
            progress.channel.post(.warning(warning))
        }
        return try await withImportedCaches(request, progress) { imported in
            let solved = try await solve(plans, in: context, with: imported, request, progress)
            var images: [BuiltImage] = []
            for (plan, tree) in zip(plans, solved.trees) {
                let time = try await time(of: plan.sourceDate, in: context)
                images.append(BuiltImage(plan: plan, tree: tree, time: time, solved: solved))
            }
            let image = try await export(images, request, progress)
            return (image, solved.steps, try await exportCaches(solved, request, progress))
        }
    }

    // MARK: Reading

    func readDockerfile(
        _ request: BuildRequest,
        _ context: BuildContext,
        _ progress: BuildSteps
    ) async throws -> ContextDirectory.File {
        try await progress.step(loadStep(of: request)) { step in
            let file = try await dockerfile(of: request, in: context)
            await step.withStatus("transferring dockerfile:") { report in
                report(Int64(file.bytes.count), 0)
            }
            return file
        }
    }

    private func loadStep(of request: BuildRequest) -> String {
        "[internal] load build definition from \(shownName(of: request.dockerfile))"
    }

    /// Text of 4 MiB takes a moment: not on the cooperative pool.
    func parse(_ file: ContextDirectory.File, _ request: BuildRequest) async throws -> Dockerfile {
        let argument = request.buildArguments.last { $0.name.elementsEqual("BUILDKIT_SYNTAX".utf8) }?.value
        return try await onBlockingPool {
            try checkFrontend(of: SourceText(name: file.name, bytes: file.bytes), argument)
            return try Dockerfile(parsing: file.bytes, name: file.name)
        }
    }

    func loadIgnoreFile(
        _ request: BuildRequest,
        _ context: BuildContext,
        _ progress: BuildSteps
    ) async throws -> IgnoreFile? {
        // What comes from elsewhere was chosen by whoever made it: nothing is left out.
        guard let directory = context.directory else { return nil }
        return try await progress.step("[internal] load .dockerignore") { step in
            let file = try await onBlockingPool { try directory.readIgnoreFile(for: request.dockerfile) }
            await step.withStatus("transferring context:") { report in
                report(Int64(file?.bytes.count ?? 0), 0)
            }
            return try file.map { try IgnoreFile(parsing: $0.bytes) }
        }
    }

    private func shownName(of location: DockerfileLocation) -> String {
        switch location {
        case .default, .content, .address: "Dockerfile"
        case .file(let path), .inContext(let path): path.shownName ?? "Dockerfile"
        }
    }

    /// Shows a finding under the step that loaded the Dockerfile, as BuildKit does.
    func warn(_ finding: LintWarning, in source: SourceText, _ request: BuildRequest, _ progress: BuildSteps) {
        let warning = VertexWarning(
            vertex: BuildSteps.digest(of: loadStep(of: request)),
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

    /// BuildKit says nothing of a misspelt `--build-arg`; the builder before it did, in these words.
    private func unusedArgumentsWarning(_ plan: BuildPlan, _ request: BuildRequest) -> VertexWarning? {
        let names = plan.unusedBuildArguments.map { escapedForDisplay($0) }
        if names.isEmpty { return nil }
        let text = "One or more build-args [\(names.joined(separator: " "))] were not consumed"
        return VertexWarning(vertex: nil, short: text)
    }

    // MARK: Planning

    /// What the frontend is asked for, for one platform.
    func options(
        _ request: BuildRequest,
        _ ignoreFile: IgnoreFile?,
        _ platform: Platform?,
        in context: BuildContext
    ) -> BuildOptions {
        var options = BuildOptions()
        options.target = request.target.map { String(decoding: $0, as: UTF8.self) }
        options.buildArguments = Variables(request.buildArguments)
        options.labels = Dictionary(
            request.labels.map {
                (String(decoding: $0.name, as: UTF8.self), String(decoding: $0.value, as: UTF8.self))
            },
            uniquingKeysWith: { $1 }
        )
        options.platform = platform
        options.isMultiPlatform = request.isMultiPlatform
        if !request.uncachedStages.isEmpty { options.cacheBypass = .stages(request.uncachedStages) }
        if request.ignoresCache { options.cacheBypass = .everywhere }
        options.context = context.node
        options.namedContexts = context.named
        options.ignoreFile = ignoreFile
        options.extraHosts = request.extraHosts.map { HostAddress(host: $0.name, address: $0.address) }
        request.applyRunLimits(to: &options)
        options.deviceObstacle = { device in
            let name = String(decoding: device.name, as: UTF8.self)
            do throws(DeviceError) {
                _ = try context.devices.devices(for: [(name, device.isOptional)], context.deviceGrants)
                return nil
            } catch {
                return "\(error)"
            }
        }
        return options
    }
}
