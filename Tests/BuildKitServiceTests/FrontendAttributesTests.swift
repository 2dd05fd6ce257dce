import BuildEngine
import DockerfileFrontend
import LLB
import OCI
import SystemPackage
import Testing
import Text

@testable import BuildKitService

/// What a request of BuildKit's clients to the Dockerfile frontend means.
@Suite struct `Attributes of the frontend` {
    private func request(_ attributes: [String: String], inputs: [String: Definition] = [:]) throws -> BuildRequest {
        try FrontendAttributes(attributes).request(like: BuildRequest(.offered("context")), inputs: inputs)
    }

    @Test func `name a Dockerfile, a target, arguments, labels and platforms`() throws {
        let request = try request([
            "filename": "sub/D", "target": "t", "build-arg:B": "2", "build-arg:A": "1", "label:l": "v",
            "platform": "linux/arm64/v8,linux/amd64",
        ])
        guard case .offered(let directory, let path) = request.dockerfile else {
            Issue.record("the Dockerfile is not the client's: \(request.dockerfile)")
            return
        }
        #expect(directory == "dockerfile" && path == FilePath("sub/D"))
        #expect(request.target == "t")
        #expect(request.buildArguments.map(\.name) == ["A", "B"] && request.buildArguments.map(\.value) == ["1", "2"])
        #expect(request.labels.map(\.name) == ["l"])
        #expect(request.platforms.map(\.description) == ["linux/arm64", "linux/amd64"])
    }

    @Test func `find a Dockerfile in a context that is an address, unless its directory is named`() throws {
        let remote = "https://example.com/r.git"
        guard case .address(let address) = try request(["context": remote]).context,
            case .inContext(let path) = try request(["context": remote, "filename": "D"]).dockerfile,
            case .offered(let directory, _) = try request(["context": remote, "dockerfilekey": "other"]).dockerfile
        else {
            Issue.record("the context or the Dockerfile is looked for elsewhere")
            return
        }
        #expect(address == Array(remote.utf8) && path == FilePath("D") && directory == "other")
    }

    @Test func `say which steps run again`() throws {
        #expect(try request(["no-cache": ""]).ignoresCache)
        let some = try request(["no-cache": "a,b"])
        #expect(!some.ignoresCache && some.uncachedStages == ["a", "b"])
    }

    @Test func `take graphs for contexts`() throws {
        let empty = Definition(target: nil)
        let request = try request(["context:x": "input:y"], inputs: ["context": empty, "y": empty])
        guard case .graph = request.context else {
            Issue.record("the context is not the graph")
            return
        }
        #expect(request.inputs.keys.sorted { $0.lexicographicallyPrecedes($1) } == ["context", "y"])
        #expect(request.namedContexts.map(\.value) == ["input:y"])
    }

    @Test func `name caches in both of their forms`() throws {
        let attributes = FrontendAttributes([
            "cache-imports": #"[{"Type":"registry","Attrs":{"ref":"r/a"}},{"Type":"s3"}]"#, "cache-from": "r/b,r/c",
        ])
        let caches = try attributes.caches()
        #expect(caches.map(\.type) == ["registry", "s3", "registry", "registry"])
        #expect(caches.map { $0.attributes["ref"] } == ["r/a", nil, "r/b", "r/c"])
    }

    @Test(arguments: [
        ("platform", "a/b/c/d"), ("image-resolve-mode", "sometimes"), ("force-network-mode", "bridge"),
        ("multi-platform", "maybe"), ("add-hosts", "name"), ("ulimit", "nofile"), ("shm-size", "1g"),
        ("memory", "0"), ("cpuquota", "-1"), ("memswap", "-2"),
    ])
    func `are refused by name where they cannot be understood`(attribute: (name: String, value: String)) throws {
        let error = #expect(throws: ServiceError.self) { try request([attribute.name: attribute.value]) }
        #expect("\(try #require(error))".contains("invalid \(attribute.name) value: \(attribute.value)"))
    }

    @Test func `ask questions, and an unknown one is refused`() throws {
        #expect(try FrontendAttributes(["requestid": "frontend.outline"]).call() == .outline)
        #expect(try FrontendAttributes([:]).call() == nil)
        #expect(throws: ServiceError.unsupportedQuestion("frontend.poem")) {
            try FrontendAttributes(["requestid": "frontend.poem"]).call()
        }
    }

    @Test(arguments: [
        ("", false, true), ("moby.buildkit.frontend.contexts", true, true),
        ("moby.buildkit.frontend.contexts+x,moby.buildkit.frontend.poems", false, false),
        ("moby.buildkit.frontend.poems+forward", false, true), ("moby.buildkit.frontend.poems+forward", true, false),
    ])
    func `a request that takes more than this frontend can is refused, at the latest when no other was named`(
        list: String,
        forwarded: Bool,
        isTaken: Bool
    ) {
        let attributes = FrontendAttributes(["frontend.caps": list])
        #expect(isTaken == ((try? attributes.checkCapabilities(forwarded: forwarded)) != nil))
    }
}
