import BuildKitProto
import ClientServices
import GRPCCore
import LinuxSystem
import NIOCore
import RPC
import SwiftProtobuf
import Tasks
import Text

/// What a session offers to the steps of a build.
struct SessionServices: RemoteClient {
    private static let secrets = "moby.buildkit.secrets.v1.Secrets"
    private static let agents = "moby.sshforward.v1.SSH"
    private static let uploads = "moby.upload.v1.Upload"

    let session: Session
    /// Where other sessions of the same client are found.
    let sessions: SessionRegistry

    func content(_ id: String, session name: String?) async throws -> any ContentStore {
        var session = session
        if let name, name != session.id { session = try await sessions.session(name) }
        return try SessionContent(session, named: id)
    }

    func secret(_ id: [UInt8]) async throws -> Secret? {
        // Names in messages are text: no client has one that is none.
        guard session.offers(Self.secrets, "GetSecret"), let name = String(validating: id, as: UTF8.self) else {
            return nil
        }
        let answer: Moby_Buildkit_Secrets_V1_GetSecretResponse
        do {
            answer = try await session.unary(
                Self.secrets,
                "GetSecret",
                Moby_Buildkit_Secrets_V1_GetSecretRequest.with { $0.id = name }
            )
        } catch let failure as RPCFailure where failure.code == .notFound || failure.code == .unimplemented {
            return nil
        }
        guard answer.data.count <= SecretSource.sizeLimit else { throw ClientServiceError.secretTooLarge(id) }
        return Secret([UInt8](answer.data))
    }

    func checkAgent(_ id: [UInt8]) async throws {
        guard session.offers(Self.agents, "CheckAgent"), let name = String(validating: id, as: UTF8.self) else {
            throw ClientServiceError.noAgentForwarded(id)
        }
        do {
            let _: Moby_Sshforward_V1_CheckAgentResponse = try await session.unary(
                Self.agents,
                "CheckAgent",
                Moby_Sshforward_V1_CheckAgentRequest.with { $0.id = name }
            )
        } catch let failure as RPCFailure {
            throw ClientServiceError.agentRefused(id, reason: failure.message)
        }
    }

    func forward(_ connection: OpenFile, toAgent id: [UInt8]) async throws {
        let reader = try ByteReader(connection)
        let writer = try ByteWriter(connection)
        let isAnswered = Promise<Void>()
        // What comes back begins only when the agent says something, which it does not before it is asked.
        try await session.byteStream(
            Self.agents,
            "ForwardAgent",
            metadata: [("buildkit.ssh.id", String(decoding: id, as: UTF8.self))],
            send: { questions in
                await withTaskGroup { group in
                    group.addTask {
                        // What cannot be sent is not answered either.
                        while let bytes = try? await reader.read() {
                            do { try await questions.write(ByteBuffer(bytes: bytes)) } catch { return }
                        }
                    }
                    group.addTask {
                        await withTaskCancellationHandler {
                            await isAnswered.value()
                        } onCancel: {
                            isAnswered.keep(())
                        }
                    }
                    await group.next()
                    group.cancelAll()
                }
            },
            receive: { answers in
                defer { isAnswered.keep(()) }
                for try await bytes in answers { try await writer.write(Array(bytes.readableBytesView)) }
            }
        )
    }

    func upload<Value: Sendable>(
        _ path: String,
        _ body: @escaping @Sendable (any AsyncSequence<[UInt8], any Error> & Sendable) async throws -> Value
    ) async throws -> Value {
        try await session.byteStream(
            Self.uploads,
            "Pull",
            metadata: [("urlpath", path), ("urlhost", uploadHost)],
            send: { _ in },
            receive: { pieces in try await body(pieces.map { Array($0.readableBytesView) }) }
        )
    }
}
