import BuildEngine
import BuildGraph
import CommandLine
import DockerfileFrontend
import Exporters
import Foundation
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
import SystemPackage
import Testing

/// The images of the store and nothing else.
struct StoredBaseImages: BaseImages {
    let images: ImageStore

    func resolve(_ question: BaseQuestion, in lease: Lease) async throws -> BaseImage {
        let image = try await images.image(question.reference.description)
        let base = ResolvedBase(digest: image.id, configuration: image.configuration)
        return BaseImage(base: base, tree: FileTree(layers: image.layers))
    }

    func fetchBlob(_ digest: Digest, of image: ImageReference, in lease: Lease) throws {
        throw RegistryError.blobUnknown(repository: image.familiarRepository, digest: digest)
    }

    func attestations(of question: BaseQuestion, predicates: Set<String>, in lease: Lease) -> AttestationChain? { nil }
}

extension BuildEngine {
    /// An engine whose base images are those of the store.
    static func withoutRegistry(_ snapshots: SnapshotStore, _ images: ImageStore) async throws -> BuildEngine {
        let store = snapshots.store
        let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        let client = RegistryClient(
            RegistryClient.Configuration(
                endpoints: EndpointResolver(SlipwayConfiguration()),
                credentials: GivenCredentials()
            ),
            logger: logger
        )
        // Fetches what caches offer, as the program does.
        let blobs = RegistryBlobProvider(store: store, client: client)
        let remote = RemoteImages(
            images: images,
            snapshots: SnapshotStore(store: store, blobProvider: blobs),
            client: client,
            blobs: blobs,
            logger: logger
        )
        var parts = BuildEngine.Parts(
            remote: remote,
            caches: RemoteCaches(remote: remote, web: WebClient.Configuration()) { _ in client },
            sandboxes: SandboxRunner(scratch: try await onBlockingPool { try store.temporaryDirectory() }),
            networks: SandboxNetworks(name: "test")
        )
        parts.bases = StoredBaseImages(images: images)
        return BuildEngine(parts)
    }
}

@Suite(.requires(.root, .program("crun")))
struct `The build engine` {
    private let scratch: TemporaryDirectory

    init() throws { scratch = try TemporaryDirectory() }

    private func engine() async throws -> (BuildEngine, ImageStore, SnapshotStore) {
        let store = try await Store.open(at: FilePath(scratch.url.appending(path: "store").path), tables: .all)
        let snapshots = SnapshotStore(store: store)
        let images = ImageStore(store: store)
        let engine = try await BuildEngine.withoutRegistry(snapshots, images)
        return (engine, images, snapshots)
    }

    private func build(_ engine: BuildEngine, _ request: BuildRequest) async throws -> (BuildResult, [String]) {
        let progress = ProgressChannel()
        async let log: [String] = {
            var lines: [String] = []
            for await event in progress {
                switch event {
                case .vertex(let vertex):
                    if vertex.cached { lines.append("CACHED \(vertex.name)") }
                    if let error = vertex.error { lines.append("ERROR \(vertex.name): \(error)") }
                case .log(let log): lines.append(String(decoding: log.data, as: UTF8.self))
                case .status, .warning, .measured: break
                }
            }
            return lines
        }()
        do {
            let result = try await engine.build(request, progress: progress)
            progress.finish()
            return (result, await log)
        } catch {
            progress.finish()
            _ = await log
            throw error
        }
    }

    @Test func `files are copied onto nothing`() async throws {
        let (engine, images, snapshots) = try await engine()
        try scratch.write("FROM scratch\nCOPY a.txt /dir/\nLABEL x=y\n", to: "context/Dockerfile")
        try scratch.write("A\n", to: "context/a.txt")
        var request = BuildRequest(context: FilePath(scratch.url.appending(path: "context").path))
        request.names = [try ImageReference(parsing: "first")]
        let (result, _) = try await build(engine, request)
        let image = try await images.image("first")
        #expect(image.id == result.image?.id)
        #expect(image.configuration.config?.labels == ["x": "y"])
        let text = try await snapshots.lasting.withMounted(FileTree(layers: image.layers)) { root in
            try String(contentsOfFile: root.appending("dir/a.txt").string, encoding: .utf8)
        }
        #expect(text == "A\n")
        let (again, log) = try await build(engine, request)
        #expect(again.image?.id == result.image?.id)
        #expect(log.contains { $0.hasPrefix("CACHED [1/1] COPY a.txt /dir/") }, "\(log)")
    }

    @Test func `processes run on a base image and only what changed runs again`() async throws {
        let (engine, images, snapshots) = try await engine()
        let archive = scratch.url.appending(path: "busybox.tar").path
        let made = try await runProgram(
            "sh",
            [
                "-ec",
                "mkdir -p t/bin t/etc; cp /bin/busybox t/bin/; ln -s busybox t/bin/sh; tar -C t -cf busybox.tar .",
            ],
            in: scratch.url
        )
        try #require(made.status == 0, "\(made.errorText)")
        _ = try await ImageArchiver(images: images, layers: snapshots).importFileSystem(
            try await onBlockingPool { try OpenFile.open(FilePath(archive), .readOnly) },
            name: try ImageReference(parsing: "busybox"),
            created: FileTime(seconds: 1_700_000_000)
        )
        try scratch.write(
            """
            FROM busybox
            WORKDIR /work
            COPY a.txt .
            RUN busybox cat a.txt > b.txt && echo built
            CMD ["sh"]
            """,
            to: "context/Dockerfile"
        )
        try scratch.write("A\n", to: "context/a.txt")
        let request = BuildRequest(context: FilePath(scratch.url.appending(path: "context").path))
        let (first, log) = try await build(engine, request)
        #expect(log.contains("built\n"), "\(log)")
        let id = try #require(first.image?.id)
        let image = try #require(try await images.image(id: id))
        let names = try await snapshots.lasting.withMounted(FileTree(layers: image.layers)) { root in
            try await runProgram("sh", ["-c", "cat work/b.txt; ls -A etc"], in: URL(filePath: root.string)).text
        }
        #expect(names == "A\n", "what the sandbox needed is not left in the layer")
        let (second, cached) = try await build(engine, request)
        #expect(second.image?.id == first.image?.id)
        #expect(cached.filter { $0.hasPrefix("CACHED") }.count == 4, "FROM, WORKDIR, COPY and RUN: \(cached)")
        try scratch.write("B\n", to: "context/a.txt")
        let (third, changed) = try await build(engine, request)
        #expect(third.image?.id != first.image?.id)
        #expect(changed.filter { $0.hasPrefix("CACHED") }.count == 2, "FROM and WORKDIR: \(changed)")
    }
}
