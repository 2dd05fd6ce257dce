import Fakes
import NIOHTTP1
import OCI
import Registry
import Synchronization
import Testing

/// A registry's side of uploads, with faults that a test chooses.
final class UploadServer: Sendable {
    struct State {
        var uploads: [String: [UInt8]] = [:]
        var blobs: [String: [UInt8]] = [:]
        var mountable: Set<String> = []
        var patches = 0
        var started = 0
    }

    let state = Mutex(State())
    /// Decides, by the number of PATCH requests so far, how many bytes of this one are kept before the connection breaks; nil is all.
    let keeps: @Sendable (Int) -> Int?
    let forgets: Bool

    init(forgets: Bool = false, keeps: @escaping @Sendable (Int) -> Int? = { _ in nil }) {
        self.keeps = keeps
        self.forgets = forgets
    }

    func answer(_ request: SeenRequest) -> ServerAnswer {
        state.withLock { state in
            let query = request.target.drop { $0 != "?" }.dropFirst().replacing("%3A", with: ":")
            let digest = query.split(separator: "&").first { $0.hasPrefix("digest=") || $0.hasPrefix("mount=") }
                .map { String($0.drop { $0 != "=" }.dropFirst()) }
            let id = String(request.path.split(separator: "/").last ?? "")
            switch request.method {
            case "HEAD": return .text(state.blobs[id] == nil ? 404 : 200)
            case "POST":
                if let digest, state.mountable.contains(digest) { return .text(201) }
                state.started += 1
                state.uploads["u\(state.started)"] = []
                return .text(202, "", [("Location", "/v2/x/blobs/uploads/u\(state.started)?_state=s")])
            case "PATCH":
                state.patches += 1
                guard var upload = state.uploads[id] else { return .error(404, "BLOB_UPLOAD_UNKNOWN", "gone") }
                if let range = request.header("Content-Range"), range.hasPrefix("\(upload.count)-") == false {
                    return .text(416)
                }
                let kept = keeps(state.patches)
                upload += request.body.prefix(kept ?? request.body.count)
                state.uploads[id] = kept != nil && forgets ? nil : upload
                if kept != nil { return .text(500) }
                return .text(
                    202,
                    "",
                    [("Location", request.path + "?_state=t"), ("Range", "0-\(max(upload.count - 1, 0))")]
                )
            case "GET":
                guard let upload = state.uploads[id] else { return .error(404, "BLOB_UPLOAD_UNKNOWN", "gone") }
                return .text(
                    204,
                    "",
                    [("Location", request.path + "?_state=r"), ("Range", "0-\(max(upload.count - 1, 0))")]
                )
            case "PUT":
                guard let upload = state.uploads[id], let digest else {
                    return .error(404, "BLOB_UPLOAD_UNKNOWN", "gone")
                }
                let bytes = upload + request.body
                guard Digest.sha256(of: bytes).description == digest else {
                    return .error(400, "DIGEST_INVALID", "wrong")
                }
                state.blobs[digest] = bytes
                return .text(201, "", [("Docker-Content-Digest", digest)])
            default: return .text(405)
            }
        }
    }
}

@Suite struct `Uploads` {
    private func start(_ uploads: UploadServer) async throws -> FaultServer {
        try await FaultServer.start { uploads.answer($0) }
    }

    private func repository(_ server: FaultServer, _ name: String = "x") throws -> Repository {
        Repository(try reference("\(server.host)/\(name)"))
    }

    @Test func `a small blob goes up in one request and is not sent twice`() async throws {
        let uploads = UploadServer()
        let server = try await start(uploads)
        let client = makeClient(server.host)
        let bytes = data(5000)
        #expect(try await client.upload(BlobSource(bytes), to: repository(server)) == .uploaded)
        #expect(uploads.state.withLock { $0.blobs[Digest.sha256(of: bytes).description] } == bytes)
        #expect(uploads.state.withLock { $0.patches } == 0)
        #expect(try await client.upload(BlobSource(bytes), to: repository(server)) == .existed)
    }

    @Test func `an empty blob can be pushed`() async throws {
        let uploads = UploadServer()
        let server = try await start(uploads)
        #expect(try await makeClient(server.host).upload(BlobSource([]), to: repository(server)) == .uploaded)
    }

    @Test func `a large blob is streamed, with its progress told`() async throws {
        let uploads = UploadServer()
        let server = try await start(uploads)
        let bytes = data(3 << 20)
        let told = Mutex<[Int64]>([])
        let outcome = try await makeClient(server.host).upload(BlobSource(bytes), to: repository(server)) { count in
            told.withLock { $0.append(count) }
        }
        #expect(outcome == .uploaded)
        #expect(uploads.state.withLock { $0.blobs.values.first } == bytes)
        #expect(told.withLock { $0.last } == 3 << 20)
        #expect(told.withLock { $0 } == told.withLock { $0.sorted() })
    }

    @Test func `an upload that breaks off goes on where the registry stopped`() async throws {
        let uploads = UploadServer { $0 <= 2 ? 1_100_000 : nil }
        let server = try await start(uploads)
        let bytes = data(4 << 20)
        #expect(try await makeClient(server.host).upload(BlobSource(bytes), to: repository(server)) == .uploaded)
        #expect(uploads.state.withLock { $0.blobs.values.first } == bytes)
        #expect(uploads.state.withLock { $0.started } == 1)
        let ranges = server.requests.filter { $0.method == "PATCH" }.map { $0.header("Content-Range") }
        #expect(ranges == [nil, "1100000-4194303", "2200000-4194303"])
    }

    @Test func `an upload that the registry forgot begins anew`() async throws {
        let uploads = UploadServer(forgets: true) { $0 == 1 ? 1_000_000 : nil }
        let server = try await start(uploads)
        let bytes = data(2 << 20)
        #expect(try await makeClient(server.host).upload(BlobSource(bytes), to: repository(server)) == .uploaded)
        // A request on the connection that is just being closed is made once more: then there are three.
        #expect((2...3).contains(uploads.state.withLock { $0.started }))
        #expect(uploads.state.withLock { $0.blobs.values.first } == bytes)
    }

    @Test func `a blob of a sister repository is linked instead of sent`() async throws {
        let uploads = UploadServer()
        let server = try await start(uploads)
        let bytes = data(2 << 20)
        let digest = Digest.sha256(of: bytes).description
        uploads.state.withLock { $0.mountable = [digest] }
        let elsewhere = Repository(try reference("other.example.com/y"))
        let sister = try repository(server, "sister")
        let outcome = try await makeClient(server.host).upload(
            BlobSource(bytes),
            to: repository(server),
            mountingFrom: [elsewhere, sister]
        )
        #expect(outcome == .mounted(from: sister))
        #expect(server.requests.last?.target.contains("from=sister") == true)
    }

    @Test func `where the registry does not link, the upload that it opened is used`() async throws {
        let uploads = UploadServer()
        let server = try await start(uploads)
        let bytes = data(100)
        let outcome = try await makeClient(server.host).upload(
            BlobSource(bytes),
            to: repository(server),
            mountingFrom: [repository(server, "sister")]
        )
        #expect(outcome == .uploaded)
        #expect(uploads.state.withLock { $0.started } == 1)
    }

    @Test func `a registry that stores another manifest than was sent is not believed`() async throws {
        let server = try await FaultServer.start { _ in
            .text(201, "", [("Docker-Content-Digest", Digest.sha256(of: [1]).description)])
        }
        let error = await #expect(throws: RegistryError.self) {
            try await makeClient(server.host).push(
                manifest: emptyManifest,
                mediaType: .ociManifest,
                to: reference("\(server.host)/x:1")
            )
        }
        guard case .digestMismatch? = error else {
            Issue.record("\(error.map { "\($0)" } ?? "")")
            return
        }
    }

    @Test func `a manifest is put under its tag, or under its digest without one`() async throws {
        let server = try await FaultServer.start { _ in .text(201) }
        let client = makeClient(server.host)
        let digest = try await client.push(
            manifest: emptyManifest,
            mediaType: .ociManifest,
            to: reference("\(server.host)/x:1")
        )
        _ = try await client.push(
            manifest: emptyManifest,
            mediaType: .ociManifest,
            to: reference("\(server.host)/x@\(digest)")
        )
        #expect(server.requests.map(\.path) == ["/v2/x/manifests/1", "/v2/x/manifests/\(digest)"])
        #expect(server.requests.allSatisfy { $0.header("Content-Type") == MediaType.ociManifest.rawValue })
    }

    @Test func `a push that is not allowed says so as docker does`() async throws {
        let server = try await FaultServer.start { _ in
            .error(403, "DENIED", "requested access to the resource is denied")
        }
        let error = await #expect(throws: RegistryError.self) {
            try await makeClient(server.host).upload(BlobSource([1]), to: repository(server))
        }
        #expect(
            error.map { "\($0)" }
                == "push access denied for \(server.host)/x, repository does not exist or may require 'slipway login'"
        )
    }
}
