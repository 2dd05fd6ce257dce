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
    /// Whether the client gets tokens itself.
    private let authorities = SharedWork<String, Bool>(keepsValues: true)
    /// New with each session, so that a client's key for it is of no use elsewhere.
    private let salt = (0..<32).map { _ in UInt8.random(in: 0...255) }

    init(_ session: Session) { self.session = session }

    func credential(for domain: String) async throws -> Credential? {
        guard session.offers(Self.service, "Credentials") else { return nil }
        let host = Self.host(of: domain)
        return try await answers.value(for: host) { [self] in try await ask(for: host) }
    }

    /// Clients know Docker Hub by the name of its server.
    private static func host(of domain: String) -> String { domain == "docker.io" ? "registry-1.docker.io" : domain }

    func token(for question: TokenQuestion) async throws -> IssuedToken? {
        let host = Self.host(of: question.domain)
        guard try await authorities.value(for: host, { [self] in try await isAuthority(for: host) }) else { return nil }
        let answer: Moby_Filesync_V1_FetchTokenResponse = try await session.unary(
            Self.service,
            "FetchToken",
            Moby_Filesync_V1_FetchTokenRequest.with {
                // What clients that are asked by BuildKit let their token services see.
                $0.clientID = "buildkit-client"
                $0.host = host
                $0.realm = question.realm
                $0.service = question.service ?? ""
                $0.scopes = question.scopes
            }
        )
        return IssuedToken(token: Secret(answer.token), lifetime: answer.expiresIn == 0 ? nil : answer.expiresIn)
    }

    /// Asks whether the client has a key for a registry: then its credentials are its own.
    private func isAuthority(for host: String) async throws -> Bool {
        guard session.offers(Self.service, "GetTokenAuthority"), session.offers(Self.service, "FetchToken") else {
            return false
        }
        do {
            let answer: Moby_Filesync_V1_GetTokenAuthorityResponse = try await session.unary(
                Self.service,
                "GetTokenAuthority",
                Moby_Filesync_V1_GetTokenAuthorityRequest.with {
                    $0.host = host
                    $0.salt = .init(salt)
                }
            )
            return !answer.publicKey.isEmpty
        } catch let failure as RPCFailure where failure.code == .unimplemented || failure.code == .unavailable {
            return false
        }
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
