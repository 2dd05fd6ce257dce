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
    /// What the API has and this daemon does not yet, by what it would do.
    case notYet(String)
    case bodyTooLarge(Int)
    case invalidField(String, expected: String)
    case invalidMoment(parameter: String, value: String)
    /// A field of a container that asks for what is not done, by its name.
    case unsupportedField(String, reason: String)
    /// A value that is refused, with what is wrong with it.
    case refusedValue(String, reason: String)
    case noStreams
    case noSuchExec(String)
    case execHasRun(String)
    case noCommand
    case notRunning(String)
    case invalidCondition(String)
    case nothingToPush(String)
    case noSuchPlugin(String)
    case notInSwarm
    case noSwarmManager

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
        case .noContext: "the request has neither a session nor the address of a context"
        case .noUpload: "the context that the build waits for was not sent"
        case .uploadNotWanted(let id): "no build \(escapedForDisplay(Array(id.utf8))) waits for this context"
        case .notYet(let what): "\(what) is not supported by this version of Slipway"
        case .bodyTooLarge(let limit): "the document of the request is larger than \(limit) bytes"
        case .invalidField(let name, let expected): "invalid value of \(name): \(expected) is expected"
        case .invalidMoment(let name, let value):
            "invalid value for \"\(name)\": \"\(value)\" is neither a time nor a duration"
        case .unsupportedField(let name, let reason): "\(name) is not supported by this version of Slipway: \(reason)"
        case .refusedValue(let name, let reason): "invalid value of \(name): \(reason)"
        case .noStreams: "Bad parameters: you must choose at least one stream"
        case .noSuchExec(let id): "No such exec instance: \(id)"
        case .execHasRun(let id): "Error: Exec command \(id) has already run"
        case .noCommand: "No exec command specified"
        case .notRunning(let id): "Container \(id) is not running"
        case .invalidCondition(let text): "invalid condition: \"\(text)\""
        case .nothingToPush(let name): "An image does not exist locally with the tag: \(name)"
        case .noSuchPlugin(let name): "plugin \"\(name)\" not found"
        case .notInSwarm: "This node is not part of a swarm"
        case .noSwarmManager:
            "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again."
        }
    }

    /// The status of HTTP that goes with it.
    var status: Int {
        switch self {
        case .tooOld, .tooNew, .noUpgrade, .invalidQuery, .invalidJSON, .invalidNumber, .invalidHost, .noContext,
            .securityOptions, .squash, .unsupportedIsolation, .invalidField, .invalidMoment, .unsupportedField,
            .refusedValue,
            .noStreams, .noCommand, .invalidCondition:
            400
        case .noSuchExec, .nothingToPush, .noSuchPlugin: 404
        case .execHasRun, .notRunning: 409
        case .bodyTooLarge: 413
        case .classicBuilder, .notYet: 501
        case .notInSwarm, .noSwarmManager: 503
        case .invalidBuilderVersion, .unsupportedNetwork, .severalOutputs, .noBuildID, .noUpload, .uploadNotWanted: 500
        }
    }
}
