internal import LinuxSystem
internal import Manual
internal import Terminal
internal import Text

/// What buildx takes and Slipway has no use for, or no means yet.
extension BuildCommand {
    /// Flags of the builder before BuildKit.
    ///
    /// The warnings are buildx's where it has any.
    static let ignoredFlags: [Flag<BuildCommand>] =
        [
            .ignored("compress", takesValue: false, \.flagWarnings, warning: "compress flag is ignored."),
            .ignored("isolation", \.flagWarnings, warning: "isolation flag is deprecated with BuildKit."),
            .ignored(
                "security-opt",
                \.flagWarnings,
                warning:
                    "security-opt flag is deprecated. \"RUN --security=insecure\" should be used with BuildKit."
            ),
            .ignored(
                "squash",
                takesValue: false,
                \.flagWarnings,
                warning:
                    "experimental flag squash is removed with BuildKit. You should squash inside build using a multi-stage Dockerfile for efficiency."
            ),
            .ignored("rm", takesValue: false, \.flagWarnings, warning: ""),
            .ignored("force-rm", takesValue: false, \.flagWarnings, warning: ""),
            .bytes("builder", \.builder, help: "Ignored: there is one builder").hidden,
        ]

    /// What is said where a builder is chosen, which `BUILDX_BUILDER` does too.
    func builderWarnings(_ environment: SlipwayEnvironment) -> [String] {
        guard let name = builder ?? environment.variable(.builder), !name.isEmpty,
            name != "default"
        else { return [] }
        return ["the builder \"\(escapedForDisplay(name))\" is ignored: Slipway builds in its own process."]
    }

    static let attestationFlags: [Flag<BuildCommand>] = [
        .values(
            "attest",
            \.attestations,
            placeholder: "stringArray",
            help: "Attestation parameters (only \"type=sbom|provenance,disabled=true\")"
        ) { bytes throws(FlagValueError) in [try AttestationOption(parsing: bytes)] },
        .values(
            "provenance",
            \.attestations,
            placeholder: "string",
            help: "Shorthand for \"--attest=type=provenance\" (only \"false\")"
        ) { bytes throws(FlagValueError) in [try AttestationOption(.provenance, shorthand: bytes)] },
        .values(
            "sbom",
            \.attestations,
            placeholder: "string",
            help: "Shorthand for \"--attest=type=sbom\" (only \"false\")"
        ) { bytes throws(FlagValueError) in [try AttestationOption(.sbom, shorthand: bytes)] },
    ]
}

/// One `--attest`, `--provenance` or `--sbom`: understood, and refused unless it asks for none.
struct AttestationOption: Sendable, Hashable {
    enum Kind: String, Sendable { case provenance, sbom }

    let kind: Kind

    /// Reads `type=…,disabled=true`.
    init(parsing bytes: [UInt8]) throws(FlagValueError) {
        var kind: Kind?
        var isDisabled = false
        for (key, value) in try FlagValues.fields(bytes) {
            switch key {
            case "type":
                let name = try FlagValues.text(value ?? [])
                kind = Kind(rawValue: name)
                if kind == nil {
                    throw FlagValueError("the attestation type \"\(name)\" is neither provenance nor sbom")
                }
            case "disabled": isDisabled = try FlagValues.boolean(value ?? [])
            default: break
            }
        }
        guard let kind else { throw FlagValueError("attestation type not specified") }
        guard isDisabled else { throw Self.refusal(of: kind) }
        self.kind = kind
    }

    /// Reads the value of `--provenance` and `--sbom`: a truth value, or parameters.
    init(_ kind: Kind, shorthand bytes: [UInt8]) throws(FlagValueError) {
        if let isWanted = try? FlagValues.boolean(bytes) {
            if isWanted { throw Self.refusal(of: kind) }
            try self.init(parsing: "type=\(kind.rawValue),disabled=true")
        } else {
            try self.init(parsing: "type=\(kind.rawValue)," + bytes)
        }
    }

    private static func refusal(of kind: Kind) -> FlagValueError {
        FlagValueError(
            "\(kind.rawValue) attestations are not supported by this version of Slipway; leave the flag out or say --\(kind.rawValue)=false"
        )
    }
}
