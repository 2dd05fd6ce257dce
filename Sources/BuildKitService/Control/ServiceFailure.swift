import BuildEngine
import BuildGraph
import BuildKitProto
import DockerfileFrontend
import DockerfileSyntax
import LLB
import LinuxSystem
import OCI
package import RPC
import SwiftProtobuf
import Text

/// What clients are told of an error: its text, and what lets them show the lines of the Dockerfile.
package func serviceFailure(_ error: any Error) -> RPCFailure {
    var failure = RPCFailure(code(of: error), withoutCredentials(message(of: error)))
    // As BuildKit has it: the one that was written last comes first.
    failure.details += ErrorSource.all(of: error).reversed().map { .json("Source", $0.document) }
    if case ServiceError.unsupportedCapability(let name) = error {
        failure.details.append(.json("FrontendCap", .object([.init("name", .string(name))])))
    }
    if case ServiceError.unsupportedQuestion(let name) = error {
        failure.details.append(.json("Subrequest", .object([.init("name", .string(name))])))
    }
    if case ServiceError.denied(_, let messages) = error, !messages.isEmpty {
        let list = messages.map { JSONValue.object([.init("message", .string($0))]) }
        failure.details.append(
            RPCFailure.Detail(
                typeURL: "github.com/moby/buildkit/policysession.DecisionResponse+json",
                value: Array(JSONValue.object([.init("denyMessages", .array(list))]).indented.utf8)
            )
        )
    }
    if let step = error as? StepFailure {
        let vertex = JSONValue.object([.init("digest", .string(step.error.vertex.description))])
        failure.details.append(.json("Vertex", vertex))
    }
    // Clients show them with --debug, and the history with what the client adds of its own.
    failure.details += error.chain.map { .json("Stack", stack(of: $0), of: "stack") }
    return failure
}

/// What kind of error it is, in the place of the calls that a program in Go tells.
private func stack(of error: any Error) -> JSONValue {
    let frame = JSONValue.object([
        .init("Name", .string(String(reflecting: type(of: error)))), .init("File", .string("slipway")),
        .init("Line", .number(0)),
    ])
    return .object([
        .init("frames", .array([frame])), .init("cmdline", .array([.string("slipway"), .string("daemon")])),
        .init("version", .string(BuildKitVersion.version)),
    ])
}

private func message(of error: any Error) -> String {
    switch error {
    // Clients put "failed to solve" before it.
    case let step as StepFailure: "\(step.error.underlying)"
    case let error as DockerfileError: error.message
    case let error as FrontendError: error.message
    case is CancellationError: "context canceled"
    default: "\(error)"
    }
}

private func code(of error: any Error) -> RPCFailure.Code {
    for cause in error.chain {
        switch cause {
        case is CancellationError: return .cancelled
        case ServiceError.unknownJob, ServiceError.unknownReference, ServiceError.unknownBuild,
            ServiceError.unknownContainer:
            return .notFound
        case ServiceError.jobExists, ServiceError.sessionExists, ServiceError.containerExists: return .alreadyExists
        case ServiceError.notSupported, ServiceError.methodNotOffered, ServiceError.unsupportedCapability,
            ServiceError.unsupportedQuestion:
            return .unimplemented
        case ServiceError.noSession: return .deadlineExceeded
        case ServiceError.sessionEnded, ServiceError.stopping: return .unavailable
        case ServiceError.sessionWithoutID: return .invalidArgument
        case ServiceError.entitlementRefused: return .permissionDenied
        case is DockerfileError: return .invalidArgument
        default: continue
        }
    }
    return .unknown
}

extension RPCFailure.Detail {
    /// A message of BuildKit's errors: they travel as Go's JSON under the names of their types in Go.
    static func json(_ name: String, _ document: JSONValue, of package: String = "errdefs") -> Self {
        Self(typeURL: "github.com/moby/buildkit/\(package).\(name)+json", value: Array(document.indented.utf8))
    }

    /// Whether it shows lines of a file.
    var isSource: Bool { typeURL == "github.com/moby/buildkit/errdefs.Source+json" }
}

extension RPCFailure {
    /// What a client's frontend failed with.
    init(_ status: Google_Rpc_Status) {
        self.init(Code(rawValue: Int(status.code)) ?? .unknown, status.message)
        details = status.details.map { Detail(typeURL: $0.typeURL, value: [UInt8]($0.value)) }
    }
}
