import BuildKitClient
import BuildKitProto
import LinuxSystem
import NIOCore
import RPC
import RPCFakes
import Settings
import SwiftProtobuf
import SystemPackage
import Tasks

/// What a daemon of BuildKit does with a build: calls its client, and answers.
struct FakeDaemon: RPCService {
    /// Gets the request, and a connection to the client's session.
    let solve: @Sendable (Moby_Buildkit_V1_SolveRequest, RPCConnection) async throws -> [String: String]
    var told: [Moby_Buildkit_V1_StatusResponse] = []
    private let session = Promise<RPCConnection>()
    private let isOver = Promise<Void>()

    init(
        telling told: [Moby_Buildkit_V1_StatusResponse] = [],
        solve: @escaping @Sendable (Moby_Buildkit_V1_SolveRequest, RPCConnection) async throws -> [String: String]
    ) {
        self.told = told
        self.solve = solve
    }

    func register(in methods: inout MethodTable) {
        let control = "moby.buildkit.v1.Control"
        methods.byteStream(control, "Session") { input, _, output in
            try await RPCConnection.through(input, output) { connection in
                session.keep(connection)
                await isOver.value()
            }
        }
        methods.serverStream(control, "Status") {
            (_: Moby_Buildkit_V1_StatusRequest, _, output: RPCOutput<Moby_Buildkit_V1_StatusResponse>) in
            for message in told { try await output.write(message) }
        }
        methods.unary(control, "Solve") { (question: Moby_Buildkit_V1_SolveRequest, _) in
            defer { isOver.keep(()) }
            let answer = try await solve(question, await session.value())
            return Moby_Buildkit_V1_SolveResponse.with { $0.exporterResponse = answer }
        }
    }
}

/// Runs a daemon at a socket, with a directory beside it, as long as `body` does.
func withDaemon<Value: Sendable>(
    _ daemon: FakeDaemon,
    _ body: (RPCAddress, FilePath) async throws -> Value
) async throws -> Value {
    let directory = FilePath("/tmp/slipway-client-\(RemoteBuild.randomID())")
    try await onBlockingPool { try HostFiles.createNewDirectory(directory, mode: 0o700) }
    return try await withCleanUp {
        let socket = directory.appending("s")
        return try await withServer([daemon], at: [.unix(socket, group: nil, mode: 0o600)]) { _ in
            try await body(.unix(socket), directory)
        }
    } finally: {
        try await onBlockingPool { try removeTree(directory) }
    }
}

/// A build that offers nothing but what `change` adds.
func makeBuild(_ change: (inout RemoteBuild) -> Void = { _ in }) -> RemoteBuild {
    var build = RemoteBuild(credentials: GivenCredentials())
    change(&build)
    return build
}
