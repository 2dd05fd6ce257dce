internal import BuildKitProto
internal import ClientServices
internal import RPC
internal import SwiftProtobuf

/// A service that a client answers while its build runs.
protocol Offer: RPCService {
    /// `/service/method`, each.
    var methods: [String] { get }
}

extension RemoteBuilder {
    /// Answers the daemon's calls for a build for as long as `body` runs.
    /// - Parameters:
    ///   - build: says what is offered.
    ///   - body: is told the id of the session.
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws.
    func withSession<Value: Sendable>(
        of build: RemoteBuild,
        _ body: (String) async throws -> Value
    ) async throws -> Value {
        let id = RemoteBuild.randomID()
        let offers = Self.offers(of: build)
        let prefix = "x-docker-expose-session-"
        let metadata =
            [(prefix + "uuid", id), (prefix + "name", "slipway"), (prefix + "sharedkey", build.sharedKey)]
            + offers.flatMap(\.methods).map { (prefix + "grpc-method", $0) }
        return try await answering(
            offers,
            over: connection,
            (Self.control, "Session"),
            metadata: metadata.map { (key: $0.0, value: $0.1) }
        ) { _ in try await body(id) }
    }

    /// What is offered for a build; nothing that it has no use for.
    private static func offers(of build: RemoteBuild) -> [any Offer] {
        var offers: [any Offer] = [HealthOffer(), CredentialOffer(credentials: build.credentials)]
        if !build.directories.isEmpty { offers.append(DirectoryOffer(directories: build.directories)) }
        if build.outputs.contains(where: { $0.isReceived }) { offers.append(OutputOffer(outputs: build.outputs)) }
        if !build.services.secrets.isEmpty { offers.append(SecretOffer(services: build.services)) }
        if !build.services.agents.isEmpty { offers.append(AgentOffer(services: build.services)) }
        if !build.uploads.isEmpty { offers.append(UploadOffer(build.uploads)) }
        let stores = build.contentDirectories
        if !stores.isEmpty { offers.append(StoreOffer(directories: stores)) }
        return offers
    }
}

/// Says that the client is there.
private struct HealthOffer: Offer {
    private static let service = "grpc.health.v1.Health"

    var methods: [String] { ["/\(Self.service)/Check"] }

    func register(in methods: inout MethodTable) {
        methods.unary(Self.service, "Check") { (_: Grpc_Health_V1_HealthCheckRequest, _) in
            Grpc_Health_V1_HealthCheckResponse.with { $0.status = .serving }
        }
    }
}
