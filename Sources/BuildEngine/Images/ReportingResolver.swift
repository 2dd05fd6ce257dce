import BuildGraph
import DockerfileFrontend
import LLB
import LinuxSystem
import OCI
import Tasks
import Text

/// Resolves base images and shows each as a step.
///
/// What the plans of several platforms ask alike is asked once.
final class ReportingResolver: ImageMetadataResolver {
    private struct Question: Hashable {
        let reference: ImageReference
        let layout: [UInt8]?
        let platform: Platform
    }

    private let build: Build
    private let images: BuildImages
    private let asksRegistry: Bool
    private let hasPlatform: Bool
    private let showsPlatform: Bool
    private let progress: BuildSteps
    private let answers = SharedWork<Question, ResolvedBase>(keepsValues: true)

    init(_ build: Build) {
        self.build = build
        images = build.images
        progress = build.progress
        let request = build.request
        asksRegistry = request.pullsBaseImages
        hasPlatform = !request.platforms.isEmpty
        showsPlatform = request.isMultiPlatform
    }

    func resolve(_ reference: ImageReference, platform: Platform) async throws -> ResolvedBase {
        let name = reference.withDefaultTag
        return try await answer(to: Question(reference: name, layout: nil, platform: platform.normalized))
    }

    func resolve(_ reference: ImageReference, inLayout name: [UInt8], platform: Platform) async throws -> ResolvedBase {
        try await answer(to: Question(reference: reference, layout: name, platform: platform.normalized))
    }

    private func answer(to question: Question) async throws -> ResolvedBase {
        try await answers.value(for: question) { try await self.ask(question) }
    }

    private func ask(_ question: Question) async throws -> ResolvedBase {
        if let layout = question.layout {
            let title = "[context \(escapedForDisplay(layout))] load metadata for \(question.reference)"
            return try await progress.step(title) { _ in
                try await images.resolve(
                    question.reference,
                    in: LayoutStore(name: layout),
                    platform: question.platform
                )
            }
        }
        let title = showsPlatform ? "[\(question.platform) internal]" : "[internal]"
        return try await progress.step("\(title) load metadata for \(question.reference)") { _ in
            try await build.resolve(
                BaseQuestion(
                    reference: question.reference,
                    platform: question.platform,
                    asksRegistry: asksRegistry,
                    isPlatformGiven: hasPlatform
                )
            )
        }
    }
}
