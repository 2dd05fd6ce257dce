import BuildGraph
import DockerfileFrontend
internal import DockerfileSyntax
import LLB
import LinuxSystem
import OCI
import Operations
import RemoteCache
import RemoteSources
import Sandboxes
import Snapshots
import Storage

extension BuildEngine {
    /// What the operations of a build work with.
    func environment(in context: BuildContext) -> OperationEnvironment {
        var directories = context.namedDirectories
        if let directory = context.directory { directories[BuildOptions().contextName] = directory.path }
        return OperationEnvironment(
            snapshots: snapshots,
            sandboxes: sandboxes,
            networks: networks,
            images: BuildImages(bases: bases, layouts: context.layouts),
            downloads: context.downloads,
            repositories: context.repositories,
            localDirectories: directories,
            client: context.client,
            logLimits: context.logLimits,
            devices: context.devices,
            deviceGrants: context.deviceGrants
        )
    }

    /// Runs what must run of the plans of all platforms: at the same time, and what they have in common once.
    /// - Returns: the files of each plan's target, and what became of the steps.
    func solve(
        _ plans: [BuildPlan],
        in context: BuildContext,
        with imported: [ImportedCache],
        _ request: BuildRequest,
        _ progress: BuildSteps
    ) async throws -> SolvedBuild {
        // Two projects may have equal stages: which context a step belongs to is part of its identity.
        let project = Digest.sha256(of: request.context.name).short
        var origins: [Digest: StepOrigin] = [:]
        for plan in plans {
            // The same step for another platform is another step.
            let suffix = request.isMultiPlatform ? "@\(plan.platform)" : ""
            let own = plan.steps.mapValues { step in
                StepOrigin(
                    slot: "\(project)/\(step.file)/\(step.slot)\(suffix)",
                    dockerfile: step.file,
                    stage: step.stage,
                    instruction: step.instruction,
                    line: step.range.start.line,
                    text: withoutCredentials(step.text)
                )
            }
            origins.merge(own) { first, _ in first }
        }
        return try await solve(plans.map(\.definition), origins: origins, in: context, with: imported, progress)
    }

    /// Runs what must run of graphs, what they have in common once.
    func solve(
        _ definitions: [Definition],
        origins: [Digest: StepOrigin],
        in context: BuildContext,
        with imported: [ImportedCache] = [],
        _ progress: BuildSteps
    ) async throws -> SolvedBuild {
        let (graph, targets) = try makeGraph(
            of: definitions,
            origins: origins,
            environment: environment(in: context)
        )
        let wanted = targets.compactMap(\.self)
        if wanted.isEmpty { return SolvedBuild(trees: targets.map { _ in .empty }, steps: [], cacheable: []) }
        try await store.removeCacheMounts(named: cachesToForget(definitions))
        let (stored, index) = cacheIndex(with: imported)
        let solution: Solution<BuildOutput>
        do {
            solution = try await networks.whileInUse { try await Self.solve(graph, wanted, index, progress) }
        } catch let error as SolveError {
            let definition = definitions.first { $0.sources.places[error.vertex] != nil } ?? definitions[0]
            throw StepFailure(error, in: definition)
        }
        try await stored.markUsed()
        var outputs = solution.outputs[...]
        let trees = targets.map { $0 == nil ? .empty : outputs.popFirst()?.tree ?? .empty }
        return SolvedBuild(
            trees: trees,
            steps: solution.steps,
            cacheable: solution.keyed.map { CacheableStep($0) }
        )
    }

    /// The caches of the steps that are to run as if there were none.
    private func cachesToForget(_ definitions: [Definition]) -> Set<[UInt8]> {
        var names: Set<[UInt8]> = []
        for node in definitions.lazy.flatMap(\.nodes) where node.metadata.ignoresCache {
            guard case .exec(let exec) = node.operation else { continue }
            for mount in exec.mounts {
                if case .cache(let id, _) = mount.kind { names.insert(id) }
            }
        }
        return names
    }

    private static func solve(
        _ graph: Graph<BuildOutput>,
        _ targets: [VertexInput],
        _ index: any CacheIndex<BuildOutput>,
        _ progress: BuildSteps
    ) async throws -> Solution<BuildOutput> {
        let solver = Solver(index: index, now: progress.now)
        return try await solver.solve(graph, targets: targets, progress: progress.channel)
    }
}
