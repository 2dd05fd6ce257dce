internal import Attestations
import BuildEngine
internal import Manual
internal import Terminal
internal import Text

/// What is to be said of the result: `--attest`, `--provenance` and `--sbom`.
extension BuildCommand {
    static let attestationFlags: [Flag<BuildCommand>] = [
        .values(
            "attest",
            \.attestations,
            placeholder: "stringArray",
            help: "Attestation parameters (format: \"type=sbom,generator=image\")"
        ) { bytes throws(FlagValueError) in [try AttestationOption(parsing: bytes)] },
        .values(
            "provenance",
            \.attestations,
            placeholder: "string",
            help: "Shorthand for \"--attest=type=provenance\""
        ) { bytes throws(FlagValueError) in [try AttestationOption(.provenance, shorthand: bytes)] },
        .values(
            "sbom",
            \.attestations,
            placeholder: "string",
            help: "Shorthand for \"--attest=type=sbom\""
        ) { bytes throws(FlagValueError) in [try AttestationOption(.sbom, shorthand: bytes)] },
    ]

    /// What the flags ask for: of two of one kind the later counts.
    func applyAttestations(to request: inout BuildRequest, _ environment: SlipwayEnvironment) {
        for option in attestations {
            switch option.kind {
            case .provenance: request.attestations.provenance = option.options.provenance
            case .sbom: request.attestations.sbom = option.options.sbom
            }
        }
        if metadataFile != nil { request.recordedProvenance = recordedProvenance(environment) }
        request.parameters = BuildParameters(asking: "dockerfile.v0", request.frontendAttributes)
    }

    /// The provenance for the metadata file, which as in buildx is of the older version.
    private func recordedProvenance(_ environment: SlipwayEnvironment) -> ProvenanceOptions? {
        let word = environment.variable(.metadataProvenance).map { String(decoding: $0, as: UTF8.self) } ?? ""
        if word == "disabled" || parsedBoolean(word) == false { return nil }
        var options = ProvenanceOptions()
        options.version = .v02
        return options
    }
}

/// One `--attest`, `--provenance` or `--sbom`.
struct AttestationOption: Sendable, Hashable {
    enum Kind: String, Sendable { case provenance, sbom }

    let kind: Kind
    /// What is asked for; nothing where the kind is disabled.
    let options: AttestationOptions
    /// As a daemon takes it; nil where the kind is disabled.
    let written: String?

    /// Reads `type=…[,disabled=…][,key=value…]`.
    init(parsing bytes: [UInt8]) throws(FlagValueError) {
        var kind: Kind?
        var isDisabled = false
        var parameters: [(name: String, value: String)] = []
        for (key, value) in try FlagValues.fields(bytes) {
            let text = try FlagValues.text(value ?? [])
            switch key {
            case "type":
                kind = Kind(rawValue: text)
                if kind == nil {
                    throw FlagValueError("the attestation type \"\(text)\" is neither provenance nor sbom")
                }
            case "disabled": isDisabled = try FlagValues.boolean(value ?? [])
            default: parameters.append((key, text))
            }
        }
        guard let kind else { throw FlagValueError("attestation type not specified") }
        var options = AttestationOptions()
        if !isDisabled {
            do throws(AttestationError) { try options.set(kind.rawValue, parameters) } catch {
                throw FlagValueError("\(error)")
            }
        }
        self.kind = kind
        self.options = options
        let texts = parameters.map { "\($0.name)=\($0.value)" }
        written = isDisabled ? nil : texts.map { $0.contains(",") ? "\"\($0)\"" : $0 }.joined(separator: ",")
    }

    /// Reads the value of `--provenance` and `--sbom`: a truth value, or parameters.
    init(_ kind: Kind, shorthand bytes: [UInt8]) throws(FlagValueError) {
        if let isWanted = try? FlagValues.boolean(bytes) {
            try self.init(parsing: Array("type=\(kind.rawValue),disabled=\(!isWanted)".utf8))
        } else {
            try self.init(parsing: Array("type=\(kind.rawValue),".utf8) + bytes)
        }
    }
}
