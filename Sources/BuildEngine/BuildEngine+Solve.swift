import BuildGraph
import DockerfileFrontend
import DockerfileSyntax
import LLB
import LinuxSystem
import OCI
import Operations
import RemoteSources
import Snapshots

extension BuildEngine {
    /// Runs what must run of the plans of all platforms: at the same time, and what they have in common once.
    /// - Returns: the files of each plan's target, and why each step ran or did not.
    func solve(
        _ plans: [BuildPlan],
        _ request: BuildRequest,
        _ progress: BuildSteps
    ) async throws -> (trees: [FileTree], steps: [StepExplanation]) {
        let environment = OperationEnvironment(
            snapshots: snapshots,
            sandboxes: sandboxes,
            images: bases,
            downloads: Downloads(store: store, client: web),
            localDirectories: [BuildOptions().contextName: request.context]
        )
        // Two projects may have equal stages: which context a step belongs to is part of its identity.
        let project = Digest.sha256(of: request.context.bytes).short
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
                    text: step.text
                )
            }
            origins.merge(own) { first, _ in first }
        }
        let (graph, targets) = try makeGraph(
            of: plans.map(\.definition),
            origins: origins,
            environment: environment
        )
        let wanted = targets.compactMap(\.self)
        if wanted.isEmpty { return (targets.map { _ in .empty }, []) }
        let index = StoredCacheIndex<BuildOutput>(store: store, tree: \.tree, output: BuildOutput.tree)
        let solution: Solution<BuildOutput>
        do {
            let solver = Solver(index: index, now: now)
            solution = try await solver.solve(graph, targets: wanted, progress: progress.channel)
        } catch let error as SolveError {
            let plan = plans.first { $0.definition.sources.places[error.vertex] != nil } ?? plans[0]
            throw StepFailure(error, in: plan.definition.sources)
        }
        try await index.markUsed()
        var outputs = solution.outputs[...]
        let trees = targets.map { $0 == nil ? .empty : outputs.popFirst()?.tree ?? .empty }
        return (trees, solution.steps)
    }
}
