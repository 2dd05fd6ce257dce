internal import Text

/// Why a request of Docker's API is not carried out, mostly in the words of Docker's engine.
package enum DockerAPIError: Error, Sendable, Hashable, CustomStringConvertible {
    case tooOld(String)
    case tooNew(String)
    case noUpgrade
    case invalidQuery(String)
    case invalidJSON(parameter: String, reason: String)
    case invalidNumber(parameter: String, value: String)
    case invalidBuilderVersion(String)
    case classicBuilder
    case securityOptions
    case squash
    case unsupportedIsolation(String)
    case unsupportedNetwork(String)
    case invalidHost(String)
    case severalOutputs
    case noBuildID
    case noContext
    case noUpload
    case uploadNotWanted(String)

    package var description: String {
        switch self {
        case .tooOld(let version):
            "client version \(version) is too old. Minimum supported API version is \(APIVersion.oldest), please upgrade your client to a newer version"
        case .tooNew(let version):
            "client version \(version) is too new. Maximum supported API version is \(APIVersion.latest)"
        case .noUpgrade: "no upgrade proto in request"
        case .invalidQuery(let text): "invalid URL escape \"\(text)\""
        case .invalidJSON(let parameter, let reason): "error reading \(parameter): \(reason)"
        case .invalidNumber(let parameter, let value): "\(parameter): \"\(value)\" is not a number"
        case .invalidBuilderVersion(let version): "invalid version \"\(version)\""
        case .classicBuilder:
            "this daemon does not have the builder from before BuildKit; set DOCKER_BUILDKIT=1 for docker build"
        case .securityOptions: "The daemon on this platform does not support setting security options on build"
        case .squash: "squash is only supported with experimental mode"
        case .unsupportedIsolation(let name): "Unsupported isolation: \"\(name)\""
        case .unsupportedNetwork(let mode): "network mode \"\(mode)\" not supported by buildkit"
        case .invalidHost(let host): "invalid host \(host)"
        case .severalOutputs: "multiple outputs not supported"
        case .noBuildID: "build ID not provided"
        case .noContext: "the request names no session that offers the context"
        case .noUpload: "the context that the build waits for was not sent"
        case .uploadNotWanted(let id): "no build \(escapedForDisplay(Array(id.utf8))) waits for this context"
        }
    }

    /// The status of HTTP that goes with it.
    var status: Int {
        switch self {
        case .tooOld, .tooNew, .noUpgrade, .invalidQuery, .invalidJSON, .invalidNumber, .invalidHost, .noContext,
            .securityOptions, .squash, .unsupportedIsolation:
            400
        case .classicBuilder: 501
        case .invalidBuilderVersion, .unsupportedNetwork, .severalOutputs, .noBuildID, .noUpload, .uploadNotWanted: 500
        }
    }
}
