import DockerfileSyntax
import OCI
internal import Text

extension Translator {
    /// Resolves the images that the target reaches, or that any stage names, and takes in the triggers of what the target
    /// reaches, until these reach nothing new.
    mutating func resolve(_ target: Int, with resolver: any ImageMetadataResolver, allStages: Bool) async throws {
        while true {
            let reachable = graph.reachable(from: target)
            try await resolveImages(allStages ? Set(graph.nodes.indices) : reachable, with: resolver)
            guard try takeTriggers(reachable) else { return }
        }
    }

    private struct Question: Hashable {
        let reference: ImageReference
        let layout: [UInt8]?
        let platform: Platform
    }

    private mutating func resolveImages(_ nodes: Set<Int>, with resolver: any ImageMetadataResolver) async throws {
        var asking: [Question: [Int]] = [:]
        for index in nodes.sorted() where resolved[index] == nil {
            guard case .image(let reference, let layout) = graph.nodes[index].base else { continue }
            let platform = graph.nodes[index].platform ?? targetPlatform
            let question = Question(reference: reference, layout: layout, platform: platform)
            asking[question, default: []].append(index)
        }
        let answers = await withTaskGroup(of: (Question, Result<ResolvedBase, any Error>).self) { group in
            for question in asking.keys {
                group.addTask {
                    do {
                        let base =
                            if let layout = question.layout {
                                try await resolver.resolve(
                                    question.reference,
                                    inLayout: layout,
                                    platform: question.platform
                                )
                            } else {
                                try await resolver.resolve(question.reference, platform: question.platform)
                            }
                        return (question, .success(base))
                    } catch {
                        return (question, .failure(error))
                    }
                }
            }
            var answers: [Question: Result<ResolvedBase, any Error>] = [:]
            for await (question, answer) in group {
                answers[question] = answer
                // One failure ends the build: the others need not be waited for.
                if case .failure = answer { group.cancelAll() }
            }
            return answers
        }
        try Task.checkCancellation()
        try report(answers, asking)
        for (question, answer) in answers {
            for index in asking[question] ?? [] {
                let base = try answer.get()
                resolved[index] = ResolvedImage(
                    reference: base.reference ?? question.reference,
                    layout: question.layout,
                    base: base,
                    platform: platform(of: base, wanted: question.platform, node: index),
                    wanted: question.platform
                )
            }
        }
    }

    /// Throws the first failure in the order of the file; a cancellation only where there is nothing else.
    private func report(
        _ answers: [Question: Result<ResolvedBase, any Error>],
        _ asking: [Question: [Int]]
    ) throws {
        var failures: [(index: Int, error: any Error)] = []
        for (question, answer) in answers {
            guard case .failure(let error) = answer, let index = asking[question]?.min() else { continue }
            failures.append((index, error))
        }
        guard let first = failures.filter({ !($0.error is CancellationError) }).min(by: { $0.index < $1.index }) else {
            if let other = failures.first { throw other.error }
            return
        }
        let node = graph.nodes[first.index]
        let name = node.baseName.displayText
        let common = ["alpine", "busybox", "centos", "debian", "golang", "ubuntu", "fedora"]
        let meant = suggestion(for: name, among: graph.stageNames + common + common.map { "\($0):latest" })
        throw failure(.baseImage(name: name, first.error, didYouMean: meant), at: node.place)
    }

    /// The platform of a base: unless one was asked for, an image of a single other platform decides.
    private func platform(of base: ResolvedBase, wanted: Platform, node: Int) -> Platform {
        guard graph.nodes[node].platform == nil, options.platform == nil else { return wanted }
        let image = base.configuration.platform.normalized
        if image.os.isEmpty || image.architecture.isEmpty { return wanted }
        return image.os == wanted.os && image.architecture == wanted.architecture ? wanted : image
    }

    /// Puts the triggers of bases into the stages built on them.
    /// - Returns: whether they refer to stages or images.
    private mutating func takeTriggers(_ nodes: Set<Int>) throws -> Bool {
        var needsMore = false
        for index in nodes.sorted()
        where !graph.nodes[index].hasTriggers && graph.nodes[index].stage != nil && !graph.nodes[index].isReplaced {
            var expressions: [[UInt8]] = []
            switch graph.nodes[index].base {
            case .scratch, .tree: break
            case .result(_, let configuration):
                expressions = configuration.config?.onBuild?.map { Array($0.utf8) } ?? []
            case .image:
                expressions = resolved[index]?.base.configuration.config?.onBuild?.map { Array($0.utf8) } ?? []
            case .stage(let base): expressions = graph.triggers(ofStage: base)
            }
            graph.markTriggersTaken(of: index)
            guard !expressions.isEmpty else { continue }
            if try graph.addTriggers(expressions, to: index) { needsMore = true }
        }
        return needsMore
    }
}
