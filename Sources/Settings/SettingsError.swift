/// Why settings or stored credentials cannot be used: `slipway.toml`, certificates by host, docker's `config.json` and its helpers.
package enum SettingsError: Error, Hashable, Sendable, CustomStringConvertible {
    case invalid(file: String, key: String?, reason: String)
    case credentialHelper(name: String, action: String, reason: String)

    package var description: String {
        switch self {
        case .invalid(let file, let key, let reason): "\(file): \(key.map { "\($0): " } ?? "")\(reason)"
        case .credentialHelper(let name, let action, let reason): "credential helper \(name) \(action): \(reason)"
        }
    }
}
