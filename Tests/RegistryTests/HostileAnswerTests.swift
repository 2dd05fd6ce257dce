import Fakes
import HTTP
import OCI
import Proofs
import Registry
import Settings
import Testing
import Text

/// Registries that answer as no registry should: each request ends in the right bytes or in an error that says where it happened.
@Suite(.timeLimit(.minutes(2))) struct `A hostile registry` {
    /// A client that asks once and does not wait long.
    private func client(_ host: String, idle: Duration = .milliseconds(500)) -> RegistryClient {
        makeClient(
            host,
            credentials: [host: .password(user: "usr", password: Secret("pw"))],
            idle: idle,
            attempts: 1
        )
    }

    @Test(.proves("A14: a server that answers with"), arguments: hostileViolations.indices)
    func `is told what is wrong with its answer`(index: Int) async throws {
        let (answer, reason) = hostileViolations[index]
        let server = try await RawServer.start { _ in (Array(answer.utf8), staysOpen: true) }
        let client = client(server.host, idle: .seconds(60))
        let name = try reference("\(server.host)/x:1")
        let blob = BlobSource(data(100))
        let attempts: [() async throws -> Void] = [
            { _ = try await client.manifest(name) }, { _ = try await client.upload(blob, to: Repository(name)) },
            { _ = try await client.push(manifest: emptyManifest, mediaType: .ociManifest, to: name) },
        ]
        for attempt in attempts {
            let error = await #expect(throws: (any Error).self) { try await attempt() }
            let text = error.map { "\($0)" } ?? ""
            #expect(text.contains(server.host) && text.contains(reason), "\(text)")
        }
    }

    @Test(.proves("A14: a server that answers with")) func `that goes on with interim answers for ever is given up`()
        async throws
    {
        // Each comes within the time limit, which counts for the answer.
        let server = try await RawServer.start(repeatingEvery: .milliseconds(100)) { _ in
            ("HTTP/1.1 103 Early\r\n\r\n", staysOpen: true)
        }
        let error = await #expect(throws: RegistryError.self) {
            try await client(server.host).manifest(reference("\(server.host)/x:1"))
        }
        #expect(
            error
                == .connectionFailed(
                    url: "http://\(server.host)/v2/x/manifests/1",
                    host: server.host,
                    failure: .stalled
                )
        )
    }

    @Test(.proves("A14: 5,000 broken answers (status")) func `never makes the client trap or hang, whatever it sends`()
        async throws
    {
        let blob = data(3000)
        let server = try await RawServer.start { head in
            let answer = HostileAnswer(to: head) { $0.contains("manifests") ? emptyManifest : blob }
            return (answer.bytes, answer.staysOpen)
        }
        let client = client(server.host)
        let (successes, failures) = await outcomes(4000) { try await Self.ask($0, of: server.host, client, blob) }
        // Both kinds of ending were met.
        #expect(successes > 100 && failures.count > 1000, "\(successes) and \(failures.count)")
        #expect(failures.filter { !$0.value.contains(server.host) } == [:])
        try await server.stop()
    }

    /// One of the things that are asked of servers; what comes by digest must be right.
    private static func ask(
        _ number: Int,
        of host: String,
        _ client: RegistryClient,
        _ blob: [UInt8]
    ) async throws {
        // The server takes the largest number in the path for the seed.
        let name = try reference("\(host)/x\(1_000_000 + number)")
        let repository = Repository(name)
        switch number % 5 {
        case 0:
            let digest = Digest.sha256(of: emptyManifest)
            let manifest = try await client.manifest(try reference("\(host)/x\(1_000_000 + number)@\(digest)"))
            #expect(manifest.bytes == emptyManifest)
        case 1: #expect(try await client.smallBlob(descriptor(of: blob), from: repository) == blob)
        case 2: _ = try await client.push(manifest: emptyManifest, mediaType: .ociManifest, to: name)
        case 3: _ = try await client.upload(BlobSource(blob), to: repository)
        default: _ = try await client.tags(of: repository)
        }
    }
}
