import OCI
import Testing
import Text

@Suite struct `Documents of images` {
    private let blob = Descriptor(mediaType: .ociLayerGzip, digest: .sha256(of: "x"), size: 1)

    @Test func `are read as they were written`() throws {
        let manifest = Manifest(mediaType: .ociManifest, config: blob, layers: [blob], annotations: ["a": "b"])
        #expect(try Manifest(parsing: StrictJSON.encode(manifest), declaredAs: .ociManifest) == manifest)
        var platform = Platform(os: "linux", architecture: "arm", variant: "v7")
        platform.osFeatures = ["a"]
        let entry = Descriptor(mediaType: .ociManifest, digest: blob.digest, size: 2, platform: platform)
        let index = Index(mediaType: .ociIndex, manifests: [entry])
        #expect(try Index(parsing: StrictJSON.encode(index), declaredAs: .ociIndex) == index)
        var configuration = ImageConfiguration(platform: platform)
        configuration.rootFileSystem.diffIDs = [blob.digest]
        configuration.history = [HistoryEntry(created: nil, createdBy: "RUN x", emptyLayer: true)]
        configuration.config = ContainerDefaults()
        configuration.config?.healthcheck = Healthcheck(test: ["NONE"])
        let read = try ImageConfiguration(parsing: StrictJSON.encode(configuration))
        #expect(read == configuration && read.platform == platform)
    }

    /// The text is what Go's encoder makes of the types of the OCI image specification and of BuildKit.
    @Test func `have their fields in Go's order, and Go's escapes`() throws {
        var entry = Descriptor(
            mediaType: .ociLayerGzip,
            digest: blob.digest,
            size: 1,
            annotations: ["b": "1", "a": "2"]
        )
        entry.urls = ["http://host.example/?a&b"]
        entry.platform = Platform(os: "linux", architecture: "arm", variant: "v7")
        let manifest = Manifest(mediaType: .ociManifest, config: blob, layers: [entry], annotations: ["z": "<>"])
        let none = Manifest(mediaType: .ociManifest, config: blob, layers: [])
        #expect(String(decoding: try StrictJSON.encode(none), as: UTF8.self).contains("\n  \"layers\": []\n}"))
        #expect(
            String(decoding: try StrictJSON.encode(manifest), as: UTF8.self) == #"""
                {
                  "schemaVersion": 2,
                  "mediaType": "application/vnd.oci.image.manifest.v1+json",
                  "config": {
                    "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                    "digest": "\#(blob.digest)",
                    "size": 1
                  },
                  "layers": [
                    {
                      "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                      "digest": "\#(blob.digest)",
                      "size": 1,
                      "urls": [
                        "http://host.example/?a\u0026b"
                      ],
                      "annotations": {
                        "a": "2",
                        "b": "1"
                      },
                      "platform": {
                        "architecture": "arm",
                        "os": "linux",
                        "variant": "v7"
                      }
                    }
                  ],
                  "annotations": {
                    "z": "\u003c\u003e"
                  }
                }
                """#
        )
        var configuration = ImageConfiguration(platform: Platform(os: "linux", architecture: "amd64"))
        configuration.created = "2020-01-01T00:00:00Z"
        configuration.rootFileSystem.diffIDs = [blob.digest]
        configuration.history = [
            HistoryEntry(created: "2020-01-01T00:00:00Z", createdBy: "RUN a \"b\" > c && \u{2028}é\\", emptyLayer: true)
        ]
        var defaults = ContainerDefaults()
        defaults.environment = ["A=b"]
        defaults.command = ["sh"]
        defaults.workingDirectory = "/w"
        defaults.labels = ["b": "1", "a": ""]
        defaults.healthcheck = Healthcheck(test: ["NONE"])
        defaults.shell = ["sh"]
        configuration.config = defaults
        #expect(
            String(decoding: try StrictJSON.encode(configuration), as: UTF8.self) == #"""
                {"architecture":"amd64","config":{"Env":["A=b"],"Cmd":["sh"],"WorkingDir":"/w","Labels":{"a":"","b":"1"},\#
                "Healthcheck":{"Test":["NONE"]},"Shell":["sh"]},"created":"2020-01-01T00:00:00Z","history":[{"created":\#
                "2020-01-01T00:00:00Z","created_by":"RUN a \"b\" \u003e c \u0026\u0026 \u2028é\\","empty_layer":true}],\#
                "os":"linux","rootfs":{"type":"layers","diff_ids":["\#(blob.digest)"]}}
                """#
        )
    }

    @Test func `of another type than they were delivered as are refused with both`() throws {
        let manifest = try StrictJSON.encode(Manifest(mediaType: .ociManifest, config: blob, layers: []))
        let index = try StrictJSON.encode(Index(mediaType: .dockerList, manifests: []))
        for read in [
            { _ = try Manifest(parsing: manifest, declaredAs: .dockerManifest) },
            { _ = try Index(parsing: index, declaredAs: .ociIndex) },
        ] {
            let error = #expect(throws: OCIError.self) { try read() }
            let text = error.map { "\($0)" } ?? ""
            #expect(text.contains("application/vnd.oci.image.") && text.contains("application/vnd.docker."), "\(text)")
        }
    }

    @Test func `that could be read as an index and as a manifest are refused as both`() throws {
        let digest = blob.digest.description
        let config = #"{"mediaType":"a","digest":"\#(digest)","size":1}"#
        let both = Array(#"{"schemaVersion":2,"config":\#(config),"layers":[],"manifests":[]}"#.utf8)
        #expect(throws: OCIError.self) { try Manifest(parsing: both, declaredAs: .ociManifest) }
        #expect(throws: OCIError.self) { try Index(parsing: both, declaredAs: .ociIndex) }
    }

    @Test func `with negative sizes are refused`() throws {
        var negative = blob
        negative.size = -1
        let manifests = [
            Manifest(mediaType: .ociManifest, config: negative, layers: []),
            Manifest(mediaType: .ociManifest, config: blob, layers: [blob, negative]),
        ]
        for manifest in manifests {
            let bytes = try StrictJSON.encode(manifest)
            #expect(throws: OCIError.self) { try Manifest(parsing: bytes, declaredAs: .ociManifest) }
        }
        let index = try StrictJSON.encode(Index(mediaType: .ociIndex, manifests: [negative]))
        #expect(throws: OCIError.self) { try Index(parsing: index, declaredAs: .ociIndex) }
    }

    @Test func `a configuration that a client never gave layers has none`() throws {
        let text = #"{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"","diff_ids":null}}"#
        let configuration = try ImageConfiguration(parsingWithoutLayers: Array(text.utf8))
        #expect(configuration.rootFileSystem == RootFileSystem(diffIDs: []))
        #expect(throws: OCIError.self) { try ImageConfiguration(parsing: Array(text.utf8)) }
    }

    @Test func `of an image whose root is no list of layers are refused`() {
        let text = #"{"architecture":"amd64","os":"linux","rootfs":{"type":"base+layers","diff_ids":[]}}"#
        #expect(throws: OCIError.self) { try ImageConfiguration(parsing: Array(text.utf8)) }
    }

    @Test func `that list manifests are OCI's where they do not say what they are`() throws {
        #expect(try Index.mediaType(of: #"{"manifests":[]}"#) == .ociIndex)
        let docker = #"{"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json"}"#
        #expect(try Index.mediaType(of: Array(docker.utf8)) == .dockerList)
        #expect(throws: OCIError.self) {
            try Index.mediaType(of: #"{"mediaType":"application/vnd.oci.image.manifest.v1+json"}"#)
        }
    }

    /// Docker's names, from its image manifest specification, beside OCI's.
    @Test(arguments: [
        ("application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar"),
        ("application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.docker.image.rootfs.diff.tar.gzip"),
        ("application/vnd.oci.image.layer.v1.tar+zstd", "application/vnd.docker.image.rootfs.diff.tar.zstd"),
        ("application/octet-stream", "application/octet-stream"),
    ])
    func `name a form of layer by OCI's or Docker's type`(oci: String, docker: String) {
        for type in [oci, docker].map(MediaType.init(rawValue:)) {
            #expect(type.layer(docker: true).rawValue == docker)
            #expect(type.layer(docker: false).rawValue == oci)
        }
    }
}
