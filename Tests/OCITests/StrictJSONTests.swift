import OCI
import Proofs
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

    /// Go's decoder takes each of these keys for the field: other programs would read another image under the same digest.
    @Test(
        .proves("A4: a manifest, index, configuration"),
        arguments: [
            #"{"schemaVersion":2,"config":CONFIG,"layers":[],"layer\#u{17f}":[]}"#,
            #"{"schemaVersion":2,"config":CONFIG,"layers":[],"layer\u017f":[]}"#,
            #"{"schemaVersion":2,"config":CONFIG,"layer\#u{17f}":[],"layers":[]}"#,
            #"{"schemaVersion":2,"config":{"mediaType":"a","digest":"DIGEST","Digest":"DIGEST","size":2},"layers":[]}"#,
            #"{"schemaVersion":2,"config":{"mediaType":"a","digest":"DIGEST","dige\#u{17f}t":"DIGEST","size":2},"layers":[]}"#,
            #"{"schemaVersion":2,"config":CONFIG,"layers":[{"mediaType":"a","digest":"DIGEST","SIZE":3,"size":2}]}"#,
            #"{"schemaVersion":2,"config":CONFIG,"layers":[],"subject":{"mediaType":"a","mediatype":"b"}}"#,
            #"{"schemaVersion":2,"config":CONFIG,"layers":[],"MediaType":"application/vnd.oci.image.index.v1+json"}"#,
            #"{"schemaVersion":2,"config":CONFIG,"layers":[],"Annotations":{"a":"b"}}"#,
            #"{"schemaVersion":2,"config":CONFIG,"layers":[],"annotations":{"a":"b","a":"c"}}"#,
            #"{"schemaVersion":2,"config":CONFIG,"layers":[],"note":{"\#u{212a}ind":1,"kind":2}}"#,
        ]
    )
    func `a manifest with a key that Go takes for another is refused, however deep`(text: String) {
        let bytes = Array(filled(text).utf8)
        #expect { try Manifest(parsing: bytes, declaredAs: .ociManifest) } throws: { "\($0)".contains("key \"") }
    }

    @Test(
        .proves("A4: a manifest, index, configuration"),
        arguments: [
            #"{"schemaVersion":2,"manifests":[{"mediaType":"a","digest":"DIGEST","size":1,"platform":{"os":"a","OS":"b"}}]}"#,
            #"{"schemaVersion":2,"manifests":[{"mediaType":"a","digest":"DIGEST","size":1,"Platform":{}}]}"#,
            #"{"schemaVersion":2,"manifests":[],"Manifests":[]}"#,
            #"{"schemaVersion":2,"manifest\#u{17f}":[],"manifests":[]}"#,
        ]
    )
    func `an index with a key that Go takes for another is refused, however deep`(text: String) {
        let bytes = Array(filled(text).utf8)
        #expect { try Index(parsing: bytes, declaredAs: .ociIndex) } throws: { "\($0)".contains("key \"") }
    }

    @Test(
        .proves("A4: a manifest, index, configuration"),
        arguments: [
            #"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"Config":{}}"#,
            #"{"architecture":"amd64","os":"linux","o\#u{17f}":"x","rootfs":{"type":"layers","diff_ids":[]}}"#,
            #"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[],"Diff_IDs":["DIGEST"]}}"#,
            #"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"config":{"Env":[],"env":[]}}"#,
            #"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"config":{"Healthcheck":{"TEST":[]}}}"#,
            #"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"config":{"Labels":{"a":"","a":""}}}"#,
            #"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"history":[{"Created_By":"x"}]}"#,
        ]
    )
    func `a configuration with a key that Go takes for another is refused, however deep`(text: String) {
        let bytes = Array(filled(text).utf8)
        #expect { try ImageConfiguration(parsing: bytes) } throws: { "\($0)".contains("key \"") }
    }

    @Test(.proves("A4: a manifest, index, configuration"))
    func `keys that are data may differ by case, and unknown fields are passed over`() throws {
        let manifest = #"""
            {"schemaVersion":2,"config":CONFIG,"layers":[],"annotations":{"a":"1","A":"2","Digest":"3","digest":"4"},
             "x":{"deep":[{"any":null}]}}
            """#
        let read = try Manifest(parsing: Array(filled(manifest).utf8), declaredAs: .ociManifest)
        #expect(read.annotations == ["a": "1", "A": "2", "Digest": "3", "digest": "4"])
        let configuration = #"""
            {"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"docker_version":"1","Size":3,
             "container_config":{"Hostname":"x","Image":"sha256:1","Labels":{"k":"","K":""}},
             "config":{"Hostname":"","Labels":{"env":"1","Env":"2"},"Volumes":{"/a":{},"/A":{}},"ExposedPorts":{"80/tcp":{}}}}
            """#
        let image = try ImageConfiguration(parsing: Array(configuration.utf8))
        #expect(image.config?.labels == ["env": "1", "Env": "2"])
        #expect(image.config?.volumes?.keys.sorted() == ["/A", "/a"])
    }

    private func filled(_ text: String) -> String {
        let digest = "sha256:" + String(repeating: "a", count: 64)
        return text.replacing("CONFIG", with: config).replacing("DIGEST", with: digest)
    }
}
