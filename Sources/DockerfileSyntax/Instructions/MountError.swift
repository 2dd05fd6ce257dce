internal import Text

/// Why a value of `RUN --mount` or `RUN --device` is wrong.
package enum MountError: Error, Hashable, Sendable, CustomStringConvertible {
    case malformedList(String)
    case notAPair(field: String)
    case expandedFrom
    case unsupportedType(String, didYouMean: String?)
    case unsupportedSharing(String, didYouMean: String?)
    case unknownKey(String, field: String, didYouMean: String?)
    case keyNotForType(key: String, type: String)
    case notAllowedForType(key: String, type: String)
    case invalidValue(key: String, value: String)
    case secretWithFrom
    case secretWithSharing
    case secretWithoutName
    case secretWithSourceAndID
    case sharingNotForType(String)
    case deviceNamedTwice(String)

    package var description: String {
        switch self {
        case .malformedList(let reason): "failed to parse csv mounts: \(reason)"
        case .notAPair(let field): "invalid field '\(field)' must be a key=value pair"
        case .expandedFrom: "'from' doesn't support variable expansion, define alias stage instead"
        case .unsupportedType(let type, let meant): "unsupported mount type \(type)" + didYouMean(meant)
        case .unsupportedSharing(let value, let meant): "unsupported sharing value \(value)" + didYouMean(meant)
        case .unknownKey(let key, let field, let meant): "unexpected key '\(key)' in '\(field)'" + didYouMean(meant)
        case .keyNotForType(let key, let type): "unexpected key '\(key)' for mount type '\(type)'"
        case .notAllowedForType(let key, let type): "\(key) not allowed for \(quoted(type)) type mounts"
        case .invalidValue(let key, let value):
            ["mode", "uid", "gid"].contains(key)
                ? "invalid value \(value) for \(key)" : "invalid value for \(key): \(value)"
        case .secretWithFrom: "secret mount should not have a from"
        case .secretWithSharing: "secret mount should not define sharing"
        case .secretWithoutName: "invalid secret mount. one of source, target required"
        case .secretWithSourceAndID: "both source and id can't be set"
        case .sharingNotForType(let type): "invalid cache sharing set for \(type) mount"
        case .deviceNamedTwice(let name): "device name already set to \(name)"
        }
    }
}
