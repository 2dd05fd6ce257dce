package import BuildGraph
import ClientServices
package import DockerfileFrontend
package import DockerfileSyntax
import LLB
import LinuxSystem
package import Text

/// What a Dockerfile can be asked instead of being built (`--call`).
package enum FrontendCall: String, Sendable, CaseIterable {
    case check = "lint"
    case outline
    case targets
    case describe = "subrequests.describe"
    case convert = "convertllb"
}

/// The answer to a call.
package enum FrontendAnswer: Sendable {
    case check(CheckReport)
    case outline(Outline)
    case targets(Dockerfile)
    case description
    /// The graph that would be carried out.
    case definition(JSONValue)
}

extension BuildEngine {
    /// Answers a question about a request's Dockerfile; nothing is built.
    /// - Throws: as `build`; what is wrong with a Dockerfile that is checked is part of the answer.
    package func answer(
        _ call: FrontendCall,
        _ request: BuildRequest,
        progress: ProgressChannel
    ) async throws -> FrontendAnswer {
        let steps = BuildSteps(channel: progress, now: now)
        return try await withClient(of: request) { try await answer(call, request, $0, steps) }
    }

    private func answer(
        _ call: FrontendCall,
        _ request: BuildRequest,
        _ client: ClientServices,
        _ steps: BuildSteps
    ) async throws -> FrontendAnswer {
        let context = try await prepareContext(request, client, steps)
        let file = try await readDockerfile(request, context, steps)
        if call == .describe { return .description }
        let dockerfile: Dockerfile
        do {
            dockerfile = try await parse(file, request)
        } catch let error as DockerfileError where call == .check {
            return .check(
                CheckReport(
                    error,
                    in: file.bytes,
                    name: file.name,
                    options: options(request, nil, request.platforms.first, in: context)
                )
            )
        }
        if call == .targets { return .targets(dockerfile) }
        let ignoreFile = try await loadIgnoreFile(request, context, steps)
        let options = options(request, ignoreFile, request.platforms.first, in: context)
        let resolver = ReportingResolver(source: bases, layouts: context.layouts, request: request, progress: steps)
        if call == .convert {
            let plan = try await translate(dockerfile, options: options, resolver: resolver) {
                warn($0, in: dockerfile.source, request, steps)
            }
            return .definition(try plan.definition.json())
        }
        guard call == .outline else {
            return .check(try await check(dockerfile, options: options, resolver: resolver))
        }
        return .outline(
            try await outline(dockerfile, options: options, resolver: resolver) {
                warn($0, in: dockerfile.source, request, steps)
            }
        )
    }
}
