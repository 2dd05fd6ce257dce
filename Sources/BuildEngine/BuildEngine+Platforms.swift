import BuildGraph
import DockerfileFrontend
import DockerfileSyntax
import LinuxSystem
import OCI
import Synchronization
import Tasks
internal import Text

/// Planning: once for each platform, at the same time.
extension BuildEngine {
    /// What is to be done for each platform of a request, in its order.
    func plans(
        _ dockerfile: Dockerfile,
        _ ignoreFile: IgnoreFile?,
        _ context: BuildContext,
        _ request: BuildRequest,
        _ progress: BuildSteps
    ) async throws -> [BuildPlan] {
        let resolver = ReportingResolver(source: bases, layouts: context.layouts, request: request, progress: progress)
        // What is found for every platform is told once.
        let told = Mutex<Set<LintWarning>>([])
        let warn: @Sendable (LintWarning) -> Void = { finding in
            guard told.withLock({ $0.insert(finding).inserted }) else { return }
            self.warn(finding, in: dockerfile.source, request, progress)
        }
        let plans = try await plans(dockerfile, ignoreFile, context, request, resolver, warn)
        let date = plans.lazy.compactMap(\.sourceDate).first { if case .time = $0 { false } else { true } }
        guard let date else { return plans }
        // Instructions that declare the argument get the time, and not the name of what it is taken from.
        let time = try await time(of: date, in: context)
        if time == nil {
            let text =
                "SOURCE_DATE_EPOCH is ignored: what it names has no time, as a commit or a file of a web server has"
            progress.channel.post(.warning(VertexWarning(vertex: nil, short: text)))
        }
        var dated = request
        dated.buildArguments.append((Array("SOURCE_DATE_EPOCH".utf8), Array((time.map { "\($0.seconds)" } ?? "").utf8)))
        return try await self.plans(dockerfile, ignoreFile, context, dated, resolver) { _ in }
    }

    private func plans(
        _ dockerfile: Dockerfile,
        _ ignoreFile: IgnoreFile?,
        _ context: BuildContext,
        _ request: BuildRequest,
        _ resolver: ReportingResolver,
        _ warn: @escaping @Sendable (LintWarning) -> Void
    ) async throws -> [BuildPlan] {
        let platforms: [Platform?] = request.platforms.isEmpty ? [nil] : request.platforms
        return try await withThrowingTaskGroup(of: (index: Int, plan: BuildPlan).self) { group in
            for (index, platform) in platforms.enumerated() {
                let options = options(request, ignoreFile, platform, in: context)
                group.addTask {
                    (index, try await translate(dockerfile, options: options, resolver: resolver, warn: warn))
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }.sorted { $0.index < $1.index }.map(\.plan)
        }
    }
}

/// Resolves base images and shows each as a step.
///
/// What the plans of several platforms ask alike is asked once.
final class ReportingResolver: ImageMetadataResolver {
    private struct Question: Hashable {
        let reference: ImageReference
        let layout: [UInt8]?
        let platform: Platform
    }

    private let source: any BaseImages
    private let layouts: ContextLayouts
    private let asksRegistry: Bool
    private let hasPlatform: Bool
    private let showsPlatform: Bool
    private let progress: BuildSteps
    private let answers = SharedWork<Question, ResolvedBase>(keepsValues: true)

    init(source: any BaseImages, layouts: ContextLayouts, request: BuildRequest, progress: BuildSteps) {
        self.source = source
        self.layouts = layouts
        asksRegistry = request.pullsBaseImages
        hasPlatform = !request.platforms.isEmpty
        showsPlatform = request.isMultiPlatform
        self.progress = progress
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
                try await layouts.resolve(question.reference, in: layout, platform: question.platform)
            }
        }
        let title = showsPlatform ? "[\(question.platform) internal]" : "[internal]"
        return try await progress.step("\(title) load metadata for \(question.reference)") { _ in
            try await source.resolve(
                question.reference,
                platform: question.platform,
                asksRegistry: asksRegistry,
                isPlatformGiven: hasPlatform
            )
        }
    }
}
