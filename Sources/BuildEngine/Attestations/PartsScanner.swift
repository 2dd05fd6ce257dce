package import Attestations
package import DockerfileFrontend
package import LLB
import OCI
import Text

/// Looks through results for what software is in them: an image that does so, run by BuildKit's protocol for scanners.
///
/// See BuildKit's docs/attestations/sbom-protocol.md.
package struct PartsScanner: Sendable {
    /// The image, as provenance tells of it.
    package let image: Materials.Image
    private let base: Output
    private let process: Process
    private let name: String

    /// What the scan of the result itself is called.
    package static let core = "sbom"

    init(_ options: SBOMOptions, _ resolved: ResolvedBase, on platform: OCI.Platform) throws {
        let reference = resolved.digest.map { options.generator.replacing(digest: $0) } ?? options.generator
        let defaults = resolved.configuration.config
        let words = (defaults?.entrypoint ?? []) + (defaults?.command ?? [])
        if words.isEmpty { throw BuildError.scannerWithoutCommand("\(reference)") }
        image = Materials.Image(options.generator, platform: platform, digest: resolved.digest)
        base = try Output.image("\(reference)", platform: platform)
        name = "\(reference)"
        var process = Process(arguments: words.map { Array($0.utf8) })
        process.environment = (defaults?.environment ?? []).map { Array($0.utf8) }
        let parameters = options.parameters.sorted { $0.key < $1.key }.map { "BUILDKIT_SCAN_\($0.key)=\($0.value)" }
        let places = ["BUILDKIT_SCAN_DESTINATION=/run/out/", "BUILDKIT_SCAN_SOURCE=/run/src/core/\(Self.core)"]
        process.environment += (places + parameters).map { Array($0.utf8) }
        process.directory = Array((defaults?.workingDirectory ?? "").utf8)
        process.user = Array((defaults?.user ?? "").utf8)
        self.process = process
    }

    /// The graph of a scan, whose result is a directory of statements.
    /// - Parameters:
    ///   - target: the result; nil for the empty tree.
    ///   - targets: what is looked through besides.
    ///   - title: what the result is called.
    /// - Returns: the graph.
    /// - Throws: `LLBError`.
    package func scan(_ target: Output?, _ targets: ScanTargets, of title: String) throws -> Definition {
        var process = process
        var mounts = [Mount.root(base), Mount(.temporary(size: 0), at: "/tmp")]
        mounts.append(Self.source(target, at: "/run/src/core/\(Self.core)"))
        if !targets.extras.isEmpty {
            process.environment.append(Array("BUILDKIT_SCAN_SOURCE_EXTRAS=/run/src/extras".utf8))
        }
        for (name, extra) in targets.extras.sorted(by: { $0.key < $1.key }) {
            mounts.append(Self.source(extra, at: "/run/src/extras/\(Self.core)-\(name)"))
        }
        mounts.append(Mount(.bind, at: "/run/out", output: 1))
        let shown = "[\(title)] generating sbom using \(name)"
        let node = try Node(
            .exec(Exec(process: process, mounts: mounts)),
            platform: base.node.platform,
            metadata: Metadata(name: Array(shown.utf8), ignoresCache: targets.ignoresCache)
        )
        return Definition(target: Output(node, index: 1))
    }

    private static func source(_ tree: Output?, at path: String) -> Mount {
        Mount(.bind, of: tree, at: Array(path.utf8), isReadOnly: true)
    }
}

extension Build {
    /// The scanner that a request asks for.
    package func scanner(_ options: SBOMOptions) async throws -> PartsScanner {
        let platform = OCI.Platform.current.normalized
        let resolved = try await progress.step("resolve image config for \(options.generator)") { _ in
            try await resolve(
                BaseQuestion(
                    reference: options.generator,
                    platform: platform,
                    asksRegistry: request.pullsBaseImages && options.generator.digest == nil,
                    isPlatformGiven: true
                )
            )
        }
        return try PartsScanner(options, resolved, on: platform)
    }

    /// The scans of plans that the request asks for, in their order; none where it asks for none.
    func scans(of plans: [BuildPlan]) async throws -> [Definition] {
        guard let options = request.attestations.sbom else { return [] }
        let scanner = try await scanner(options)
        return try plans.map { plan in
            try scanner.scan(plan.definition.target, plan.scanTargets, of: "\(plan.platform)")
        }
    }
}
