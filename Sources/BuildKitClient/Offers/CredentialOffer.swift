internal import BuildKitProto
internal import RPC
internal import Settings
internal import SwiftProtobuf
internal import Text

/// Tells the daemon the credentials of registries that a build needs.
struct CredentialOffer: Offer {
    private static let service = "moby.filesync.v1.Auth"

    let credentials: any CredentialSource

    var methods: [String] { ["/\(Self.service)/Credentials"] }

    func register(in methods: inout MethodTable) {
        methods.unary(Self.service, "Credentials") { (question: Moby_Filesync_V1_CredentialsRequest, _) in
            // Docker Hub is asked for by the name of its server.
            let domain = DockerCredentials.domain(ofServer: question.host)
            let credential = try await credentials.credential(for: domain)
            return Moby_Filesync_V1_CredentialsResponse.with { answer in
                switch credential {
                case .password(let user, let password)?:
                    answer.username = user
                    answer.secret = password.reveal()
                case .identityToken(let token)?: answer.secret = token.reveal()
                // The daemon asks for what a token is got with, and has no place for one.
                case .registryToken?, nil: break
                }
            }
        }
    }
}
