import BuildEngine
import CommandLine
import DockerfileFrontend
import Glibc
import HTTP
import Images
import LinuxSystem
import Logging
import OCI
import Registry
import RemoteCache
import Sandboxes
import Settings
import Snapshots
import Storage
import Synchronization
import SystemPackage

/// An engine over a store of its own that speaks to no server and needs no root: nothing of it may run a process or
/// mount.
struct Workshop: Sendable {
    let root: FilePath
    let store: Store
    let bases: ListedBases
    let engine: BuildEngine

    init(root: FilePath) async throws {
        self.root = root
        store = try await Store.open(at: root.appending("store"), tables: .all)
        bases = ListedBases()
        let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        let configuration = RegistryClient.Configuration(
            endpoints: EndpointResolver(SlipwayConfiguration()),
            credentials: GivenCredentials()
        )
        let client = RegistryClient(configuration, logger: logger)
        let blobs = RegistryBlobProvider(store: store, client: client)
        let remote = RemoteImages(
            images: ImageStore(store: store),
            snapshots: SnapshotStore(store: store, blobProvider: blobs),
            client: client,
            blobs: blobs,
            logger: logger
        )
        var parts = BuildEngine.Parts(
            remote: remote,
            caches: RemoteCaches(remote: remote, web: WebClient.Configuration()) { _ in client },
            sandboxes: SandboxRunner(scratch: root),
            networks: SandboxNetworks(name: "test")
        )
        parts.bases = bases
        engine = BuildEngine(parts)
    }

    /// A request whose context is a directory with nothing but a Dockerfile.
    func request(_ dockerfile: String) throws -> BuildRequest {
        var request = BuildRequest(context: root)
        request.dockerfile = .content(Array(dockerfile.utf8))
        return request
    }
}

/// Lends a workshop.
func withWorkshop(_ body: (Workshop) async throws -> Void) async throws {
    var template = Array("/tmp/slipway-build-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw SystemCallError("mkdtemp", errno: Errno(rawValue: errno)) }
    let root = FilePath(platformString: template)
    let workshop: Workshop
    do {
        workshop = try await Workshop(root: root)
        try await body(workshop)
    } catch {
        try await onBlockingPool { try removeTree(root) }
        throw error
    }
    await workshop.store.close()
    try await onBlockingPool { try removeTree(root) }
}

/// Has one base image, for every platform, and one whose lookup never ends.
final class ListedBases: BaseImages {
    private let questions = Mutex<[Platform]>([])

    /// For which platforms it was asked.
    var asked: [Platform] { questions.withLock { $0 } }

    func resolve(_ question: BaseQuestion, in lease: Lease) async throws -> BaseImage {
        struct NotFound: Error {}
        questions.withLock { $0.append(question.platform) }
        if question.reference.path.hasSuffix("endless") { try await Task.sleep(for: .seconds(3600)) }
        guard question.reference.path.hasSuffix("base") else { throw NotFound() }
        let configuration = ImageConfiguration(platform: question.platform)
        let base = ResolvedBase(digest: Digest.sha256(of: Array("base".utf8)), configuration: configuration)
        return BaseImage(base: base, tree: .empty)
    }

    func fetchBlob(_ digest: Digest, of image: ImageReference, in lease: Lease) throws {
        throw RegistryError.blobUnknown(repository: image.familiarRepository, digest: digest)
    }

    func attestations(of question: BaseQuestion, predicates: Set<String>, in lease: Lease) -> AttestationChain? { nil }
}
