import Attestations
package import BuildGraph
import ClientServices
package import DockerfileFrontend
package import Exporters
import Images
import LinuxSystem
package import OCI
import Operations
import RemoteSources
import Sandboxes
package import Snapshots
import Storage
import Text

/// Has other frontends than the one that is built in translate builds.
package protocol ImageFrontends: Sendable {
    /// Has the program of an image say what is to be built, builds that, and does with it what the request asks for.
    func run(_ frontend: OtherFrontend, for build: Build) async throws -> Build.Result
}

/// One build: a request, and all that there is for it alone.
///
/// It lives inside of `BuildEngine.withBuild`. `run` shows the life of the data: sources, plans, what solving them
/// gives, and what becomes of that. Each step can be asked for by itself: a client that brings its own graph enters at
/// `solve`.
package struct Build: Sendable {
    let parts: BuildEngine.Parts
    package private(set) var request: BuildRequest
    /// Shows what happens.
    package let progress: BuildSteps
    /// What the client offers to steps and to those who fetch.
    let client: ClientServices
    /// The layers; what is made and found is held, and what the caches of this build offer is fetched.
    package let snapshots: LeasedSnapshots
    /// Serve this build alone, so that all of it sees the same files.
    let downloads: Downloads
    let repositories: GitRepositories
    let images: BuildImages
    /// Devices of the machine.
    let devices: DeviceRegistry
    /// Whose steps those are that this build runs.
    let member: SolverPool<BuildOutput>.Member
    /// What was said once is not said again.
    let notices = Notices()
    /// What was read to make plans; each question has its own.
    private(set) var reads = FrontendReads()
    /// What tells this build from all others.
    let id: String
    let started: Timestamp
    let admittedGraphs = AdmittedGraphs()

    var store: Store { snapshots.store }

    /// What ends with a build.
    struct Scope {
        let lease: Lease
        let client: ClientServices
        let devices: DeviceRegistry
        let member: SolverPool<BuildOutput>.Member
    }

    /// What a build gave.
    package struct Result: Sendable {
        /// Nil where only files were asked for.
        package var image: ExportedImage?
        /// What each output gave that makes an image, by its number.
        package var images: [Int: ExportedImage] = [:]
        /// Of the build cache that was written.
        package var cacheManifest: Descriptor?
        /// How each image came to be, where the request asks for it.
        package var provenance: [RecordedProvenance] = []
        /// Why each step ran or did not.
        package let steps: [StepExplanation]
    }

    init(_ parts: BuildEngine.Parts, _ request: BuildRequest, _ progress: BuildSteps, _ scope: Scope) {
        self.parts = parts
        self.request = request
        self.progress = progress
        client = scope.client
        devices = scope.devices
        member = scope.member
        id = hexadecimal((0..<16).map { _ in UInt8.random(in: 0...255) })
        started = parts.now()
        snapshots = parts.remote.snapshots.leased(by: scope.lease, offers: BlobOffers())
        let store = parts.store
        downloads = Downloads(store: store, lease: scope.lease, web: parts.web, client: client)
        let images = BuildImages(
            bases: parts.bases,
            snapshots: snapshots,
            client: scope.client.remote,
            asksRegistries: request.pullsBaseImages
        )
        self.images = images
        repositories = GitRepositories(store: store, variables: parts.variables, client: client) {
            try await images.fetchBlob($0)
        }
    }

    /// The same build with another question: a client that leads its build may have several Dockerfiles.
    package func asking(_ request: BuildRequest) -> Build {
        var build = self
        build.request = request
        build.reads = FrontendReads()
        return build
    }

    /// Carries the request out.
    func run() async throws -> Result {
        try checkExports()
        let sources: BuildSources
        do {
            sources = try await self.sources()
        } catch let other as OtherFrontend {
            guard let frontends = parts.imageFrontends else { throw other.refusal }
            return try await frontends.run(other, for: self)
        }
        let plans = try await plan(sources)
        return try await withImportedCaches { imported in
            try await export(try await solve(plans, of: sources, imported), of: plans)
        }
    }

    // MARK: Exporting

    /// Refuses what cannot be done with a result, before it is made.
    func checkExports() throws {
        let platforms = request.platforms.isEmpty ? [Platform.current.normalized] : request.platforms.map(\.normalized)
        for export in request.exports {
            try export.check(
                platforms: platforms,
                isMultiPlatform: request.isMultiPlatform,
                names: request.names
            )
        }
    }

    /// Does with what was built what the request asks for.
    func export(_ solved: SolvedBuild, of plans: [BuildPlan]) async throws -> Result {
        let all = tellsOrigins ? try await frontendPlans(plans) : nil
        var images: [ClientImage] = []
        for (plan, tree) in zip(plans, solved.trees) {
            var image = ClientImage(
                configuration: plan.configuration,
                base: plan.baseConfiguration,
                tree: tree,
                sourceDate: plan.sourceDate
            )
            // Scans follow the results.
            let scans = solved.trees.dropFirst(plans.count + images.count)
            if let scan = scans.first { image.attestations = [.scan(scan)] }
            if let all { image.origin = try await unlessOnlyRecorded { try await origin(of: plan, among: all) } }
            images.append(image)
        }
        return try await export(
            images,
            to: request.exports,
            isMultiPlatform: request.isMultiPlatform,
            of: solved
        )
    }

    /// Exports images, and the caches that the request asks for.
    func export(_ outcome: BuildOutcome, to exports: [Export], of solved: SolvedBuild) async throws -> Result {
        if exports.contains(where: { outcome.lacksTime(for: $0) }) {
            progress.warn("rewrite-timestamp is specified, but no source-date-epoch was found")
        }
        let exporter = Exporter(outcome, to: parts.remote, through: snapshots, now: parts.now())
        var result = Result(steps: solved.steps)
        for (number, export) in exports.enumerated() {
            let image = try await progress.step(export.title, number: number) { step in
                try await exporter.carryOut(export, step)
            }
            result.image = result.image ?? image
            result.images[number] = image
        }
        result.cacheManifest = try await exportCaches(solved)
        return result
    }
}
