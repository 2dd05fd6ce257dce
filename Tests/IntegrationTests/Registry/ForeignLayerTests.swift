import Foundation
import SystemPackage
import Testing

/// Layers that images have at an address rather than in their repository.
@Suite(.requires(.root, .program("docker-registry"), .program("skopeo"), .program("python3")))
struct `Foreign layers` {
    private let scratch: TemporaryDirectory
    private let slipway: Slipway
    private let store: TemporaryDirectory
    private let web: WebServer
    private let registry: RegistryServer

    init() async throws {
        scratch = try TemporaryDirectory()
        (slipway, store) = try Slipway.isolated()
        web = try await WebServer.start()
        registry = try await RegistryServer.start(in: FilePath(scratch.path))
    }

    /// Puts an image of two layers into the registry, the first of which only the web server has.
    private func makeImage(_ name: String) async throws {
        let root = FilePath(scratch.path)
        let contents = [["foreign": Array("far\n".utf8)], ["own": Array("near\n".utf8)]]
        let image = try await ForeignImage.make(in: root, contents)
        let whole = "\(registry.host)/whole:1"
        try await image.push(to: whole)
        try FileManager.default.copyItem(atPath: image.layers[0], toPath: web.directory.appending(path: "layer").path)
        let script = """
            import hashlib, json, sys, urllib.request as u
            host, repository, address, own = sys.argv[1:]
            def ask(method, path, data=None, **headers):
                headers = {k.replace("_", "-"): v for k, v in headers.items()}
                url = path if path.startswith("http") else f"http://{host}/v2/{path}"
                return u.urlopen(u.Request(url, data, headers, method=method))
            accepted = "application/vnd.oci.image.manifest.v1+json"
            manifest = json.load(ask("GET", "whole/manifests/1", Accept=accepted))
            for blob in [manifest["config"], manifest["layers"][1]]:
                ask("POST", f"{repository}/blobs/uploads/?mount={blob['digest']}&from=whole", b"")
            foreign = manifest["layers"][0]
            foreign["mediaType"] = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
            foreign["urls"] = [address]
            ask("PUT", f"{repository}/manifests/1", json.dumps(manifest).encode(), Content_Type=accepted)
            """
        let made = try await runProgram("python3", ["-c", script, registry.host, name, "\(web.address)/layer", "1"])
        try #require(made.status == 0, "\(made.errorText)")
    }

    private struct Layer: Decodable {
        let mediaType: String
        let digest: String
        let urls: [String]?
    }

    private func layers(of name: String) async throws -> [Layer] {
        struct Manifest: Decodable { let layers: [Layer] }
        let raw = try await skopeo(["inspect", "--raw", "--tls-verify=false", "docker://\(name)"])
        return try JSONDecoder().decode(Manifest.self, from: Data(raw.utf8)).layers
    }

    /// Whether a repository of the registry has a blob.
    private func has(_ digest: String, _ repository: String) async throws -> Bool {
        let script = "import sys, urllib.request as u; u.urlopen(u.Request(sys.argv[1], method='HEAD'))"
        let url = "http://\(registry.host)/v2/\(repository)/blobs/\(digest)"
        return try await runProgram("python3", ["-c", script, url]).status == 0
    }

    @Test func `come from where the image says, and go to no registry`() async throws {
        try await makeImage("base")
        let name = "\(registry.host)/base:1"
        try await slipway.succeed("pull", name)
        #expect(try web.requests().map(\.path) == ["/layer"])
        let archive = scratch.url.appending(path: "image.tar").path
        try await slipway.succeed("save", "-o", archive, name)

        let copy = "\(registry.host)/copy:1"
        try await slipway.succeed("tag", name, copy)
        let told = try await slipway.succeed("push", copy)
        #expect(told.contains("Skipped foreign layer"))
        let pushed = try await layers(of: copy)
        #expect(pushed.map { $0.urls ?? [] } == [["\(web.address)/layer"], []])
        #expect(try await !has(pushed[0].digest, "copy"))
        #expect(try await has(pushed[1].digest, "copy"))
    }

    @Test(arguments: [true, false])
    func `are exported as what they are only where that is asked for`(prefers: Bool) async throws {
        try await makeImage("base")
        try scratch.write("FROM \(registry.host)/base:1\nLABEL a=b\n", to: "context/Dockerfile")
        let name = "\(registry.host)/built:1"
        try await slipway.succeed(
            "build",
            "--provenance=false",
            "-o",
            "type=image,name=\(name),push=true,oci-mediatypes=false,prefer-nondist-layers=\(prefers)",
            ".",
            in: scratch.url.appending(path: "context")
        )
        let built = try await layers(of: name)
        let kind = prefers ? "foreign.diff" : "diff"
        #expect(built[0].mediaType == "application/vnd.docker.image.rootfs.\(kind).tar.gzip")
        #expect(built[1].mediaType == "application/vnd.docker.image.rootfs.diff.tar.gzip")
        #expect(built.map { $0.urls ?? [] } == [prefers ? ["\(web.address)/layer"] : [], []])
        #expect(try await has(built[0].digest, "built") == !prefers)
    }

    @Test func `that are not what the manifest says are refused`() async throws {
        try await makeImage("base")
        try web.put("something else", at: "layer")
        let result = try await slipway("pull", "\(registry.host)/base:1")
        #expect(result.status == 1)
        #expect(try await slipway.succeed("images", "-q") == "")
    }
}
