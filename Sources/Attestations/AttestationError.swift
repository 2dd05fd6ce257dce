/// Why attestations cannot be made as they are asked for, in BuildKit's words.
package enum AttestationError: Error, Hashable, CustomStringConvertible {
    case unknownType(String)
    case invalidField(type: String, reason: String)
    case emptyGenerator
    case invalidGenerator(String, reason: String)
    case unknownVersion(String)
    case unknownMode(String)
    case notBoolean(String, value: String)
    /// An entry of the daemon's own that would stand in for what the builder says.
    case reservedKey(String)
    case invalidSurroundings(String, reason: String)
    /// The directories of the client that were used.
    case incompleteMaterials(directories: [String])

    package var description: String {
        switch self {
        case .unknownType(let type): "unknown attestation type \"\(type)\"; use provenance or sbom"
        case .invalidField(let type, let reason): "failed to parse \(type): \(reason)"
        case .emptyGenerator: "sbom generator cannot be empty"
        case .invalidGenerator(let name, let reason): "failed to parse sbom generator \(name): \(reason)"
        case .unknownVersion(let version): "invalid provenance SLSA version: \(version); use v1 or v0.2"
        case .unknownMode(let mode): "invalid mode \"\(mode)\"; use min or max"
        case .notBoolean(let name, let value): "failed to parse \(name) flag \"\(value)\": not a boolean"
        case .reservedKey(let key): "key \"\(key)\" is builtin and not allowed to be modified in provenance config"
        case .invalidSurroundings(let file, let reason): "failed to parse \(file): \(reason)"
        case .incompleteMaterials(let directories):
            "provenance materials are incomplete: not all dependencies could be captured"
                + (directories.isEmpty ? "" : " (directories of the client: \(directories.joined(separator: ", ")))")
        }
    }
}
