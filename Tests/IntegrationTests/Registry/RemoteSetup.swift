import Archive
import CommandLine
import Foundation
import Images
import LinuxSystem
import Logging
import NIOCore
import NIOPosix
import OCI
import Registry
import Settings
import Snapshots
import Storage
import Synchronization
import SystemPackage

/// A store of a test's own with everything that moves images in and out of it.
struct RemoteSetup {
    let store: Store
    let remote: RemoteImages

    init(
        root: FilePath,
        name: String = "store",
        credentials: [String: Credential] = [:],
        tables: SlipwayConfiguration = SlipwayConfiguration()
    ) async throws {
        store = try await Store.open(at: root.appending(name), tables: .all)
        let configuration = RegistryClient.Configuration(
            endpoints: EndpointResolver(tables),
            credentials: GivenCredentials(credentials)
        )
        let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        let client = RegistryClient(configuration, logger: logger)
        let provider = RegistryBlobProvider(store: store, client: client)
        let snapshots = SnapshotStore(store: store, blobProvider: provider)
        remote = RemoteImages(
            images: ImageStore(store: store),
            snapshots: snapshots,
            client: client,
            blobs: provider,
            logger: logger
        )
    }
}

/// Collects the events of a transfer.
final class Events: Sendable {
    private let content = Mutex<[TransferEvent]>([])
    var all: [TransferEvent] { content.withLock { $0 } }
    var lines: [String] { all.map(\.description) }
    func add(_ event: TransferEvent) { content.withLock { $0.append(event) } }
}

/// Makes archives of a few files and hands them to a registry with skopeo, as another tool's image.
struct ForeignImage {
    /// Gzip-compressed layers, lowest first.
    let layers: [String]

    /// Packs files, by name and content, one dictionary a layer.
    static func make(in root: FilePath, _ contents: [[String: [UInt8]]]) async throws -> ForeignImage {
        var layers: [String] = []
        for (index, files) in contents.enumerated() {
            let directory = root.appending("layer\(index)").string
            for (name, bytes) in files {
                let path = URL(filePath: "\(directory)/\(name)")
                try FileManager.default.createDirectory(
                    at: path.deletingLastPathComponent(),
                    withIntermediateDirectories: true
                )
                try Data(bytes).write(to: path)
            }
            let archive = root.appending("layer\(index).tar.gz").string
            let result = try await runProgram("tar", ["-czf", archive, "-C", directory, "."])
            guard result.status == 0 else { throw SkopeoFailure(text: result.errorText) }
            layers.append(archive)
        }
        return ForeignImage(layers: layers)
    }

    func push(to target: String, _ options: [String] = ["--dest-tls-verify=false"]) async throws {
        try await skopeo(
            ["copy", "-q"] + options + ["tarball:\(layers.joined(separator: ":"))", "docker://\(target)"]
        )
    }
}

/// Bytes that cannot be compressed.
func noise(_ count: Int) -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    while bytes.count < count { withUnsafeBytes(of: generator.next()) { bytes.append(contentsOf: $0) } }
    return bytes
}

struct SkopeoFailure: Error { let text: String }

@discardableResult
func skopeo(_ arguments: [String]) async throws -> String {
    let result = try await runProgram("skopeo", arguments)
    guard result.status == 0 else { throw SkopeoFailure(text: "\(arguments): \(result.errorText)") }
    return result.text
}

/// Passes connections on to a port and cuts the first few of them after so many bytes of answers.
final class CuttingProxy: Sendable {
    private let channel: any Channel
    private let state: State

    final class State: Sendable {
        let cutsLeft: Mutex<Int>
        let passed = Mutex(0)
        /// After so many bytes nothing more is read from the server.
        let pause: Mutex<Int>
        let limit: Int
        init(cuts: Int, limit: Int, pause: Int) {
            cutsLeft = Mutex(cuts)
            self.limit = limit
            self.pause = Mutex(pause)
        }
    }

    var port: Int { channel.localAddress?.port ?? 0 }
    /// Bytes of answers passed on in all.
    var passed: Int { state.passed.withLock { $0 } }

    private init(channel: any Channel, state: State) {
        self.channel = channel
        self.state = state
    }

    /// Lets connections made from now on pass.
    func resume() { state.pause.withLock { $0 = .max } }

    static func start(to port: Int, cuts: Int = 0, after limit: Int = .max, pause: Int = .max) async throws
        -> CuttingProxy
    {
        let state = State(cuts: cuts, limit: limit, pause: pause)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { client in
                client.eventLoop.makeCompletedFuture {
                    try client.pipeline.syncOperations.addHandler(Front(port: port, state: state))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return CuttingProxy(channel: channel, state: state)
    }

    /// The client's side: keeps what it sends until there is a connection to pass it on to.
    private final class Front: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        let port: Int
        let state: State
        var server: (any Channel)?
        var waiting: [ByteBuffer] = []

        init(port: Int, state: State) {
            self.port = port
            self.state = state
        }

        func channelActive(context: ChannelHandlerContext) {
            let client = context.channel
            let state = state
            let bound = NIOLoopBound(self, eventLoop: context.eventLoop)
            ClientBootstrap(group: context.eventLoop)
                .channelInitializer { server in
                    server.eventLoop.makeCompletedFuture {
                        try server.pipeline.syncOperations.addHandler(Back(client: client, state: state))
                    }
                }
                .connect(host: "127.0.0.1", port: port)
                .whenComplete { result in
                    switch result {
                    case .failure: client.close(promise: nil)
                    case .success(let server):
                        bound.value.server = server
                        for buffer in bound.value.waiting { server.writeAndFlush(buffer, promise: nil) }
                        bound.value.waiting = []
                    }
                }
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            guard let server else { return waiting.append(unwrapInboundIn(data)) }
            server.writeAndFlush(unwrapInboundIn(data), promise: nil)
        }

        func channelInactive(context: ChannelHandlerContext) { server?.close(promise: nil) }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }

    /// The server's side: counts what it answers, and cuts.
    private final class Back: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        let client: any Channel
        let state: State
        var count = 0

        init(client: any Channel, state: State) {
            self.client = client
            self.state = state
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let buffer = unwrapInboundIn(data)
            count += buffer.readableBytes
            let passed = state.passed.withLock { passed in
                passed += buffer.readableBytes
                return passed
            }
            client.writeAndFlush(buffer, promise: nil)
            if passed > state.pause.withLock({ $0 }) {
                context.channel.setOption(.autoRead, value: false).whenFailure { _ in }
            }
            let cuts =
                count > state.limit
                && state.cutsLeft.withLock { left in
                    left -= 1
                    return left >= 0
                }
            if cuts { client.close(promise: nil) }
        }

        func channelInactive(context: ChannelHandlerContext) { client.close(promise: nil) }
        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}
