import BuildEngine
import BuildGraph
import CommandLine
import Exporters
import Foundation
import Images
import LinuxSystem
import OCI
import RemoteCache
import Snapshots
import Storage
import Synchronization
import SystemPackage
import Testing

/// One process may serve several builds at a time, as a daemon does.
@Suite(.requires(.root, .program("crun")), .timeLimit(.minutes(5)))
struct `Two builds at once in one engine` {
    private let scratch: TemporaryDirectory

    init() throws { scratch = try TemporaryDirectory() }

    /// An engine over a store of its own, which has an image named busybox.
    private func engine(_ name: String = "store") async throws -> (engine: BuildEngine, images: ImageStore) {
        let store = try await Store.open(at: FilePath(scratch.url.appending(path: name).path), tables: .all)
        let snapshots = SnapshotStore(store: store)
        let images = ImageStore(store: store)
        let archive = scratch.url.appending(path: "busybox.tar").path
        if !FileManager.default.fileExists(atPath: archive) {
            let root = try await makeBusyboxRoot(in: FilePath(scratch.path))
            let packed = try await runProgram("tar", ["-C", root.string, "-cf", archive, "."], in: scratch.url)
            try #require(packed.status == 0, "\(packed.errorText)")
        }
        _ = try await ImageArchiver(images: images, layers: snapshots).importFileSystem(
            try await onBlockingPool { try OpenFile.open(FilePath(archive), .readOnly) },
            name: try ImageReference(parsing: "busybox"),
            created: FileTime(seconds: 1_700_000_000)
        )
        return (try await BuildEngine.withoutRegistry(snapshots, images), images)
    }

    private func request(_ context: String, _ dockerfile: String) throws -> BuildRequest {
        try scratch.write(dockerfile, to: "\(context)/Dockerfile")
        return BuildRequest(context: FilePath(scratch.url.appending(path: context).path))
    }

    /// What a step leaves that takes a moment, and gives something else each time it runs.
    private static let slow = "RUN echo begun; sleep 1; cat /proc/sys/kernel/random/uuid > /made; echo ended\n"

    /// A build that runs.
    private struct Running {
        let result: Task<BuildResult, any Error>
        let shown: Shown
    }

    private func start(_ engine: BuildEngine, _ request: BuildRequest) -> Running {
        let channel = ProgressChannel()
        let shown = Shown()
        let show = Task { for await event in channel { shown.add(event) } }
        let result = Task {
            defer { channel.finish() }
            return try await engine.build(request, progress: channel)
        }
        _ = show
        return Running(result: result, shown: shown)
    }

    @Test func `run a step that they share once`() async throws {
        let (engine, images) = try await engine()
        let dockerfile = "FROM busybox\n\(Self.slow)"
        let first = start(engine, try request("one", dockerfile + "ENV BUILD=one\n"))
        try await first.shown.hasLogged("begun")
        let second = start(engine, try request("two", dockerfile + "ENV BUILD=two\n"))
        let one = try #require(try await first.result.value.image?.id)
        let two = try #require(try await second.result.value.image?.id)
        #expect(one != two)
        #expect(try await images.image(id: one)?.layers == images.image(id: two)?.layers)
        #expect(!second.shown.isCached("RUN"), "it was waited for, and not found in the cache")
    }

    @Test func `are not touched when the one that began a shared step is cancelled`() async throws {
        let (engine, images) = try await engine()
        let dockerfile = "FROM busybox\n\(Self.slow)"
        let first = start(engine, try request("one", dockerfile))
        try await first.shown.hasLogged("begun")
        let second = start(engine, try request("two", dockerfile))
        try await second.shown.hasStarted("RUN")
        first.result.cancel()
        await #expect(throws: CancellationError.self) { try await first.result.value }
        #expect(!second.shown.log.contains("ended"), "the first is over at once, and not when the step is")
        let id = try #require(try await second.result.value.image?.id)
        #expect(try await images.image(id: id) != nil)
        try await second.shown.hasLogged("ended")
        #expect(!first.shown.log.contains("ended"))
    }

    @Test func `are not touched when one of them fails`() async throws {
        let (engine, images) = try await engine()
        let stage = "FROM busybox AS slow\n\(Self.slow)"
        let failing = stage + "FROM busybox AS bad\nRUN sleep 0.2; false\nFROM bad\nCOPY --from=slow /made /\n"
        let first = start(engine, try request("one", failing))
        try await first.shown.hasLogged("begun")
        let second = start(engine, try request("two", stage + "FROM busybox\nCOPY --from=slow /made /\n"))
        await #expect(throws: StepFailure.self) { try await first.result.value }
        let id = try #require(try await second.result.value.image?.id)
        #expect(try await images.image(id: id) != nil)
    }

    @Test func `each have their own caches`() async throws {
        // A cache, and one that has lost its layers.
        let (maker, _) = try await engine("maker")
        let dockerfile = "FROM busybox\nRUN echo made > /made\n"
        var exporting = try request("one", dockerfile)
        let whole = FilePath(scratch.url.appending(path: "whole").path)
        exporting.cacheExports = [CacheExport(.local(LocalCacheDestination(path: whole)))]
        _ = try await start(maker, exporting).result.value
        let broken = FilePath(scratch.url.appending(path: "broken").path)
        let copied = try await runProgram(
            "sh",
            [
                "-ec",
                "cp -r whole broken; for f in broken/blobs/sha256/*; do grep -q '^{' $f || { echo $f; rm $f; }; done",
            ],
            in: scratch.url
        )
        try #require(copied.status == 0 && !copied.text.isEmpty, "\(copied.errorText)")
        let (engine, _) = try await engine()
        func importing(_ context: String, _ cache: FilePath) throws -> BuildRequest {
            var request = try request(context, dockerfile + "RUN cat /made > /\(context)\n")
            request.cacheSources = [.local(LocalCacheSource(path: cache))]
            return request
        }
        let builds = [
            start(engine, try importing("two", broken)), start(engine, try importing("three", whole)),
        ]
        for build in builds { _ = try await build.result.value }
        #expect(builds[0].shown.warnings.contains { $0.contains("is incomplete and is not used any more") })
        #expect(builds[1].shown.warnings.isEmpty)
    }
}

/// What a build's display would show.
private final class Shown: Sendable {
    private let state = Mutex((log: "", started: Set<String>(), cached: Set<String>(), warnings: [String]()))

    func add(_ event: ProgressEvent) {
        state.withLock { state in
            switch event {
            case .log(let log): state.log += String(decoding: log.data, as: UTF8.self)
            case .vertex(let vertex):
                if vertex.started != nil { state.started.insert(vertex.name) }
                if vertex.cached { state.cached.insert(vertex.name) }
            case .warning(let warning): state.warnings.append(warning.short)
            case .status, .measured: break
            }
        }
    }

    var log: String { state.withLock { $0.log } }
    var warnings: [String] { state.withLock { $0.warnings } }
    func isCached(_ step: String) -> Bool { state.withLock { $0.cached.contains { $0.contains(step) } } }

    func hasLogged(_ text: String) async throws { try await wait { log.contains(text) } }

    func hasStarted(_ step: String) async throws {
        try await wait { state.withLock { $0.started.contains { $0.contains(step) } } }
    }

    private func wait(for isTrue: () -> Bool) async throws {
        for _ in 0..<2000 where !isTrue() { try await Task.sleep(for: .milliseconds(5)) }
        try #require(isTrue(), "\(log)")
    }
}
