import BuildKitProto
import RPC
import Settings
import SwiftProtobuf
import Tasks
import Text

/// The credentials that a client has for registries; it is asked once for each registry.
final class SessionCredentials: CredentialSource {
    private static let service = "moby.filesync.v1.Auth"
    private let session: Session
    private let answers = SharedWork<String, Credential?>(keepsValues: true)

    init(_ session: Session) { self.session = session }

    func credential(for domain: String) async throws -> Credential? {
        guard session.offers(Self.service, "Credentials") else { return nil }
        // Clients know Docker Hub by the name of its server.
        let host = domain == "docker.io" ? "registry-1.docker.io" : domain
        return try await answers.value(for: host) { [self] in try await ask(for: host) }
    }

    private func ask(for host: String) async throws -> Credential? {
        do {
            let answer: Moby_Filesync_V1_CredentialsResponse = try await session.unary(
                Self.service,
                "Credentials",
                Moby_Filesync_V1_CredentialsRequest.with { $0.host = host }
            )
            if answer.secret.isEmpty { return nil }
            let secret = Secret(answer.secret)
            return answer.username.isEmpty ? .identityToken(secret) : .password(user: answer.username, password: secret)
        } catch let failure as RPCFailure where failure.code == .notFound || failure.code == .unimplemented {
            return nil
        }
    }
}
