package import OCI
internal import Text

/// Which attestations a build is asked for: the attributes `attest:*` of a request.
package struct AttestationOptions: Sendable, Hashable {
    package var provenance: ProvenanceOptions?
    package var sbom: SBOMOptions?

    package init() {}

    /// Reads the attributes of a request to a frontend; those that are about something else are passed over.
    /// - Throws: `AttestationError`.
    package init(attributes: [String: String]) throws(AttestationError) {
        for (key, value) in attributes.sorted(by: { $0.key < $1.key }) {
            for prefix in ["attest:", "build-arg:BUILDKIT_ATTEST_"] where key.hasPrefix(prefix) {
                let type = key.dropFirst(prefix.count).lowercased()
                try set(type, Self.fields(Array(value.utf8), of: type))
            }
        }
    }

    /// Whether an attribute of a request asks for attestations, or says how they are made.
    package static func isAttribute(_ key: String) -> Bool { key.hasPrefix("attest:") }

    /// Takes one kind with its parameters.
    package mutating func set(
        _ type: String,
        _ fields: [(name: String, value: String)]
    ) throws(AttestationError) {
        switch type {
        case "provenance": provenance = try ProvenanceOptions(fields)
        case "sbom": sbom = try SBOMOptions(fields)
        default: throw .unknownType(type)
        }
    }

    private static func fields(
        _ text: [UInt8],
        of type: String
    ) throws(AttestationError) -> [(name: String, value: String)] {
        let fields: [[UInt8]]
        do throws(CommaSeparatedError) { fields = try commaSeparatedFields(text) } catch {
            throw .invalidField(type: type, reason: "\(error)")
        }
        return fields.map { field in
            let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = parts.first.map { String(decoding: $0, as: UTF8.self) } ?? ""
            return (name, parts.count > 1 ? String(decoding: parts[1], as: UTF8.self) : "")
        }
    }
}

/// How provenance is made.
package struct ProvenanceOptions: Sendable, Hashable {
    /// How much it tells.
    package enum Mode: Sendable { case min, max }

    /// The version of the predicate.
    package enum Version: String, Sendable {
        case v1
        case v02 = "v0.2"

        package var predicateType: String { "https://slsa.dev/provenance/\(rawValue)" }
    }

    package var mode = Mode.max
    package var version = Version.v1
    /// Who built; nothing by default.
    package var builderID = ""
    package var isReproducible = false
    /// Whether it goes into images only that are kept or pushed.
    package var isInlineOnly = false
    /// Whether it is an error where something that was used is not told of.
    package var requiresMaterials = false
    package var fileName = "provenance.json"

    package init() {}

    init(_ fields: [(name: String, value: String)]) throws(AttestationError) {
        for (name, value) in fields {
            switch name {
            case "mode":
                switch value {
                case "min": mode = .min
                case "max", "full": mode = .max
                default: throw .unknownMode(value)
                }
            case "version":
                guard let known = Version(rawValue: value) else { throw .unknownVersion(value) }
                version = known
            case "builder-id": builderID = value
            case "reproducible": isReproducible = try Self.truth("reproducible", value)
            case "complete-materials": requiresMaterials = try Self.truth("complete-materials", value)
            case "inline-only": isInlineOnly = parsedBoolean(value) ?? false
            case "filename": fileName = value
            default: continue
            }
        }
    }

    private static func truth(_ name: String, _ value: String) throws(AttestationError) -> Bool {
        guard let truth = parsedBoolean(value) else { throw .notBoolean(name, value: value) }
        return truth
    }
}

/// How a list of an image's parts (SBOM) is made: by a scanner, which is an image.
package struct SBOMOptions: Sendable, Hashable {
    /// The scanner.
    package let generator: ImageReference
    /// What it is told besides, as variables `BUILDKIT_SCAN_*`.
    package var parameters: [String: String] = [:]

    package static let defaultGenerator = "docker/buildkit-syft-scanner:stable-1"

    init(_ fields: [(name: String, value: String)]) throws(AttestationError) {
        var name = Self.defaultGenerator
        for (key, value) in fields {
            if key == "generator" { name = value } else { parameters[key] = value }
        }
        if name.isEmpty { throw .emptyGenerator }
        do throws(OCIError) { generator = try ImageReference(parsing: name).withDefaultTag } catch {
            throw .invalidGenerator(name, reason: "\(error)")
        }
    }
}
