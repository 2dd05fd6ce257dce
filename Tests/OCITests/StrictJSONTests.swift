import OCI
import Testing

@Suite struct `Strict JSON` {
    private let config =
        #"{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:\#(String(repeating: "a", count: 64))","size":2}"#

    @Test func `a plain manifest is read`() throws {
        let text = #"{"schemaVersion":2,"config":\#(config),"layers":[]}"#
        let manifest = try Manifest(parsing: Array(text.utf8), declaredAs: .ociManifest)
        #expect(manifest.layers.isEmpty)
        #expect(manifest.config.size == 2)
    }

    @Test(arguments: [
        #"{"schemaVersion":2,"config":CONFIG,"layers":[],"layers":[]}"#,
        #"{"schemaVersion":2,"config":CONFIG,"layers":[],"Layers":[]}"#,
        #"{"schemaVersion":2,"config":CONFIG,"layers":[],"lay\u0065rs":[]}"#,
        #"{"schemaVersion":2,"config":CONFIG,"layers":[],"manifests":[]}"#,
        #"{"schemaVersion":2,"config":CONFIG,"layers":[]} x"#,
        #"{"schemaVersion":2e0,"config":CONFIG,"layers":[]}"#,
        #"{"schemaVersion":1,"config":CONFIG,"layers":[]}"#,
        #"{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":CONFIG,"layers":[]}"#,
        "\u{feff}{}", "[]", "", "{", #"{"a"}"#,
    ])
    func `an ambiguous or damaged manifest is refused`(text: String) {
        let bytes = Array(
            text.split(separator: "CONFIG", omittingEmptySubsequences: false).joined(separator: config).utf8
        )
        #expect(throws: OCIError.self) { try Manifest(parsing: bytes, declaredAs: .ociManifest) }
    }

    @Test func `deep nesting is refused`() {
        let text = #"{"a":"# + String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000) + "}"
        #expect(throws: OCIError.self) { try Manifest(parsing: Array(text.utf8), declaredAs: .ociManifest) }
    }
}
