import Attestations
import BuildGraph
import OCI
import Testing
import Text

/// The predicates that tell how a result came to be.
@Suite struct `Provenance predicates` {
    private let digest = Digest.sha256(of: "content")

    private func predicate(
        _ materials: Materials = Materials(),
        _ arguments: [String: String] = [:],
        _ options: String = "",
        frontend: String = "dockerfile.v0"
    ) throws -> JSONValue {
        let parameters = BuildParameters(asking: frontend, arguments)
        let asked = try AttestationOptions(attributes: ["attest:provenance": options])
        var provenance = Provenance(materials, parameters, try #require(asked.provenance))
        provenance.id = "id"
        provenance.started = Timestamp(nanoseconds: 1_000_000_000)
        return provenance.predicate(finished: Timestamp(nanoseconds: 2_500_000_000), layers: [:])
    }

    /// The value at a path of names, and of numbers in lists.
    private func value(_ path: String, of document: JSONValue) -> JSONValue? {
        var value: JSONValue? = document
        for name in path.split(separator: "/") {
            switch value {
            case .object(let members)?: value = members.first { $0.name == name }?.value
            case .array(let values)?: value = Int(name).flatMap { $0 < values.count ? values[$0] : nil }
            default: return nil
            }
        }
        return value
    }

    @Test(arguments: [("dockerfile.v0", true), ("one/frontend:1", false)])
    func `name the frontend that is built in, also when it is asked for as an image`(
        source: String,
        isBuiltIn: Bool
    ) throws {
        let document = try predicate(Materials(), ["source": source, "target": "x"], frontend: "gateway.v0")
        let request = "buildDefinition/externalParameters/request"
        let name = isBuiltIn ? "dockerfile.v0" : "gateway.v0"
        #expect(value("\(request)/frontend", of: document) == .string(name))
        #expect(value("\(request)/args/target", of: document) == .string("x"))
        #expect((value("\(request)/args/source", of: document) == nil) == isBuiltIn)
    }

    @Test func `name images, commits and downloads with their digests`() throws {
        var materials = Materials()
        materials.add(
            Materials.Image(
                try ImageReference(parsing: "busybox:latest"),
                platform: Platform(os: "linux", architecture: "amd64"),
                digest: digest
            )
        )
        materials.addCommit(String(repeating: "a", count: 40), at: "https://host.example/a.git#main")
        materials.addDownload(digest, at: "https://host.example/file")
        let document = try predicate(materials)
        let list = "buildDefinition/resolvedDependencies"
        #expect(
            value("\(list)/0/uri", of: document) == .string("pkg:docker/busybox@latest?platform=linux%2Famd64")
        )
        #expect(value("\(list)/0/digest/sha256", of: document) == .string(digest.hex))
        #expect(value("\(list)/1/digest/sha1", of: document) == .string(String(repeating: "a", count: 40)))
        #expect(value("\(list)/2/uri", of: document) == .string("https://host.example/file"))
        let metadata = "runDetails/metadata"
        #expect(value("\(metadata)/buildkit_completeness/resolvedDependencies", of: document) == .bool(true))
        #expect(value("\(metadata)/buildkit_hermetic", of: document) == .bool(true))
        #expect(value("\(metadata)/startedOn", of: document) == .string("1970-01-01T00:00:01Z"))
        #expect(value("\(metadata)/finishedOn", of: document) == .string("1970-01-01T00:00:02.5Z"))
    }

    @Test func `tell the request without credentials and without what is about the machine`() throws {
        let document = try predicate(
            Materials(),
            [
                "context:foo": "https://foo:bar@host.example/x", "platform": "linux/arm64", "attest:provenance": "",
                "vcs:source": "https://user:pass@host.example/r.git", "vcs:revision": "123", "filename": "D",
                "build-arg:A": "b",
            ]
        )
        let request = "buildDefinition/externalParameters/request"
        let expected = JSONValue.object([
            .init("build-arg:A", .string("b")), .init("context:foo", .string("https://xxxxx:xxxxx@host.example/x")),
        ])
        #expect(value("\(request)/args", of: document) == expected)
        #expect(value("buildDefinition/externalParameters/configSource/path", of: document) == .string("D"))
        let vcs = "runDetails/metadata/buildkit_metadata/vcs"
        #expect(value("\(vcs)/source", of: document) == .string("https://xxxxx:xxxxx@host.example/r.git"))
        #expect(value("\(vcs)/revision", of: document) == .string("123"))
    }

    @Test func `of the least mode have no arguments, labels and secrets, and say so`() throws {
        var materials = Materials()
        materials.addSecret("token", isOptional: false)
        let arguments = ["build-arg:A": "b", "label:c": "d", "target": "t"]
        let request = "buildDefinition/externalParameters/request"
        let complete = "runDetails/metadata/buildkit_completeness/request"
        let least = try predicate(materials, arguments, "mode=min")
        #expect(value("\(request)/args", of: least) == .object([.init("target", .string("t"))]))
        #expect(value("\(request)/secrets", of: least) == nil)
        #expect(value(complete, of: least) == .bool(false))
        let most = try predicate(materials, arguments, "mode=max")
        #expect(value("\(request)/secrets/0/id", of: most) == .string("token"))
        #expect(value(complete, of: most) == .bool(true))
    }

    @Test func `name the commit that a context's address led to`() throws {
        var materials = Materials()
        let commit = String(repeating: "b", count: 64)
        materials.addCommit(commit, at: "https://user:pass@host.example/a.git#v1")
        let document = try predicate(materials, ["context": "https://user:pass@host.example/a.git#v1:src"])
        let source = "buildDefinition/externalParameters/configSource"
        #expect(
            value("\(source)/uri", of: document) == .string("https://xxxxx:xxxxx@host.example/a.git#v1:src")
        )
        #expect(value("\(source)/digest/sha256", of: document) == .string(commit))
    }

    @Test func `of the older version have its names`() throws {
        let document = try predicate(Materials(), ["filename": "D"], "version=v0.2,reproducible=true,builder-id=me")
        #expect(value("buildType", of: document) == .string("https://mobyproject.org/buildkit@v1"))
        #expect(value("builder/id", of: document) == .string("me"))
        #expect(value("invocation/configSource/entryPoint", of: document) == .string("D"))
        #expect(value("metadata/reproducible", of: document) == .bool(true))
        #expect(value("metadata/buildInvocationID", of: document) == .string("id"))
    }

    @Test func `cannot be had complete where a directory of the client was used`() throws {
        var materials = Materials()
        materials.addDirectory("context")
        var options = ProvenanceOptions()
        options.requiresMaterials = true
        let provenance = Provenance(materials, BuildParameters(), options)
        #expect(throws: AttestationError.incompleteMaterials(directories: ["context"])) { try provenance.check() }
    }
}
