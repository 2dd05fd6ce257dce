import Foundation
import Proofs
import Settings
import Testing

/// A server that speaks as S3 does, on a loopback port, with what it keeps in memory.
private final class BucketServer: Sendable {
    let port: Int
    private let process: RunningProcess
    var address: String { "http://127.0.0.1:\(port)" }

    private init(port: Int, process: RunningProcess) {
        self.port = port
        self.process = process
    }

    deinit { process.end() }

    /// Starts the server with a bucket in it.
    static func start(log: String, bucket: String) async throws -> BucketServer {
        let port = try freePort()
        let process = try RunningProcess("moto_server", ["-H", "127.0.0.1", "-p", "\(port)"], output: log)
        let server = BucketServer(port: port, process: process)
        for _ in 0..<2400 {
            if isListening(port) {
                _ = try await server.request("PUT", "/\(bucket)")
                return server
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw RegistryServer.NotReady()
    }

    /// Sends a request with a signature, which the server does not look at.
    func request(_ method: String, _ path: String) async throws -> ProgramResult {
        let signature =
            "Authorization: AWS4-HMAC-SHA256 Credential=id/20200101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x"
        return try await runProgram("curl", ["-sS", "--fail", "-H", signature, "-X", method, "\(address)\(path)"])
    }

    /// The keys of all objects.
    func keys(in bucket: String) async throws -> [String] {
        let list = try await request("GET", "/\(bucket)?list-type=2").text
        return list.components(separatedBy: "<Key>").dropFirst().map { $0.components(separatedBy: "</Key>")[0] }
    }
}

@Suite(.requires(.root, .program("crun"), .program("moto_server"), .program("curl")))
struct `Remote caches in buckets` {
    private let machines: TwoMachines
    private let server: BucketServer

    init() async throws {
        machines = try await TwoMachines()
        server = try await BucketServer.start(log: "\(machines.scratch.path)/moto.log", bucket: "caches")
    }

    private func options(_ more: String = "") -> String {
        "type=s3,bucket=caches,region=us-east-1,endpoint_url=\(server.address),use_path_style=true,access_key_id=id,secret_access_key=secret"
            + more
    }

    @Test(.proves("s3")) func `spare another machine every step, and are read only as far as that is needed`()
        async throws
    {
        let places = ",prefix=team/,name=main;other,blobs_prefix=b/,manifests_prefix=m/"
        let log = try await machines.here("--cache-to=\(options(places)),mode=max")
        #expect(log.contains(" exporting cache to Amazon S3\n") && log.contains(" writing layer sha256:"))
        let keys = try await server.keys(in: "caches")
        #expect(keys.filter { $0.hasPrefix("team/b/sha256:") }.count == 6)
        #expect(Set(keys.filter { $0.hasPrefix("team/m/") }) == ["team/m/main", "team/m/other"])
        let document = try await server.request("GET", "/caches/team/m/main").output
        let content = try #require(try JSONSerialization.jsonObject(with: Data(document)) as? [String: Any])
        let layer = try #require((content["layers"] as? [[String: Any]])?.first)
        let known = try #require(layer["annotations"] as? [String: Any])
        #expect(Set(known.keys) == ["mediaType", "diffID", "size", "createdAt"])

        let other = ",prefix=team/,name=other,blobs_prefix=b/,manifests_prefix=m/"
        let again = try await machines.there("--cache-from=\(options(other))")
        #expect(machines.ran(again) == [])
        #expect(again.contains(" importing cache manifest from s3:caches/team/other\n"))
        #expect(try machines.id("there") == machines.id("here"))
        // Nobody looks at layers that nothing needs.
        for key in keys where key.hasPrefix("team/b/") { _ = try await server.request("DELETE", "/caches/\(key)") }
        let third = try await machines.third()
        let from = "--cache-from=\(options(other))"
        #expect(machines.ran(try await machines.there(on: third, from, "--output=type=cacheonly")) == [])
        #expect(try await machines.there(on: third, from).contains("is incomplete and is not used any more"))
    }

    @Test(.proves("s3")) func `take large layers in parts, and what they have only once`() async throws {
        try machines.write(last: "head -c 40000000 /dev/urandom > /big")
        let to = "--cache-to=\(options()),compression=zstd"
        let refused = try await machines.build(machines.first, in: "here", [to])
        #expect(refused.errorText.contains("unknown attribute \"compression\" of --cache-to type=s3"))
        try await machines.here("--cache-to=\(options(",upload_parallelism=2"))")
        #expect(machines.ran(try await machines.there("--cache-from=\(options())")) == [])
        #expect(try machines.id("there") == machines.id("here"))
        let log = { try String(contentsOfFile: "\(machines.scratch.path)/moto.log", encoding: .utf8) }
        let puts = { try log().components(separatedBy: "\"PUT /caches/blobs/").count - 1 }
        let before = try puts()
        #expect(try log().contains("partNumber=3"))
        // What is there is written anew only when it is old, and then without sending it.
        try await machines.here("--cache-to=\(options())")
        #expect(try puts() == before)
        try await machines.here("--cache-to=\(options(",touch_refresh=-1s"))")
        #expect(try puts() == before + 4)
    }

    @Test func `that are missing are reported, and the build goes on`() async throws {
        let none = try await machines.there("--cache-from=\(options())")
        #expect(none.contains("ERROR: manifests/buildkit in bucket caches at 127.0.0.1:\(server.port): not found"))
        #expect(machines.ran(none).count == 6)
        let elsewhere = options().replacing("bucket=caches", with: "bucket=elsewhere")
        #expect(try await machines.there("--cache-from=\(elsewhere)").contains("the bucket does not exist"))
        let failed = try await machines.build(machines.first, in: "here", ["--cache-to=\(elsewhere)"])
        #expect(failed.status == 1 && failed.errorText.contains("ERROR: failed to build: failed to solve: "))
        #expect(try await machines.here("--cache-to=\(elsewhere),ignore-error=true").contains("ERROR: "))
        #expect(!failed.errorText.contains("secret_access_key=secret"))
    }
}
