import BuildKitProto
import ClientServices
import Fakes
import GRPCCore
import LinuxSystem
import NIOCore
import OCI
import RPC
import RPCFakes
import SystemPackage
import Testing

@testable import BuildKitService

@Suite struct `A content store of a client` {
    private struct Unreadable: Error {}

    /// Lends a store of a session whose client offers some methods.
    private func withStore(
        _ name: String,
        of server: ContentServer,
        offering methods: [String] = ContentServer.methods,
        _ body: (SessionServices) async throws -> Void
    ) async throws {
        let registry = SessionRegistry()
        try await withTemporaryDirectory { directory in
            let socket = RPCListener.unix(directory.appending("s"), group: nil, mode: 0o600)
            try await withServer([SessionService(sessions: registry)], at: [socket]) { addresses in
                let prefix = "x-docker-expose-session-"
                try await withConnection(to: addresses[0]) { connection in
                    try await answering(
                        [server],
                        over: connection,
                        ("moby.buildkit.v1.Control", "Session"),
                        metadata: [(prefix + "uuid", "abc")] + methods.map { (prefix + "grpc-method", $0) }
                    ) { _ in
                        let session = try await registry.session("abc")
                        try await body(SessionServices(session: session, sessions: registry))
                    }
                }
            }
        }
    }

    private let large = (0..<(9 << 20)).map { UInt8(truncatingIfNeeded: $0 / 7) }

    @Test func `gives a blob in pieces, from any offset`() async throws {
        let server = ContentServer()
        let digest = Digest.sha256(of: large)
        server.set(large, as: digest, in: "oci:a")
        try await withStore("oci:a", of: server) { client in
            let store = try await client.content("oci:a", session: nil)
            #expect(try await store.size(of: digest) == Int64(large.count))
            for offset in [0, large.count - 3, large.count] {
                var read: [UInt8] = []
                try await store.read(digest, from: Int64(offset)) { read += $0 }
                #expect(read.elementsEqual(large[offset...]))
            }
        }
    }

    @Test func `has no blobs of another store of the same client`() async throws {
        let server = ContentServer()
        let digest = Digest.sha256(of: [1])
        server.set([1], as: digest, in: "oci:a")
        try await withStore("oci:b", of: server) { client in
            let store = try await client.content("oci:b", session: nil)
            #expect(try await store.size(of: digest) == nil)
            await #expect(throws: ClientServiceError.blobMissing(digest, store: "oci:b")) {
                try await store.document(digest, limit: 10)
            }
        }
    }

    @Test func `takes a blob once, and is asked to forget one that was not finished`() async throws {
        let server = ContentServer()
        let digest = Digest.sha256(of: large)
        try await withStore("export", of: server) { client in
            let store = try await client.content("export", session: nil)
            await #expect(throws: Unreadable.self) {
                try await store.write(digest, size: Int64(large.count)) { send in
                    try await send([1, 2, 3])
                    throw Unreadable()
                }
            }
            #expect(server.aborted.count == 1 && server.blobs(of: "export").isEmpty)
            try await store.write(digest, size: Int64(large.count)) { [large] in try await $0(large) }
            #expect(server.blobs(of: "export")[digest] == large)
            try await store.write(digest, size: Int64(large.count)) { _ in throw Unreadable() }
        }
    }

    @Test func `is not believed: a document is compared with its digest and its limit`() async throws {
        let server = ContentServer()
        let digest = Digest.sha256(of: [1])
        server.set([2], as: digest, in: "oci:a")
        let long = Digest.sha256(of: [1, 2])
        server.set([1, 2], as: long, in: "oci:a")
        try await withStore("oci:a", of: server) { client in
            let store = try await client.content("oci:a", session: nil)
            for (digest, size, limit) in [(digest, nil, 10), (long, nil, 1), (long, Int64(3), 10)] {
                await #expect(throws: ClientServiceError.self) {
                    try await store.document(digest, size: size, limit: limit)
                }
            }
            #expect(try await store.document(long, size: 2, limit: 2) == [1, 2])
        }
    }

    @Test func `is refused by name where the client offers none`() async throws {
        try await withStore("oci:a", of: ContentServer(), offering: []) { client in
            await #expect(throws: ClientServiceError.noContent(store: "oci:a")) {
                _ = try await client.content("oci:a", session: nil)
            }
        }
    }
}
