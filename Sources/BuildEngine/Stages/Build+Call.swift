import BuildGraph
package import DockerfileFrontend
package import DockerfileSyntax
import LLB
import LinuxSystem
import OCI
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

extension Build {
    /// Answers a question about the Dockerfile.
    func answer(_ call: FrontendCall) async throws -> FrontendAnswer {
        let context = try await context()
        let file = try await readDockerfile(context)
        if call == .describe { return .description }
        let dockerfile: Dockerfile
        do {
            dockerfile = try await parse(file)
        } catch let error as DockerfileError where call == .check {
            return .check(
                CheckReport(
                    error,
                    in: file.bytes,
                    name: file.name,
                    options: options(nil, for: request.platforms.first, in: context)
                )
            )
        }
        if call == .targets { return .targets(dockerfile) }
        let ignoreFile = try await readIgnoreFile(context)
        let sources = BuildSources(context: context, dockerfile: dockerfile, ignoreFile: ignoreFile)
        return try await answer(call, of: sources)
    }

    private func answer(_ call: FrontendCall, of sources: BuildSources) async throws -> FrontendAnswer {
        let platform = request.platforms.first
        let resolver = ReportingResolver(self)
        let options = options(sources.ignoreFile, for: platform, in: sources.context)
        switch call {
        case .convert: return .definition(try await plan(sources, for: platform, resolver).definition.json())
        case .outline:
            let outline = try await outline(sources.dockerfile, options: options, resolver: resolver) {
                warn($0, in: sources.dockerfile.source)
            }
            return .outline(outline)
        case .check, .targets, .describe:
            return .check(try await check(sources.dockerfile, options: options, resolver: resolver))
        }
    }
}
