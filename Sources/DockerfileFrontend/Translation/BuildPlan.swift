package import DockerfileSyntax
package import LLB
package import OCI

/// The graph for one target on one platform, and the configuration of its image.
package struct BuildPlan: Sendable {
    /// The graph, with the places of its nodes in the Dockerfile.
    ///
    /// Its target is nil for an empty image.
    package let definition: Definition
    /// The image's configuration but for its layers: own history entries have no time, and the layers listed are the base image's.
    package let configuration: ImageConfiguration
    /// The configuration of the image that the target's chain of stages starts from; nil for scratch.
    package let baseConfiguration: ImageConfiguration?
    package let platform: Platform
    /// Findings of the checks, in the order in which BuildKit makes them.
    package let warnings: [LintWarning]
    /// Where the nodes come from, by digest; nodes the user did not write are not in it.
    package let steps: [Digest: PlannedStep]
    /// The images that the plan reads, by the name in the Dockerfile.
    package let images: [PlannedImage]
    /// The names given with `--build-arg` that nothing in the Dockerfile declares.
    package let unusedBuildArguments: [[UInt8]]
    /// What the image's times are taken from; nil for the times of its layers.
    package let sourceDate: SourceDate?
    /// What is looked through besides the result where its parts are to be listed.
    package let scanTargets: ScanTargets
}

/// The instruction that a node of the graph comes from.
package struct PlannedStep: Sendable, Hashable {
    /// The step's identity from build to build of one Dockerfile: its stage and its number there.
    package let slot: String
    /// The file's name, as the user gave it.
    package let file: String
    /// The stage's name, or its number.
    package let stage: String
    /// The number of the instruction in its stage; FROM is 0.
    ///
    /// Triggers have the number of the FROM that fires them.
    package let instruction: Int
    package let range: SourceRange
    /// The instruction as written, its lines joined.
    package let text: [UInt8]
}

/// An image that a plan reads.
package struct PlannedImage: Sendable, Hashable {
    package let reference: ImageReference
    package let digest: Digest?
    package let platform: Platform
    /// Whether it is in a layout directory of the client.
    package let isOfLayout: Bool
}

extension BuildPlan {
    /// The plan as text, for `slipway debug plan` and golden files.
    package var dump: String {
        var text = definition.dump
        text += "platform: \(platform)\n"
        for image in images { text += "image: \(image.reference)" + (image.digest.map { " \($0)" } ?? "") + "\n" }
        for entry in configuration.history ?? [] {
            text += "history: \(entry.createdBy ?? "")" + (entry.emptyLayer == true ? " (empty)" : "") + "\n"
        }
        for node in definition.nodes {
            guard let step = steps[node.digest] else { continue }
            text += "step: \(node.digest.short) \(step.slot) line \(step.range.start.line)\n"
        }
        for warning in warnings {
            text += "warning: \(warning.rule.rawValue): \(warning.message) (line \(warning.range.start.line))\n"
        }
        return text
    }
}
