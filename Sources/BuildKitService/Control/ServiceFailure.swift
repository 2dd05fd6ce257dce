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
    if let source = source(of: error) { failure.details.append(.json("Source", source)) }
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

/// The lines that an error is about; nil for none.
private func source(of error: any Error) -> JSONValue? {
    let (name, data, all): (String, [UInt8], [ClosedRange<Int>])
    switch error {
    case let step as StepFailure:
        guard let source = step.source else { return nil }
        (name, data, all) = (source.fileName, source.data, source.lines)
    case let error as DockerfileError:
        guard let source = error.source else { return nil }
        (name, data, all) = (source.name, source.bytes, error.ranges.map(\.lines))
    case let error as FrontendError:
        guard let source = error.source else { return nil }
        (name, data, all) = (source.name, source.bytes, error.ranges.map(\.lines))
    case let failure as OtherFrontendFailure:
        return source(of: failure.frontend.refusal)
    default: return nil
    }
    if all.isEmpty { return nil }
    // BuildKit has a range for each line.
    let ranges = all.joined().map { $0...$0 }.map { lines in
        JSONValue.object([
            .init("start", .object([.init("line", .number(lines.lowerBound))])),
            .init("end", .object([.init("line", .number(lines.upperBound))])),
        ])
    }
    let info = JSONValue.object([
        .init("filename", .string(name)),
        .init("data", .string(base64(data))),
        .init("language", .string("Dockerfile")), .init("definition", definition(of: name)),
    ])
    return .object([.init("info", info), .init("ranges", .array(ranges))])
}

/// The graph that a Dockerfile of the client comes from: tools look at other files beside it.
private func definition(of name: String) -> JSONValue {
    var source = LocalSource(name: "dockerfile")
    source.followPaths = [Array(name.utf8)]
    guard let output = try? Output.local(source), let message = try? Definition(target: output).message() else {
        return .object([])
    }
    return .object([.init("def", .array(message.def.map { .string(base64([UInt8]($0))) }))])
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
