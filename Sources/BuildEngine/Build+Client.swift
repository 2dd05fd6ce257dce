import BuildCache
package import DockerfileFrontend
package import Exporters
package import Images
package import LLB
package import LinuxSystem
package import OCI
package import Operations
package import RemoteCache
import Sandboxes
package import Snapshots
import SystemPackage

/// What a client that leads its build asks for, one thing after the other.
extension Build {
    /// What the Dockerfile of a request comes to, for each of its platforms.
    package func plans(for request: BuildRequest) async throws -> FrontendPlans {
        let build = asking(request)
        return try await build.frontendPlans(try await build.plan(try await build.sources()))
    }

    /// The time that an image of a plan is to have, in seconds since 1970; nil where it has its layers' times.
    package func seconds(of date: SourceDate?) async throws -> Int64? { try await time(of: date)?.seconds }

    /// Answers a question about the Dockerfile of a request.
    package func answer(_ call: FrontendCall, for request: BuildRequest) async throws -> FrontendAnswer {
        try await asking(request).answer(call)
    }

    /// Finds an image, and makes its layers known to the steps that start from it.
    ///
    /// - Parameters:
    ///   - question: which image.
    ///   - policies: of the question.
    /// - Returns: the image, with its name where policies have another one in its place.
    /// - Throws: `SourcePolicyError`, `BuildError.notAnImage`, and what finding it throws.
    package func resolve(_ question: BaseQuestion, _ policies: [SourcePolicy] = []) async throws -> ResolvedBase {
        let allowed = try await admitted(question.reference, platform: question.platform, policies)
        var base = try await images.resolve(question.asking(for: allowed))
        if allowed != question.reference { base.reference = allowed }
        return base
    }

    /// Finds an image whose name policies have judged already.
    package func resolveAdmitted(_ question: BaseQuestion) async throws -> ResolvedBase {
        try await images.resolve(question)
    }

    /// Finds what is attested of an image whose name policies have judged already; nil where nothing can be.
    package func attestationsOfAdmitted(
        _ question: BaseQuestion,
        predicates: Set<String>
    ) async throws -> AttestationChain? {
        try await images.attestations(of: question, predicates: predicates)
    }

    /// Finds an image of a layout that the client keeps.
    package func resolve(
        _ reference: ImageReference,
        in layout: LayoutStore,
        platform: Platform
    ) async throws -> ResolvedBase {
        try await images.resolve(reference, in: layout, platform: platform)
    }

    /// Runs what must run of graphs, with what caches outside of the store have.
    /// - Parameters:
    ///   - definitions: the graphs.
    ///   - known: outputs that the build has already.
    ///   - caches: are looked at besides the store.
    /// - Returns: the files, and how they came to be.
    /// - Throws: as `solve(_:)`.
    package func solve(
        _ definitions: [Definition],
        known: [Digest: [BuildOutput]],
        caches: [CacheSource]
    ) async throws -> SolvedBuild {
        var request = request
        request.cacheSources = caches
        let build = asking(request)
        return try await build.withImportedCaches { imported in
            var work = build.work(of: definitions)
            work.known = known
            work.imported = imported
            return try await build.solve(work)
        }
    }

    /// Lends the files of a tree.
    package func withFiles<Value: Sendable>(
        of tree: FileTree,
        _ body: (RootedDirectory) async throws -> Value
    ) async throws -> Value {
        try await snapshots.withMounted(tree) { root in
            try await body(try await onBlockingPool { try RootedDirectory(root) })
        }
    }

    /// Lends a container for processes of the client's own; see `OperationEnvironment.withContainer`.
    package func withContainer(
        _ plan: StepContainer.Plan,
        _ body: @escaping @Sendable (StepContainer) async throws -> Void
    ) async throws {
        let environment = environment(request.offeredFiles ?? LocalDirectories())
        try await parts.networks.whileInUse {
            try await environment.withContainer(plan, progress.unshown("container"), body)
        }
    }

    /// Exports images that the client put together of results.
    /// - Parameters:
    ///   - images: one for each platform.
    ///   - exports: where to.
    ///   - isMultiPlatform: whether the image is an index.
    ///   - solved: what the images are made of.
    /// - Returns: what the build gave.
    /// - Throws: `ExportError`, and what exporting throws.
    package func export(
        _ images: [ClientImage],
        to exports: [Export],
        isMultiPlatform: Bool,
        of solved: SolvedBuild
    ) async throws -> Result {
        var built: [BuiltImage] = []
        for image in images {
            var one = BuiltImage(
                configuration: image.configuration,
                base: image.base,
                tree: image.tree,
                time: try await time(of: image.sourceDate)
            )
            if request.hasInlineCache { one.encode = { try solved.inlineCache(in: $0, of: image.tree) } }
            one.attestations = image.attestations + (try await attestations(of: image.origin, in: solved))
            built.append(one)
        }
        let outcome = BuildOutcome(images: built, isMultiPlatform: isMultiPlatform, names: request.names)
        var result = try await export(outcome, to: exports, of: solved)
        result.provenance = try await recorded(images, isMultiPlatform: isMultiPlatform, in: solved)
        return result
    }
}

/// An image that a client put together: files, and what it says of them.
package struct ClientImage: Sendable {
    package let configuration: ImageConfiguration
    /// The configuration of the image that it goes on from.
    package let base: ImageConfiguration?
    package let tree: FileTree
    /// What its times are taken from; nil for the times of its layers.
    package let sourceDate: SourceDate?
    /// What the frontend says of it.
    package var attestations: [BuiltAttestation] = []
    /// How it came to be; nil where the request does not ask.
    package var origin: ImageOrigin?

    package init(
        configuration: ImageConfiguration,
        base: ImageConfiguration? = nil,
        tree: FileTree,
        sourceDate: SourceDate? = nil
    ) {
        self.configuration = configuration
        self.base = base
        self.tree = tree
        self.sourceDate = sourceDate
    }
}
