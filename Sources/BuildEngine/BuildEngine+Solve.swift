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
    /// Runs what must run of a plan.
    /// - Returns: the files of the target, and why each step ran or did not.
    func solve(
        _ plan: BuildPlan,
        _ request: BuildRequest,
        _ progress: BuildSteps
    ) async throws -> (tree: FileTree, steps: [StepExplanation]) {
        let environment = OperationEnvironment(
            snapshots: snapshots,
            sandboxes: sandboxes,
            images: bases,
            downloads: Downloads(store: store, client: web),
            localDirectories: [BuildOptions().contextName: request.context]
        )
        // Two projects may have equal stages: which context a step belongs to is part of its identity.
        let project = Digest.sha256(of: request.context.bytes).short
        let origins = plan.steps.mapValues { step in
            StepOrigin(
                slot: "\(project)/\(step.file)/\(step.slot)",
                dockerfile: step.file,
                stage: step.stage,
                instruction: step.instruction,
                line: step.range.start.line,
                text: step.text
            )
        }
        let (graph, target) = try makeGraph(of: plan.definition, origins: origins, environment: environment)
        guard let target else { return (.empty, []) }
        let index = StoredCacheIndex<BuildOutput>(store: store, tree: \.tree, output: BuildOutput.tree)
        let solution: Solution<BuildOutput>
        do {
            let solver = Solver(index: index, now: now)
            solution = try await solver.solve(graph, targets: [target], progress: progress.channel)
        } catch let error as SolveError {
            throw StepFailure(error, in: plan.definition.sources)
        }
        try await index.markUsed()
        return (solution.outputs.first?.tree ?? .empty, solution.steps)
    }
}
