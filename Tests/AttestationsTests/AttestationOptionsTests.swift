import Attestations
import OCI
import Testing

/// The attributes that ask for attestations.
@Suite struct `Attestation options` {
    @Test func `are those of the attributes, in either spelling`() throws {
        let options = try AttestationOptions(attributes: [
            "attest:provenance": "mode=min,inline-only=true,builder-id=https://b.example,reproducible=true",
            "build-arg:BUILDKIT_ATTEST_SBOM": "generator=example.com/scanner,EXCLUDE=a", "target": "x",
        ])
        let provenance = try #require(options.provenance)
        #expect(provenance.mode == .min && provenance.version == .v1)
        #expect(provenance.isInlineOnly && provenance.isReproducible)
        #expect(provenance.builderID == "https://b.example")
        let sbom = try #require(options.sbom)
        #expect("\(sbom.generator)" == "example.com/scanner:latest")
        #expect(sbom.parameters == ["EXCLUDE": "a"])
    }

    @Test func `have BuildKit's defaults`() throws {
        let options = try AttestationOptions(attributes: ["attest:provenance": "", "attest:sbom": ""])
        #expect(options.provenance == ProvenanceOptions())
        #expect(options.provenance?.mode == .max)
        #expect(options.provenance?.version.predicateType == "https://slsa.dev/provenance/v1")
        #expect(options.sbom.map { "\($0.generator)" } == "docker.io/docker/buildkit-syft-scanner:stable-1")
        #expect(try AttestationOptions(attributes: [:]) == AttestationOptions())
    }

    @Test(arguments: [
        ("attest:provenance", "mode=medium", "invalid mode \"medium\""),
        ("attest:provenance", "version=v3", "invalid provenance SLSA version: v3"),
        ("attest:provenance", "reproducible=perhaps", "failed to parse reproducible flag \"perhaps\""),
        ("attest:sbom", "generator=", "sbom generator cannot be empty"),
        ("attest:sbom", "generator=UPPER", "failed to parse sbom generator UPPER"),
        ("attest:vex", "", "unknown attestation type \"vex\""),
    ])
    func `that cannot be had are refused by name`(key: String, value: String, message: String) throws {
        let error = try #require(throws: AttestationError.self) {
            try AttestationOptions(attributes: [key: value])
        }
        #expect("\(error)".contains(message))
    }
}
