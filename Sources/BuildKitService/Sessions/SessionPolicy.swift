import BuildEngine
import BuildKitProto
import FoundationEssentials
import LLB
import OCI
import RPC
import SwiftProtobuf

/// Asks the client of a session about each source that a build uses.
struct SessionPolicy: SourceCheck {
    private typealias Question = Moby_Buildkit_V1_Sourcepolicy_Policysession_CheckPolicyRequest
    private typealias Answer = Moby_Buildkit_V1_Sourcepolicy_Policysession_CheckPolicyResponse

    private static let service = "moby.buildkit.v1.sourcepolicy.policysession.PolicyVerifier"
    /// How often a client may ask back and change a source, before that counts as endless.
    private static let questionLimit = 10

    let session: Session

    func check(_ source: Source, platform: Platform?, for build: Build) async throws -> Source {
        var source = source
        var known = Moby_Buildkit_V1_Frontend_ResolveSourceMetaResponse.with { $0.source = Pb_SourceOp(source) }
        for _ in 0..<Self.questionLimit {
            let question = Question.with {
                $0.platform = Pb_Platform(platform ?? .current)
                $0.source = known
            }
            let answer: Answer = try await session.unary(Self.service, "CheckPolicy", question)
            switch answer.result {
            case .request(let request)?:
                guard request.source == Pb_SourceOp(source) else {
                    throw ServiceError.invalidResult("policy requested different source identifier or attributes")
                }
                known = try await build.resolve(request, asksClient: false)
            case .decision(let decision)?:
                switch decision.action {
                case .allow: return source
                case .convert:
                    guard decision.hasUpdate else {
                        throw ServiceError.invalidResult("convert action requires updated source")
                    }
                    // The policies that came with the request judge it again.
                    source = try await build.admitted(
                        Source(decision.update),
                        platform: platform,
                        asksClient: false
                    )
                    known = .with { $0.source = Pb_SourceOp(source) }
                case .deny, .UNRECOGNIZED:
                    throw ServiceError.denied(
                        String(decoding: source.identifier, as: UTF8.self),
                        messages: decision.denyMessages.map(\.message)
                    )
                }
            case nil: throw ServiceError.invalidResult("no decision in policy response")
            }
        }
        throw ServiceError.invalidResult("too many policy requests")
    }
}

extension Source {
    init(_ message: Pb_SourceOp) {
        self.init(
            identifier: [UInt8](message.identifier),
            attributes: message.attrs.mapValues { [UInt8]($0) }
        )
    }
}

extension Pb_SourceOp {
    init(_ source: Source) {
        self.init()
        identifier = Data(source.identifier)
        attrs = source.attributes.mapValues { Data($0) }
    }
}
