import BuildCache
package import BuildGraph
import DockerfileFrontend
import DockerfileSyntax
package import LLB
import LinuxSystem
package import OCI
package import Operations
package import RemoteCache
import Sandboxes
package import Snapshots
import Storage
package import SystemPackage

/// Graphs to solve, from the frontend or from a client.
package struct SolveWork: Sendable {
    package fileprivate(set) var definitions: [Definition]
    /// Where the steps come from.
    package var origins: [Digest: StepOrigin] = [:]
    /// The directories of the client.
    package var files: any LocalFiles = LocalDirectories()
    /// The outputs of nodes that the build has already.
    package var known: [Digest: [BuildOutput]] = [:]
    /// The caches outside of the store that are looked at.
    package var imported: [ImportedCache] = []

    package init(definitions: [Definition]) { self.definitions = definitions }
}

/// What a solve left for those who export it; the build's lease holds it.
package struct SolvedBuild: Sendable {
    /// The files of each target.
    package var trees: [FileTree]
    /// Why each step ran or did not.
    package var steps: [StepExplanation] = []
    /// The steps that a cache can keep.
    var cacheable: [CacheableStep] = []
    /// The outputs of nodes, as far as they came to be needed.
    package var outputs: [Digest: [BuildOutput]] = [:]
    /// The keys of nodes that have one.
    var keys: [Digest: CacheKey] = [:]
}

extension Build {
    /// Runs what must run of the plans of all platforms: at the same time, and what they have in common once.
    func solve(
        _ plans: [BuildPlan],
        of sources: BuildSources,
        _ imported: [ImportedCache]
    ) async throws -> SolvedBuild {
        let scans = try await scans(of: plans)
        var work = work(of: plans.map(\.definition) + scans, sources.context.directories)
        work.origins = origins(of: plans)
        work.known = sources.context.known
        work.imported = imported
        return try await solve(work)
    }

    /// Graphs to solve with the directories of the client.
    package func work(of definitions: [Definition], _ directories: [[UInt8]: FilePath] = [:]) -> SolveWork {
        var work = SolveWork(definitions: definitions)
        work.files = request.offeredFiles ?? LocalDirectories(directories)
        return work
    }

    /// Runs what must run of graphs, what they have in common once.
    package func solve(_ work: SolveWork) async throws -> SolvedBuild {
        var work = work
        for place in work.definitions.indices {
            work.definitions[place] = try await admittedOnce(work.definitions[place])
        }
        try request.checkEntitlements(of: work.definitions)
        let environment = environment(work.files)
        let (graph, targets) = try makeGraph(of: work.definitions, origins: work.origins, environment: environment)
        let wanted = targets.compactMap(\.self)
        if wanted.isEmpty { return SolvedBuild(trees: targets.map { _ in .empty }) }
        try await store.removeCacheMounts(named: Self.cachesToForget(work.definitions))
        let (stored, index) = cacheIndex(with: work.imported)
        let solver = Solver(
            index: index,
            member: member,
            retain: { [snapshots] in try await Self.retain($0, snapshots) },
            now: progress.now
        )
        let solution: Solution<BuildOutput>
        do {
            let graph = try graph.replacingKnown(work.known)
            solution = try await parts.networks.whileInUse {
                try await solver.solve(graph, targets: wanted, progress: progress.channel)
            }
        } catch let error as SolveError {
            let definition = work.definitions.first { $0.sources.places[error.vertex] != nil } ?? work.definitions[0]
            throw StepFailure(error, in: definition)
        }
        try await stored.markUsed()
        try await measureLayers(of: solution.keyed)
        var outputs = solution.outputs[...]
        var trees: [FileTree] = []
        for target in targets {
            if target != nil, let output = outputs.popFirst() {
                trees.append(try await environment.tree(of: output))
            } else {
                trees.append(.empty)
            }
        }
        return SolvedBuild(
            trees: trees,
            steps: solution.steps,
            cacheable: solution.keyed.map { CacheableStep($0) },
            outputs: Dictionary(
                solution.keyed.compactMap { step in step.allOutputs.map { (step.vertex, $0) } },
                uniquingKeysWith: { first, _ in first }
            ),
            keys: Dictionary(solution.keyed.map { ($0.vertex, $0.canonicalKey) }) { first, _ in first }
        )
    }

    /// Reports how large the layers are that each step added, for the record of the build.
    private func measureLayers(of steps: [KeyedStep<BuildOutput>]) async throws {
        let added = addedLayers(of: steps)
        if added.isEmpty { return }
        let sizes = try await store.database.read { db in
            try LayerTable.sizes(of: Set(added.flatMap(\.layers)), in: db)
        }
        for (vertex, layers) in added {
            let size = layers.reduce(0) { $0 + (sizes[$1] ?? 0) }
            progress.channel.post(.measured(VertexMeasure(vertex: vertex, layerSize: size)))
        }
    }

    /// The layers that each step added to those of the steps before it.
    private func addedLayers(of steps: [KeyedStep<BuildOutput>]) -> [(vertex: Digest, layers: [LayerID])] {
        var known: Set<CacheKey> = []
        var seen: Set<LayerID> = []
        var added: [(vertex: Digest, layers: [LayerID])] = []
        for step in steps {
            guard let outputs = step.allOutputs else { continue }
            known.insert(step.canonicalKey)
            let trees = outputs.compactMap(\.tree)
            if trees.isEmpty { continue }
            // What a step is built on may not have been needed, and its layers then are not known as its own.
            let isOnKnown = step.inputs.allSatisfy { known.contains($0.key) }
            let layers = isOnKnown ? trees.flatMap(\.layers) : trees.compactMap(\.layers.last)
            added.append((step.vertex, layers.filter { seen.insert($0).inserted }))
            seen.formUnion(trees.flatMap(\.layers))
        }
        return added
    }

    /// What the operations of the build work with.
    func environment(_ files: any LocalFiles) -> OperationEnvironment {
        var environment = OperationEnvironment(
            snapshots: snapshots,
            sandboxes: parts.sandboxes,
            networks: parts.networks,
            sources: OperationSources(images: images, downloads: downloads, repositories: repositories)
        )
        environment.localFiles = files
        environment.keepsRemains = request.keepsRemains
        environment.build = { definition in
            try await solve(work(of: [definition])).trees.first ?? .empty
        }
        environment.client = client
        environment.logLimits = request.logLimits
        environment.devices = devices
        environment.deviceGrants = request.deviceGrants
        return environment
    }

    /// Where the steps of plans come from.
    private func origins(of plans: [BuildPlan]) -> [Digest: StepOrigin] {
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
        return origins
    }

    /// Holds what a step of another build gave, whose own lease may end at any moment.
    private static func retain(_ outputs: [BuildOutput], _ snapshots: LeasedSnapshots) async throws -> Bool {
        let layers = Set(outputs.compactMap(\.tree).flatMap(\.layers))
        try await snapshots.lease.hold(layers.map { .layer($0) })
        return try await snapshots.canHave(layers)
    }

    /// The caches of the steps that are to run as if there were none.
    private static func cachesToForget(_ definitions: [Definition]) -> Set<[UInt8]> {
        var names: Set<[UInt8]> = []
        for node in definitions.lazy.flatMap(\.nodes) where node.metadata.ignoresCache {
            guard case .exec(let exec) = node.operation else { continue }
            for mount in exec.mounts {
                if case .cache(let id, _) = mount.kind { names.insert(id) }
            }
        }
        return names
    }
}

/// An operation whose outputs the build has already.
private struct KnownOperation: VertexOperation {
    let operation: any VertexOperation<BuildOutput>
    let outputs: [BuildOutput]

    func cacheMap(_ context: OperationContext) async throws -> CacheMap<BuildOutput> {
        try await operation.cacheMap(context)
    }

    func run(_ inputs: [BuildOutput], _ context: OperationContext) async throws -> [BuildOutput] { outputs }
}

extension Graph<BuildOutput> {
    /// The graph in which what is known is not made again, also where the cache may not be used.
    fileprivate func replacingKnown(_ known: [Digest: [BuildOutput]]) throws(BuildGraphError) -> Graph {
        if known.isEmpty { return self }
        return try Graph(
            vertices.map { vertex in
                guard let outputs = known[vertex.digest] else { return vertex }
                return Vertex(
                    digest: vertex.digest,
                    name: vertex.name,
                    inputs: vertex.inputs,
                    operation: KnownOperation(operation: vertex.operation, outputs: outputs),
                    ignoresCache: vertex.ignoresCache,
                    origin: vertex.origin
                )
            }
        )
    }
}
