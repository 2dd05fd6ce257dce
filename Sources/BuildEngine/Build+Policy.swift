package import LLB
package import OCI
import Synchronization
import Tasks
import Text

/// Decides about sources where the rules of policies are not all: a client that is asked.
package protocol SourceCheck: Sendable {
    /// - Returns: the source, or what the build is to take instead.
    /// - Throws: where it may not be used.
    func check(_ source: Source, platform: Platform?, for build: Build) async throws -> Source
}

/// Which sources a build may use.
extension Build {
    /// What a source is by the build's policies, and by those that came with one question.
    ///
    /// - Parameters:
    ///   - source: as it stands in the graph.
    ///   - platform: of its node.
    ///   - more: policies of the question.
    ///   - asksClient: whether the client is asked too; not where it is its own question.
    /// - Returns: the source itself, or what stands in for it.
    /// - Throws: `SourcePolicyError`, and what the client says.
    package func admitted(
        _ source: Source,
        platform: Platform?,
        _ more: [SourcePolicy] = [],
        asksClient: Bool = true
    ) async throws -> Source {
        let policies = request.sourcePolicies + more
        if policies.isEmpty, request.sourceCheck == nil { return source }
        let allowed = try SourcePolicy.evaluate(policies, source.normalized)
        guard asksClient, let check = request.sourceCheck else { return allowed }
        return try await check.check(allowed, platform: platform, for: self)
    }

    /// A graph with the sources that policies let it have.
    package func admitted(_ definition: Definition, _ more: [SourcePolicy] = []) async throws -> Definition {
        if request.sourcePolicies.isEmpty, more.isEmpty, request.sourceCheck == nil { return definition }
        guard var target = definition.target else { return definition }
        let nodes = definition.nodes.compactMap { node -> (node: Node, source: Source)? in
            if case .source(let source) = node.operation { (node, source) } else { nil }
        }
        // A client may wait with one answer for another question.
        let judged = try await nodes.mapConcurrently(limit: 64) { node, source in
            try await admitted(source, platform: node.platform, more)
        }
        var sources = definition.sources
        for ((node, source), allowed) in zip(nodes, judged) where allowed != source {
            let other = try Node(.source(allowed), platform: node.platform, metadata: node.metadata)
            var replacement = NodeReplacement(of: node, by: other)
            target = try replacement.output(target)
            sources.places = Dictionary(
                sources.places.map { (replacement.digest(of: $0), $1) },
                uniquingKeysWith: { first, _ in first }
            )
        }
        return Definition(target: target, sources: sources)
    }

    /// The name of an image as policies have it.
    /// - Throws: `BuildError.notAnImage` where they have a source of another kind in its place.
    func admitted(_ reference: ImageReference, platform: Platform, _ more: [SourcePolicy] = []) async throws
        -> ImageReference
    {
        let source = Source(identifier: "\(Source.imageScheme)://\(reference.description)")
        let allowed = try await admitted(source, platform: platform, more)
        if allowed.identifier == source.identifier { return reference }
        guard allowed.scheme == Source.imageScheme else { throw BuildError.notAnImage(reference, allowed) }
        return try ImageReference(parsing: String(decoding: allowed.rest, as: UTF8.self)).withDefaultTag
    }
}

/// The graphs that policies have judged already: a client is asked once about each source of a graph.
final class AdmittedGraphs: Sendable {
    private let graphs = Mutex<[Output: Definition]>([:])

    subscript(target: Output) -> Definition? {
        get { graphs.withLock { $0[target] } }
        set { graphs.withLock { $0[target] = newValue } }
    }
}

extension Build {
    /// The same, remembered for graphs of the same target.
    func admittedOnce(_ definition: Definition) async throws -> Definition {
        guard let target = definition.target else { return definition }
        if let known = admittedGraphs[target] { return known }
        let allowed = try await admitted(definition)
        admittedGraphs[target] = allowed
        return allowed
    }
}
