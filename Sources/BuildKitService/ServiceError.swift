import OCI
import Text

/// Why the daemon does not do what a client asks for.
package enum ServiceError: Error, Sendable, Hashable, CustomStringConvertible {
    case unknownJob(String)
    /// The daemon lets no build begin any more.
    case stopping
    case jobExists(String)
    case noBuildID
    case noJobID
    case unknownReference(String)
    case emptyReference(String)
    case unknownFrontend(String)
    case noFrontendSource
    /// A frontend that builds its image first, which BuildKit had.
    case developmentGateway
    case unsupportedCapability(String)
    /// A frontend was asked what it does not answer.
    case unsupportedQuestion(String)
    case frontendFailed(String, reason: String)
    case invalidAttribute(String, value: String, reason: String)
    case unknownExporter(String)
    case exportNeedsSession(String)
    case missingConfiguration(String)
    case invalidResult(String)
    case missing(String)
    case denied(String, messages: [String])
    case unknownContainer(String)
    case containerExists(String)
    case containerReleased
    case noMount(Int)
    case notSupported(String)
    case cache(String)
    case unknownEntitlement(String)
    case entitlementRefused(String)
    case invalidFilter(String)
    case path(String, reason: String)
    case noSession(String)
    case sessionExists(String)
    case sessionWithoutID
    case sessionEnded(String)
    case methodNotOffered(String)
    case unknownBuild(String)
    case invalidLog
    case uploadReadBefore

    package var description: String {
        switch self {
        case .unknownJob(let id): "no such job \(id)"
        case .stopping: "the daemon is stopping: it ends the builds that run, and begins no other"
        case .jobExists(let id): "the job \(id) exists already; give each build a reference of its own"
        case .noBuildID: "no buildid found in context"
        case .noJobID: "the request has no reference; give each build one of its own"
        case .unknownReference(let id): "no such ref: \(id)"
        case .emptyReference(let id): "empty ref: \(id)"
        case .unknownFrontend(let name):
            "frontend \(name) not found; this builder has dockerfile.v0 and gateway.v0"
        case .noFrontendSource: "no source specified for gateway; name an image with the frontend option source"
        case .developmentGateway: "development gateway is no longer supported"
        case .unsupportedCapability(let name): "unsupported frontend capability \(name)"
        case .unsupportedQuestion(let name): "unsupported request \(name)"
        case .frontendFailed(let source, let reason):
            "the frontend \(escapedForDisplay(Array(source.utf8))) failed: \(reason)"
        case .invalidAttribute(let name, let value, let reason): "invalid \(name) value: \(value): \(reason)"
        case .unknownExporter(let type):
            "exporter \"\(type)\" could not be found; this builder has image, local, tar, oci and docker"
        case .exportNeedsSession(let type):
            "the exporter \(type) sends its result to the client, and the request names no session"
        case .missingConfiguration(let key): "the result has several images and no \(key)"
        case .invalidResult(let reason): "invalid result: \(reason)"
        case .unknownContainer(let id):
            "container \"\(escapedForDisplay(Array(id.utf8)))\" previously released or not created"
        case .containerExists(let id): "Container \(escapedForDisplay(Array(id.utf8))) already exists"
        case .containerReleased: "the container was released"
        case .noMount(let number): "mount index \(number) is out of bounds, or has no files"
        case .denied(let source, let messages):
            "source \"\(escapedForDisplay(withoutCredentials(Array(source.utf8))))\" not allowed by policy: action DENY"
                + messages.map { ": " + escapedForDisplay(Array($0.utf8)) }.joined()
        case .missing(let what): "the request lacks \(what)"
        case .notSupported(let what): "\(what) is not supported by this version of Slipway"
        case .cache(let reason): reason
        case .unknownEntitlement(let name): "unknown entitlement \(name)"
        case .entitlementRefused(let name):
            "entitlement \(name) is not allowed; start the daemon with --allow-insecure-entitlement \(name)"
        case .invalidFilter(let text):
            "the filter \"\(text)\" cannot be read; write FIELD==VALUE, FIELD!=VALUE or FIELD~=PATTERN"
        case .path(let path, let reason): "\(path): \(reason)"
        // In the words of BuildKit, by which its clients know it.
        case .noSession(let id): "no active session for \(escapedForDisplay(Array(id.utf8))): context deadline exceeded"
        case .sessionExists(let id):
            "session \(escapedForDisplay(Array(id.utf8))) already exists; give each session an id of its own"
        case .sessionWithoutID: "the session has no id; send one in x-docker-expose-session-uuid"
        case .sessionEnded(let id):
            "the client ended its session \(escapedForDisplay(Array(id.utf8))) before the build was done with it"
        case .methodNotOffered(let method):
            "the session of the client does not offer \(escapedForDisplay(Array(method.utf8)))"
        case .unknownBuild(let ref): "the history has no build \(escapedForDisplay(Array(ref.utf8)))"
        case .uploadReadBefore: "the file that came with the request can be read once"
        case .invalidLog: "the log of the build is damaged; see slipway system check"
        }
    }
}
