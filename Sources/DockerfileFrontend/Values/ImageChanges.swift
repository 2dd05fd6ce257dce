internal import DockerfileSyntax
package import OCI

/// What `import --change` (and `commit --change`) says of an image: instructions of a Dockerfile that only touch the configuration.
package enum ImageChanges {
    /// The instructions that docker takes as changes.
    private static let accepted: Set<Keyword> = [
        .cmd, .entrypoint, .healthcheck, .env, .expose, .label, .onbuild, .stopsignal, .user, .volume, .workdir, .shell,
    ]

    /// What containers start with after the changes, applied in order to nothing.
    ///
    /// - Throws: `FrontendError` for an instruction that is wrong or touches more than the configuration.
    package static func apply(_ changes: [String]) async throws -> ContainerDefaults {
        for change in changes {
            for instruction in try parse([change], shown: change).stages.flatMap(\.instructions)
            where !accepted.contains(instruction.keyword) {
                let reason = "\(instruction.keyword.name) is not a valid change command"
                throw FrontendError(.invalidChange(change, reason: reason))
            }
        }
        if changes.isEmpty { return ContainerDefaults() }
        let shown = changes.joined(separator: "; ")
        let plain = try await defaults(try parse([], shown: shown), shown: shown)
        var changed = try await defaults(try parse(changes, shown: shown), shown: shown)
        // What every image from scratch gets is no change.
        if changed.environment == plain.environment { changed.environment = nil }
        if let inherited = plain.environment, let environment = changed.environment {
            changed.environment = environment.filter { !inherited.contains($0) }
        }
        if changed.workingDirectory == plain.workingDirectory { changed.workingDirectory = nil }
        return changed
    }

    private static func parse(_ changes: [String], shown: String) throws -> Dockerfile {
        do {
            let text = (["FROM scratch"] + changes).joined(separator: "\n") + "\n"
            return try Dockerfile(parsing: Array(text.utf8), name: "change")
        } catch {
            throw FrontendError(.invalidChange(shown, reason: error.message))
        }
    }

    private static func defaults(_ dockerfile: Dockerfile, shown: String) async throws -> ContainerDefaults {
        do {
            let plan = try await translate(dockerfile, options: BuildOptions(), resolver: NoImages())
            return plan.configuration.config ?? ContainerDefaults()
        } catch let error as FrontendError {
            throw FrontendError(.invalidChange(shown, reason: error.message))
        }
    }

    /// There is nothing to resolve: changes start from scratch.
    private struct NoImages: ImageMetadataResolver {
        func resolve(_ reference: ImageReference, platform: Platform) async throws -> ResolvedBase {
            throw FrontendError(.invalidChange(reference.familiar, reason: "a change has no base image"))
        }
    }
}
