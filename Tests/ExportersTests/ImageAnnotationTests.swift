import Exporters
import OCI
import Proofs
import SystemPackage
import Testing

private let amd64 = Platform(os: "linux", architecture: "amd64")
private let arm64 = Platform(os: "linux", architecture: "arm64")

@Suite struct `Annotations of images` {
    @Test(.proves("--annotation")) func `the flag takes types and platforms`() throws {
        let table: [(String, [ImageAnnotation])] = [
            ("k=v", [ImageAnnotation(.manifest, key: "k", value: "v")]),
            ("k=", [ImageAnnotation(.manifest, key: "k", value: "")]),
            ("k=a=b:c", [ImageAnnotation(.manifest, key: "k", value: "a=b:c")]),
            ("manifest:k=v", [ImageAnnotation(.manifest, key: "k", value: "v")]),
            ("index:org.K=v", [ImageAnnotation(.index, key: "org.K", value: "v")]),
            (
                "index,manifest-descriptor[linux/x86_64]:k=v",
                [
                    ImageAnnotation(.index, key: "k", value: "v"),
                    ImageAnnotation(.manifestDescriptor, amd64, key: "k", value: "v"),
                ]
            ),
            ("index-descriptor:k=v", [ImageAnnotation(.indexDescriptor, key: "k", value: "v")]),
            // An index is of all platforms.
            ("index[linux/arm64]:k=v", [ImageAnnotation(.index, key: "k", value: "v")]), ("", []),
        ]
        for (text, expected) in table { #expect(try ImageAnnotation.parse(text) == expected, "\(text)") }
    }

    @Test(
        .proves("--annotation"),
        arguments: [
            ("k", "invalid annotation \"k\", expected key=value"),
            ("=v", "invalid annotation \"=v\", expected key=value"),
            ("index:=v", "invalid annotation \"index:=v\", expected key=value"),
            ("a b=v", "invalid annotation \"a b=v\", expected key=value"),
            (":k=v", "invalid annotation type \"\", expected type and optional platform in square brackets"),
            ("Index:k=v", "invalid annotation type \"Index\", expected type and optional platform in square brackets"),
            (
                "manifest[linux/amd64:k=v",
                "invalid annotation type \"manifest[linux/amd64\", expected type and optional platform in square brackets"
            ),
            (
                "manifest[]:k=v",
                "invalid annotation type \"manifest[]\", expected type and optional platform in square brackets"
            ),
            (
                "layer:k=v",
                "unknown annotation type \"layer\"; use manifest, manifest-descriptor, index or index-descriptor"
            ),
        ]
    )
    func `a bad flag is refused in buildx's words`(text: String, reason: String) throws {
        let error = try #require(throws: ExportError.self) { _ = try ImageAnnotation.parse(text) }
        #expect(error.description == reason)
    }

    @Test func `a platform that the result lacks is refused`() throws {
        let error = try #require(throws: ExportError.self) { _ = try ImageAnnotation.parse("manifest[a/b/c/d]:k=v") }
        #expect(error.description.hasPrefix("invalid platform \"a/b/c/d\": "))
    }

    @Test func `attributes of outputs say the same`() throws {
        let table: [(String, ImageAnnotation?)] = [
            ("annotation.k", ImageAnnotation(.manifest, key: "k", value: "v")),
            ("annotation-manifest.a.b", ImageAnnotation(.manifest, key: "a.b", value: "v")),
            ("annotation[linux/arm64].k", ImageAnnotation(.manifest, arm64, key: "k", value: "v")),
            ("annotation-index.k", ImageAnnotation(.index, key: "k", value: "v")),
            (
                "annotation-manifest-descriptor[linux/amd64].k",
                ImageAnnotation(.manifestDescriptor, amd64, key: "k", value: "v")
            ),
            ("annotation-index-descriptor.k", ImageAnnotation(.indexDescriptor, key: "k", value: "v")),
            ("annotation", nil), ("annotation.", nil), ("annotations.k", nil), ("annotation-.k", nil),
            ("annotation[].k", nil), ("annotation.a b", nil), ("name", nil),
        ]
        for (attribute, expected) in table {
            #expect(try ImageAnnotation(attribute: attribute, value: "v") == expected, "\(attribute)")
        }
        #expect(throws: ExportError.attributeAnnotationType("layer")) {
            _ = try ImageAnnotation(attribute: "annotation-layer.k", value: "v")
        }
    }

    @Test func `each document gets what is meant for it, and the later of two`() {
        let annotations = [
            ImageAnnotation(.manifest, key: "k", value: "all"),
            ImageAnnotation(.manifest, arm64, key: "k", value: "arm"),
            ImageAnnotation(.manifest, key: "l", value: "1"), ImageAnnotation(.manifest, key: "l", value: "2"),
            ImageAnnotation(.index, key: "i", value: "x"),
        ]
        #expect(annotations.values(for: .manifest, platform: amd64) == ["k": "all", "l": "2"])
        #expect(annotations.values(for: .manifest, platform: arm64) == ["k": "arm", "l": "2"])
        #expect(annotations.values(for: .index) == ["i": "x"])
        #expect(annotations.values(for: .indexDescriptor) == nil)
    }

    @Test func `those of the frontend replace the output's own, and its name goes where one is asked for`() {
        let frontend = [ImageAnnotation(.manifest, key: "k", value: "frontend")]
        func described(_ names: [String], as name: String?) -> ImageOptions? {
            var options = ImageOptions()
            options.names = names
            options.annotations = [
                ImageAnnotation(.manifest, key: "k", value: "own"), ImageAnnotation(.manifest, key: "l", value: "own"),
            ]
            return Export.image(options).described(by: frontend, name: name).imageOptions
        }
        let options = described(["*"], as: "a,b")
        #expect(options?.names == ["a", "b"])
        #expect(options?.annotations.values(for: .manifest, platform: amd64) == ["k": "frontend", "l": "own"])
        #expect(described(["c"], as: "a")?.names == ["c"])
        #expect(described(["*"], as: nil)?.names == ["*"])
        let files = Export.tar(.file("/x")).described(by: frontend, name: "a")
        #expect(files.imageOptions == nil)
    }

    @Test func `annotations of documents that the result lacks are refused`() throws {
        let index = [ImageAnnotation(.index, key: "k", value: "v")]
        #expect(throws: ExportError.indexAnnotationsOfOne) {
            try index.check(platforms: [amd64], isIndex: false, docker: false)
        }
        #expect(throws: ExportError.dockerAnnotations) {
            try index.check(platforms: [amd64, arm64], isIndex: true, docker: true)
        }
        try index.check(platforms: [amd64, arm64], isIndex: true, docker: false)
        let other = [ImageAnnotation(.manifest, arm64, key: "k", value: "v")]
        #expect(throws: ExportError.annotationPlatformNotBuilt("linux/arm64")) {
            try other.check(platforms: [amd64], isIndex: false, docker: false)
        }
        // Docker's manifests may have them, as BuildKit has it.
        try [ImageAnnotation(.manifest, key: "k", value: "v")].check(platforms: [amd64], isIndex: false, docker: true)
    }
}
