import Fakes
import NIOHTTP1
import OCI
import Proofs
import Registry
import Settings
import Testing
import Text

private let canary = "canary-3c5f91"
private let basicCanary = "Basic " + "dXNlcjpjYW5hcnktM2M1Zjkx"
private let credential = Credential.password(user: "user", password: Secret(canary))

extension FaultServer {
    /// Whether any request carried the password or a token, in whatever field.
    var sawSecrets: Bool {
        requests.contains { request in
            let text =
                request.target + String(decoding: request.body, as: UTF8.self)
                + request.headers.map { $0.value }.joined(separator: " ")
            return text.contains(canary) || text.contains("dXNlcjpjYW5hcnktM2M1Zjkx") || text.contains("token-of-")
                || text.contains("Bearer ")
        }
    }
}

@Suite struct `Authentication` {
    @Test func `basic credentials are sent when asked for, and then at once`() async throws {
        let server = try await FaultServer.start { request in
            request.header("Authorization") == basicCanary
                ? manifestAnswer
                : .error(401, "UNAUTHORIZED", "authentication required", [("WWW-Authenticate", #"Basic realm="r""#)])
        }
        let client = makeClient(server.host, credentials: [server.host: credential])
        _ = try await client.manifest(reference("\(server.host)/x:1"))
        _ = try await client.manifest(reference("\(server.host)/x:2"))
        #expect(server.requests.map { $0.header("Authorization") } == [nil, basicCanary, basicCanary])
    }

    @Test func `without credentials the user is told to log in`() async throws {
        let server = try await FaultServer.start { _ in .text(401, "", [("WWW-Authenticate", #"Basic realm="r""#)]) }
        let error = await #expect(throws: RegistryError.self) {
            try await makeClient(server.host).manifest(reference("\(server.host)/x:1"))
        }
        #expect(
            error.map { "\($0)" }
                == "unauthorized: authentication required by \(server.host): log in with 'slipway login \(server.host)'"
        )
    }

    @Test func `refused credentials are tried once`() async throws {
        let server = try await FaultServer.start { _ in .text(401, "", [("WWW-Authenticate", #"Basic realm="r""#)]) }
        let client = makeClient(server.host, credentials: [server.host: credential])
        let error = await #expect(throws: RegistryError.self) {
            try await client.manifest(reference("\(server.host)/x:1"))
        }
        #expect(error == .credentialsRefused(host: server.host, user: "user", detail: nil))
        #expect(server.requests.count == 2)
        #expect(error.map { "\($0)".contains(canary) } == false)
    }

    private func startTokenRegistry(_ token: @escaping FaultServer.Handler) async throws -> (FaultServer, FaultServer) {
        let service = try await FaultServer.start(token)
        let port = service.port
        let registry = try await FaultServer.start { request in
            request.header("Authorization") == "Bearer token-of-x"
                ? manifestAnswer
                : .error(
                    401,
                    "UNAUTHORIZED",
                    "authentication required",
                    [
                        (
                            "WWW-Authenticate",
                            #"Bearer realm="http://127.0.0.1:\#(port)/token",service="reg",scope="repository:x:pull""#
                        )
                    ]
                )
        }
        return (registry, service)
    }

    @Test func `a token is asked for with service and scope, and kept`() async throws {
        let (registry, service) = try await startTokenRegistry { _ in
            .text(200, #"{"token":"token-of-x","expires_in":300}"#)
        }
        let client = makeClient(registry.host, credentials: [registry.host: credential])
        _ = try await client.manifest(reference("\(registry.host)/x:1"))
        _ = try await client.manifest(reference("\(registry.host)/x:2"))
        #expect(service.requests.map(\.target) == ["/token?service=reg&scope=repository%3Ax%3Apull&account=user"])
        #expect(service.requests.first?.header("Authorization") == basicCanary)
        #expect(registry.requests.contains { $0.header("Authorization") == basicCanary } == false)
    }

    @Test func `a token is taken from who gets it with credentials of its own, and kept`() async throws {
        let (registry, service) = try await startTokenRegistry { _ in .text(401) }
        let issuer = Issuer(realm: "http://127.0.0.1:\(service.port)/token")
        let client = makeClient(registry.host, source: issuer)
        _ = try await client.manifest(reference("\(registry.host)/x:1"))
        _ = try await client.manifest(reference("\(registry.host)/x:2"))
        #expect(issuer.asked.next() == 2 && service.requests.isEmpty)
    }

    /// Issues one token for what the tests' registry asks for.
    private struct Issuer: CredentialSource {
        let realm: String
        let asked = Counter()

        func credential(for domain: String) -> Credential? { nil }

        func token(for question: TokenQuestion) async throws -> IssuedToken? {
            _ = asked.next()
            guard question.realm == realm, question.service == "reg", question.scopes == ["repository:x:pull"] else {
                return nil
            }
            return IssuedToken(token: Secret("token-of-x"), lifetime: 300)
        }
    }

    @Test func `an anonymous token needs no credentials`() async throws {
        let (registry, service) = try await startTokenRegistry { _ in .text(200, #"{"access_token":"token-of-x"}"#) }
        _ = try await makeClient(registry.host).manifest(reference("\(registry.host)/x:1"))
        #expect(service.requests.first?.header("Authorization") == nil)
    }

    @Test func `an identity token is exchanged, not sent to the registry`() async throws {
        let (registry, service) = try await startTokenRegistry { request in
            let form = String(decoding: request.body, as: UTF8.self)
            return request.method == "POST" && form.contains("grant_type=refresh_token")
                && form.contains("refresh_token=\(canary)")
                ? .text(200, #"{"access_token":"token-of-x"}"#) : .text(401)
        }
        let client = makeClient(registry.host, credentials: [registry.host: .identityToken(Secret(canary))])
        _ = try await client.manifest(reference("\(registry.host)/x:1"))
        #expect(service.requests.count == 1)
        #expect(registry.requests.allSatisfy { !($0.header("Authorization") ?? "").contains(canary) })
    }

    @Test func `an expired token is replaced`() async throws {
        let counter = Counter()
        let service = try await FaultServer.start { _ in .text(200, #"{"token":"t\#(counter.next())"}"#) }
        let port = service.port
        let registry = try await FaultServer.start { request in
            let known = request.path.hasSuffix("/2") ? "Bearer t2" : "Bearer t1"
            return request.header("Authorization") == known
                ? manifestAnswer
                : .text(401, "", [("WWW-Authenticate", #"Bearer realm="http://127.0.0.1:\#(port)/token""#)])
        }
        let client = makeClient(registry.host)
        _ = try await client.manifest(reference("\(registry.host)/x:1"))
        _ = try await client.manifest(reference("\(registry.host)/x:2"))
        #expect(service.requests.count == 2)
    }

    @Test func `a refused login at the token service is reported with what it says`() async throws {
        let (registry, _) = try await startTokenRegistry { _ in
            .text(401, #"{"details":"incorrect username or password"}"#)
        }
        let client = makeClient(registry.host, credentials: [registry.host: credential])
        let error = await #expect(throws: RegistryError.self) {
            try await client.manifest(reference("\(registry.host)/x:1"))
        }
        #expect(
            error == .credentialsRefused(host: registry.host, user: "user", detail: "incorrect username or password")
        )
    }

    @Test func `a repository that a token does not open is reported as docker reports it`() async throws {
        let (registry, _) = try await startTokenRegistry { _ in .text(200, #"{"token":"of-nobody"}"#) }
        let error = await #expect(throws: RegistryError.self) {
            try await makeClient(registry.host).manifest(reference("\(registry.host)/x:1"))
        }
        let text = error.map { "\($0)" } ?? ""
        #expect(
            text.hasPrefix(
                "pull access denied for \(registry.host)/x, repository does not exist or may require 'slipway login'"
            ),
            "\(text)"
        )
    }

    @Test(arguments: [(1 << 20) + 1, 100]) func `a token of odd size or form is refused`(size: Int) async throws {
        let (registry, _) = try await startTokenRegistry { _ in
            ServerAnswer(body: [UInt8](repeating: 0x20, count: size))
        }
        await #expect(throws: RegistryError.self) {
            try await makeClient(registry.host).manifest(reference("\(registry.host)/x:1"))
        }
    }

    @Test func `a token with a line break is not put into a header`() async throws {
        let (registry, _) = try await startTokenRegistry { _ in .text(200, #"{"token":"a\r\nX-Evil: 1"}"#) }
        await #expect(throws: RegistryError.self) {
            try await makeClient(registry.host).manifest(reference("\(registry.host)/x:1"))
        }
    }
}

/// Every way in which a server can send a request elsewhere; nothing of the login may go along.
@Suite struct `Credentials stay with the registry` {
    enum Scheme: String, CaseIterable { case basic, bearer }
    enum Place: String, CaseIterable { case manifest, blob, head, secondHop, realm, location, mount, tags }

    /// Spellings of a way to the stranger, which listens on another port of the same machine.
    static func spellings(_ port: Int) -> [String] {
        [
            "http://127.0.0.1:\(port)/stolen", "//127.0.0.1:\(port)/stolen", "http://localhost:\(port)/stolen",
            "http://user:pass@127.0.0.1:\(port)/stolen", "http://127.1:\(port)/stolen",
            "http://[::ffff:127.0.0.1]:\(port)/stolen",
            "HTTP://127.0.0.1:\(port)/stolen#x", "http://127.0.0.1:\(port)\\@/stolen",
        ]
    }

    @Test(
        .proves("A18: a token service on another port of the registry's host"),
        arguments: Scheme.allCases,
        Place.allCases
    )
    func `no redirect, realm, location or page carries them elsewhere`(scheme: Scheme, place: Place) async throws {
        for status in place == .realm || place == .location || place == .tags ? [307] : [301, 302, 303, 307, 308] {
            let stranger = try await FaultServer.start { _ in manifestAnswer }
            for spelling in Self.spellings(stranger.port) {
                let registry = try await FaultServer.start { request in
                    Self.answer(request, scheme, place, status, spelling)
                }
                let client = makeClient(registry.host, credentials: [registry.host: credential])
                await Self.use(client, registry, place)
                #expect(registry.requests.isEmpty == false)
                try await registry.stop()
            }
            #expect(stranger.sawSecrets == (place == .realm && scheme == .bearer), "\(scheme) \(place) \(status)")
            try await stranger.stop()
        }
    }

    private static func answer(
        _ request: SeenRequest,
        _ scheme: Scheme,
        _ place: Place,
        _ status: Int,
        _ spelling: String
    ) -> ServerAnswer {
        let own = "http://" + (request.header("Host") ?? "")
        if request.path == "/token" { return .text(200, #"{"token":"token-of-x"}"#) }
        guard request.header("Authorization") != nil else {
            // The realm is the one place that may be on another port: it is the same host.
            let realm = place == .realm ? spelling : own + "/token"
            let challenge = scheme == .basic ? #"Basic realm="r""# : #"Bearer realm="\#(realm)",service="s""#
            return .text(401, "", [("WWW-Authenticate", challenge)])
        }
        let away = ServerAnswer.text(status, "", [("Location", spelling)])
        switch (place, request.method) {
        case (.manifest, _), (.blob, _), (.head, _): return away
        case (.secondHop, _): return request.path == "/hop" ? away : .text(status, "", [("Location", "/hop")])
        case (.location, "POST"): return .text(202, "", [("Location", spelling)])
        case (.mount, "POST"): return away
        case (.tags, _): return .text(200, #"{"tags":["a"]}"#, [("Link", "<\(spelling)>; rel=\"next\"")])
        default: return .text(404)
        }
    }

    private static func use(_ client: RegistryClient, _ server: FaultServer, _ place: Place) async {
        do {
            let name = try reference("\(server.host)/x:1")
            switch place {
            case .manifest, .secondHop, .realm: _ = try await client.manifest(name)
            case .head: _ = try await client.manifestDescriptor(name)
            case .blob: _ = try await client.smallBlob(descriptor(of: [1, 2, 3]), from: Repository(name))
            case .location: _ = try await client.upload(BlobSource(data(10)), to: Repository(name))
            case .mount:
                _ = try await client.upload(
                    BlobSource(data(10)),
                    to: Repository(name),
                    mountingFrom: [Repository(reference("\(server.host)/y"))]
                )
            case .tags: _ = try await client.tags(of: Repository(name))
            }
        } catch {
            // Whether the request fails is not the question here; what the stranger saw is.
            #expect("\(error)".contains(canary) == false)
        }
    }
}
