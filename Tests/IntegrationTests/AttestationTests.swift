import Foundation
import Proofs
import SystemPackage
import Testing

/// What is said of a built image, as other programs find it.
@Suite(.requires(.root, .program("crun"), .program("docker-registry"), .program("skopeo")))
struct `Attestations of a build` {
    private let scratch: TemporaryDirectory

    init() throws {
        scratch = try TemporaryDirectory()
        let text = "FROM busybox\nARG SETTING\nRUN echo made > /made && : \(UUID())\nCOPY a.txt /\n"
        try scratch.write(text, to: "context/Dockerfile")
        try scratch.write("A\n", to: "context/a.txt")
    }

    private func build(_ arguments: String...) async throws {
        let slipway = try await Slipway.shared()
        let result = try await slipway.run(
            ["build", "--progress", "plain"] + arguments + ["context"],
            in: scratch.url
        )
        try #require(result.status == 0, "\(arguments): \(result.errorText)")
    }

    private func json(_ text: some Sequence<UInt8>) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(text)) as? [String: Any])
    }

    private func raw(_ name: String) async throws -> [String: Any] {
        let raw = try await runProgram("skopeo", ["inspect", "--raw", "--tls-verify=false", name], in: scratch.url)
        try #require(raw.status == 0, "\(raw.errorText)")
        return try json(raw.output)
    }

    /// A document or statement of an archive of a layout.
    private func blob(_ digest: Any?, of archive: String) async throws -> [String: Any] {
        let hex = try #require(digest as? String).dropFirst("sha256:".count)
        let read = try await runProgram("tar", ["-xOf", archive, "blobs/sha256/\(hex)"], in: scratch.url)
        return try json(read.output)
    }

    private func value(_ path: String, of document: [String: Any]) -> Any? {
        path.split(separator: "/").reduce(document as Any?) { ($0 as? [String: Any])?[String($1)] }
    }

    @Test(.proves("provenance", "storage in the index"))
    func `stand beside the image in its index, with what it was built from`() async throws {
        try await build(
            "--provenance=mode=max,builder-id=https://builder.example",
            "--build-arg",
            "SETTING=given",
            "-o",
            "type=oci,dest=x.tar,name=example.com/app:1"
        )
        let index = try await raw("oci-archive:x.tar")
        let manifests = try #require(index["manifests"] as? [[String: Any]])
        try #require(manifests.count == 2)
        let annotations = try #require(manifests[1]["annotations"] as? [String: String])
        #expect(annotations["vnd.docker.reference.type"] == "attestation-manifest")
        #expect(annotations["vnd.docker.reference.digest"] == manifests[0]["digest"] as? String)
        #expect(value("platform/os", of: manifests[1]) as? String == "unknown")
        let manifest = try await blob(manifests[1]["digest"], of: "x.tar")
        #expect(value("subject/digest", of: manifest) as? String == manifests[0]["digest"] as? String)
        let layer = try #require((manifest["layers"] as? [[String: Any]])?.first)
        let type = (layer["annotations"] as? [String: String])?["in-toto.io/predicate-type"]
        #expect(type == "https://slsa.dev/provenance/v1")
        let statement = try await blob(layer["digest"], of: "x.tar")
        #expect(statement["_type"] as? String == "https://in-toto.io/Statement/v1")
        #expect(statement["predicateType"] as? String == "https://slsa.dev/provenance/v1")
        let subject = try #require((statement["subject"] as? [[String: Any]])?.first)
        #expect((subject["name"] as? String)?.hasPrefix("pkg:docker/example.com/app@1?platform=linux%2F") == true)
        let predicate = try #require(statement["predicate"] as? [String: Any])
        let request = "buildDefinition/externalParameters/request"
        let arguments = try #require(value("\(request)/args", of: predicate) as? [String: String])
        #expect(arguments == ["build-arg:SETTING": "given"])
        let materials = value("buildDefinition/resolvedDependencies", of: predicate) as? [[String: Any]]
        #expect((materials?.first?["uri"] as? String)?.hasPrefix("pkg:docker/busybox@latest") == true)
        #expect(value("runDetails/builder/id", of: predicate) as? String == "https://builder.example")
        let layers = value("runDetails/metadata/buildkit_metadata/layers", of: predicate) as? [String: Any]
        #expect(layers?.isEmpty == false)
        let files = value("runDetails/metadata/buildkit_metadata/source/infos", of: predicate) as? [[String: Any]]
        let steps = try #require(files?.first?["llbDefinition"] as? [[String: Any]])
        #expect(value("op/Op/source/identifier", of: steps.first ?? [:]) as? String == "local://dockerfile")
    }

    @Test(.proves("--provenance, --sbom")) func `are not made unless they are asked for`() async throws {
        try await build("-o", "type=oci,dest=plain.tar")
        #expect(try await raw("oci-archive:plain.tar")["layers"] != nil)
        try await build("--provenance=false", "-o", "type=oci,dest=none.tar")
        var digests: Set<String> = []
        for name in ["plain.tar", "none.tar"] {
            let line = ["inspect", "--format", "{{.Digest}}", "oci-archive:\(name)"]
            digests.insert(try await runProgram("skopeo", line, in: scratch.url).text)
        }
        #expect(digests.count == 1)
    }

    @Test func `are files beside the exported ones, about each by its digest`() async throws {
        try await build("--provenance=mode=min", "-o", "type=local,dest=out,attestation-prefix=x-")
        let file = scratch.url.appending(path: "out/x-provenance.json")
        let statement = try json(try Data(contentsOf: file))
        let subjects = try #require(statement["subject"] as? [[String: Any]])
        let made = try #require(subjects.first { $0["name"] as? String == "made" })
        let sum = try await runProgram("sha256sum", ["out/made"], in: scratch.url).text.prefix(64)
        #expect(value("digest/sha256", of: made) as? String == String(sum))
        try await build("--provenance=mode=min", "-o", "type=tar,dest=out.tar")
        let names = try await runProgram("tar", ["-tf", "out.tar"], in: scratch.url).text.split(separator: "\n")
        #expect(names.contains("provenance.json"))
    }

    @Test(.proves("buildx.build.provenance")) func `tell the metadata file what was built from, however it is`()
        async throws
    {
        try await build("--build-arg", "SETTING=x", "--metadata-file", "meta", "-o", "type=oci,dest=x.tar")
        let metadata = try json(try Data(contentsOf: scratch.url.appending(path: "meta")))
        let predicate = try #require(metadata["buildx.build.provenance"] as? [String: Any])
        #expect(predicate["buildType"] as? String == "https://mobyproject.org/buildkit@v1")
        #expect(value("invocation/parameters/args/build-arg:SETTING", of: predicate) as? String == "x")
        #expect(predicate["metadata"] == nil)
        #expect(try await raw("oci-archive:x.tar")["layers"] != nil)
    }

    @Test func `that are for images alone are not made for files`() async throws {
        try await build("--provenance=mode=min,inline-only=true", "-o", "type=local,dest=out")
        #expect(!FileManager.default.fileExists(atPath: scratch.url.appending(path: "out/provenance.json").path))
    }

    @Test(.proves("sbom", "BUILDKIT_SBOM_SCAN_CONTEXT, BUILDKIT_SBOM_SCAN_STAGE"))
    func `list what a scanner finds in the result, in other stages and in the context`() async throws {
        let script = """
            for place in $BUILDKIT_SCAN_SOURCE $BUILDKIT_SCAN_SOURCE_EXTRAS/*; do
              [ -e "$place" ] || continue
              files=$(cd "$place" && ls | tr '\\n' ' ')
              printf '{"_type":"https://in-toto.io/Statement/v1","predicateType":"https://spdx.dev/Document",' \
                > "$BUILDKIT_SCAN_DESTINATION/$(basename "$place").spdx.json"
              printf '"predicate":{"name":"%s","files":"%s"}}' "$BUILDKIT_SCAN_WORD" "$files" \
                >> "$BUILDKIT_SCAN_DESTINATION/$(basename "$place").spdx.json"
            done
            """
        try scratch.write(script, to: "scanner/scan.sh")
        try scratch.write("FROM busybox\nCOPY scan.sh /\nCMD [\"sh\", \"/scan.sh\"]\n", to: "scanner/Dockerfile")
        let scanner = "scanner:\(UUID().uuidString.lowercased().prefix(8))"
        let slipway = try await Slipway.shared()
        let made = try await slipway.run(["build", "--progress", "plain", "-t", scanner, "scanner"], in: scratch.url)
        try #require(made.status == 0, "\(made.errorText)")
        let text = """
            ARG BUILDKIT_SBOM_SCAN_CONTEXT=true
            FROM busybox AS tools
            ARG BUILDKIT_SBOM_SCAN_STAGE=true
            RUN mkdir /only && touch /only/tool
            FROM scratch
            COPY --from=tools /only/tool /result

            """
        try scratch.write(text, to: "context/Dockerfile")
        try await build("--sbom", "generator=\(scanner),WORD=found", "-o", "type=local,dest=out")
        func files(_ name: String) throws -> String {
            let file = scratch.url.appending(path: "out/\(name).spdx.json")
            let predicate = try json(try Data(contentsOf: file))["predicate"] as? [String: String]
            #expect(predicate?["name"] == "found")
            return predicate?["files"] ?? ""
        }
        #expect(try files("sbom") == "result ")
        #expect(try files("sbom-tools").split(separator: " ").contains("only"))
        #expect(try files("sbom-context").split(separator: " ").contains("a.txt"))
        _ = try await slipway.run(["rmi", scanner])
    }

    @Test(.proves("--attest")) func `are kept in the store and pushed with the image`() async throws {
        let registry = try await RegistryServer.start(in: FilePath(scratch.url.path))
        defer { registry.stop() }
        let repository = "\(registry.host)/attested"
        let name = "\(repository):\(UUID().uuidString.lowercased().prefix(8))"
        try await build("--attest", "type=provenance,mode=min", "-t", name)
        let slipway = try await Slipway.shared()
        let run = try await slipway.run(["run", "--rm", "--network", "none", name, "cat", "/made"])
        #expect(run.text == "made\n")
        let listed = try await slipway.run(["images", name])
        #expect(listed.text.split(separator: "\n").count == 2)
        let pushed = try await slipway.run(["push", name])
        try #require(pushed.status == 0, "\(pushed.errorText)")
        let manifests = try #require(try await raw("docker://\(name)")["manifests"] as? [[String: Any]])
        #expect(manifests.count == 2)
        let said = try #require(manifests.last?["digest"] as? String)
        #expect(try await raw("docker://\(repository)@\(said)")["layers"] != nil)
        _ = try await slipway.run(["rmi", name])
    }
}
