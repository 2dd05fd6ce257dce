internal import BuildKitProto
internal import ClientServices
internal import FoundationEssentials
internal import GRPCCore
internal import NIOCore
internal import RPC
internal import SwiftProtobuf
internal import Synchronization
internal import Text

/// Gives the steps of a build the secrets that its client named.
struct SecretOffer: Offer {
    private static let service = "moby.buildkit.secrets.v1.Secrets"

    let services: ClientServices

    var methods: [String] { ["/\(Self.service)/GetSecret"] }

    func register(in methods: inout MethodTable) {
        methods.unary(Self.service, "GetSecret") { (question: Moby_Buildkit_Secrets_V1_GetSecretRequest, _) in
            guard let secret = try await services.secret(Array(question.id.utf8), isOptional: true) else {
                throw RPCFailure(.notFound, "not found")
            }
            return Moby_Buildkit_Secrets_V1_GetSecretResponse.with { $0.data = Data(secret.revealBytes()) }
        }
    }
}

/// Lets the steps of a build ask the agents that its client named.
struct AgentOffer: Offer {
    private static let service = "moby.sshforward.v1.SSH"

    let services: ClientServices

    var methods: [String] { ["/\(Self.service)/CheckAgent", "/\(Self.service)/ForwardAgent"] }

    func register(in methods: inout MethodTable) {
        methods.unary(Self.service, "CheckAgent") { (question: Moby_Sshforward_V1_CheckAgentRequest, _) in
            _ = try await agent(question.id)
            return Moby_Sshforward_V1_CheckAgentResponse()
        }
        methods.byteStream(Self.service, "ForwardAgent") { input, context, output in
            let agent = try await agent(context.value("buildkit.ssh.id") ?? "default")
            let requests = AgentRequests(input)
            try await agent.answer({ try await requests.next() }, { try await output.write(ByteBuffer(bytes: $0)) })
        }
    }

    private func agent(_ name: String) async throws -> AgentSocket {
        guard let agent = try await services.agent(Array(name.utf8), isOptional: true) else {
            throw RPCFailure(.notFound, "unset ssh forward key \(name)")
        }
        return agent
    }
}

/// The requests that come for an agent.
///
/// Not checked by the compiler: one task takes them.
private final class AgentRequests: @unchecked Sendable {
    private var pieces: RPCInput<ByteBuffer>.AsyncIterator
    private var messages = AgentMessages()

    init(_ input: RPCInput<ByteBuffer>) { pieces = input.makeAsyncIterator() }

    func next() async throws -> [UInt8]? {
        while true {
            if let message = try messages.next() { return message }
            guard let piece = try await pieces.next() else { return nil }
            messages.add(piece.readableBytesView)
        }
    }
}

/// Sends files that addresses of a build name, each once.
final class UploadOffer: Offer {
    private static let service = "moby.upload.v1.Upload"

    private let sources: Mutex<[String: UploadSource]>

    init(_ sources: [String: UploadSource]) { self.sources = Mutex(sources) }

    var methods: [String] { ["/\(Self.service)/Pull"] }

    func register(in methods: inout MethodTable) {
        methods.byteStream(Self.service, "Pull") { _, context, output in
            let path = Array((context.value("urlpath") ?? "").utf8)
            let name = String(decoding: path.lastComponent, as: UTF8.self)
            guard let source = self.sources.withLock({ $0.removeValue(forKey: name) }) else {
                throw RPCFailure(.notFound, "no http response from session for \(name)")
            }
            try await source.send { try await output.write(ByteBuffer(bytes: $0)) }
        }
    }
}
