import BuildKitProto
import Fakes
import GRPCCore
import LinuxSystem
import NIOCore
import RPC
import RPCFakes
import Settings
import SwiftProtobuf
import SystemPackage
import Tasks
import Testing
import Text

@testable import BuildKitService
@testable import ClientServices

@Suite struct `Sessions` {
    /// Answers for secrets, agents, credentials and uploads as clients of BuildKit do.
    private struct Offers: RPCService {
        var secrets: [String: [UInt8]] = [:]
        var credentials: [String: (user: String, secret: String)] = [:]
        var hangs = false
        /// The registries whose tokens the client gets itself.
        var authorities: [String] = []
        let asked = Counter()
        /// Given when the secret `slow` is asked for, which is not answered.
        let isAsked = Promise<Void>()

        func register(in methods: inout MethodTable) {
            methods.unary("moby.buildkit.secrets.v1.Secrets", "GetSecret") {
                (question: Moby_Buildkit_Secrets_V1_GetSecretRequest, _) in
                if question.id == "slow" {
                    isAsked.keep(())
                    try await Task.sleep(for: .seconds(3600))
                }
                guard let value = secrets[question.id] else { throw RPCFailure(.notFound, "no \(question.id)") }
                return Moby_Buildkit_Secrets_V1_GetSecretResponse.with { $0.data = .init(value) }
            }
            methods.unary("moby.filesync.v1.Auth", "Credentials") {
                (question: Moby_Filesync_V1_CredentialsRequest, _) in
                _ = asked.next()
                return Moby_Filesync_V1_CredentialsResponse.with {
                    $0.username = credentials[question.host]?.user ?? ""
                    $0.secret = credentials[question.host]?.secret ?? ""
                }
            }
            methods.unary("moby.filesync.v1.Auth", "GetTokenAuthority") {
                (question: Moby_Filesync_V1_GetTokenAuthorityRequest, _) in
                guard authorities.contains(question.host), question.salt.count == 32 else {
                    throw RPCFailure(.unavailable, "client side tokens disabled")
                }
                return Moby_Filesync_V1_GetTokenAuthorityResponse.with { $0.publicKey = .init(repeating: 7, count: 32) }
            }
            methods.unary("moby.filesync.v1.Auth", "FetchToken") {
                (question: Moby_Filesync_V1_FetchTokenRequest, _) in
                Moby_Filesync_V1_FetchTokenResponse.with {
                    $0.token = [
                        question.host, question.realm, question.service, question.scopes.joined(separator: "+"),
                    ]
                    .joined(separator: "|")
                    $0.expiresIn = 300
                }
            }
            methods.byteStream("moby.upload.v1.Upload", "Pull") { _, context, output in
                guard context.value("urlpath") == "/abc" else { throw RPCFailure(.notFound, "no such upload") }
                for text in ["one ", "two"] { try await output.write(ByteBuffer(string: text)) }
            }
            methods.unary("moby.sshforward.v1.SSH", "CheckAgent") {
                (question: Moby_Sshforward_V1_CheckAgentRequest, _) in
                if question.id != "default" { throw RPCFailure(.unknown, "unset ssh forward key \(question.id)") }
                return Moby_Sshforward_V1_CheckAgentResponse()
            }
            // An agent that says nothing before it is asked, and then the same.
            methods.byteStream("moby.sshforward.v1.SSH", "ForwardAgent") { input, context, output in
                guard context.value("buildkit.ssh.id") == "default" else { throw RPCFailure(.notFound, "no agent") }
                for try await bytes in input { try await output.write(bytes) }
            }
            methods.unary("grpc.health.v1.Health", "Check") { (_: Grpc_Health_V1_HealthCheckRequest, _) in
                if hangs { try await Task.sleep(for: .seconds(3600)) }
                return Grpc_Health_V1_HealthCheckResponse.with { $0.status = .serving }
            }
        }
    }

    private static let secrets = "/moby.buildkit.secrets.v1.Secrets/GetSecret"
    private static let credentials = "/moby.filesync.v1.Auth/Credentials"
    private static let health = "/grpc.health.v1.Health/Check"
    private static let agents = ["/moby.sshforward.v1.SSH/CheckAgent", "/moby.sshforward.v1.SSH/ForwardAgent"]
    private static let uploads = "/moby.upload.v1.Upload/Pull"

    private func withRegistry(
        _ registry: SessionRegistry = SessionRegistry(),
        _ body: (SessionRegistry, SocketAddress?) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            let service = SessionService(sessions: registry)
            let socket = RPCListener.unix(directory.appending("s"), group: nil, mode: 0o600)
            try await withServer([service], at: [socket]) { try await body(registry, $0[0]) }
        }
    }

    /// Opens a session.
    private func withSession<Value: Sendable>(
        _ id: String,
        _ address: SocketAddress?,
        offering methods: [String] = [],
        _ offers: Offers = Offers(),
        saying more: [(String, String)] = [],
        _ body: (CallEnd) async throws -> Value
    ) async throws -> Value {
        let prefix = "x-docker-expose-session-"
        let metadata =
            [(prefix + "uuid", id), (prefix + "name", "a name"), (prefix + "sharedkey", "a key")]
            + methods.map { (prefix + "grpc-method", $0) } + more
        return try await withConnection(to: address) { connection in
            try await answering(
                [offers],
                over: connection,
                ("moby.buildkit.v1.Control", "Session"),
                metadata: metadata.map { (key: $0.0, value: $0.1) },
                body
            )
        }
    }

    // MARK: Look-ups

    @Test func `a look-up finds a session, and waits for one that has not come yet`() async throws {
        try await withRegistry { registry, address in
            let early = Task { try await registry.session("abc") }
            while registry.waitingCount == 0 { await Task.yield() }
            try await withSession("abc", address, offering: [Self.secrets]) { _ in
                for session in [try await early.value, try await registry.session("abc")] {
                    #expect(session.id == "abc" && session.name == "a name" && session.sharedKey == "a key")
                    #expect(session.offers("moby.buildkit.secrets.v1.Secrets", "GetSecret"))
                    #expect(!session.offers("moby.buildkit.secrets.v1.Secrets", "Get"))
                }
            }
        }
    }

    @Test func `a look-up of a session that does not come fails in BuildKit's words`() async throws {
        try await withRegistry(SessionRegistry(patience: .milliseconds(20))) { registry, _ in
            let error = await #expect(throws: ServiceError.self) { _ = try await registry.session("abc") }
            #expect(error?.description == "no active session for abc: context deadline exceeded")
            #expect(registry.waitingCount == 0)
        }
    }

    @Test func `a look-up ends at once when its task is cancelled`() async throws {
        let registry = SessionRegistry(patience: .seconds(3600))
        let looking = Task { _ = try await registry.session("abc") }
        while registry.waitingCount == 0 { await Task.yield() }
        looking.cancel()
        let result = await looking.result
        #expect(throws: CancellationError.self) { try result.get() }
        #expect(registry.waitingCount == 0)
    }

    @Test func `a client finds another client's session by nothing but its whole id`() async throws {
        try await withRegistry { registry, address in
            try await withSession("abcdef", address, offering: [Self.secrets]) { _ in
                _ = try await registry.session("abcdef")
                for id in ["", "abc", "ABCDEF", "abcdef ", "a name", "a key", "*"] {
                    await #expect(throws: CancellationError.self) { _ = try await registry.knownSession(id) }
                }
            }
        }
    }

    @Test func `an id that another session has is refused, and so is none`() async throws {
        try await withRegistry { registry, address in
            try await withSession("abc", address) { _ in
                let first = try await registry.session("abc")
                try await withSession("abc", address) { end in
                    let failure = await end.value()
                    #expect(failure?.message.contains("session abc already exists") ?? false)
                }
                try await withSession("", address) { end in
                    #expect(await end.value()?.message.contains("has no id") ?? false)
                }
                let last = try await registry.session("abc")
                #expect(last === first)
            }
        }
    }

    // MARK: Ends

    @Test func `the id of a session that ended is free again`() async throws {
        try await withRegistry { registry, address in
            let session = try await withSession("abc", address) { _ in try await registry.session("abc") }
            await session.closed()
            try await untilThrown { _ = try await registry.knownSession("abc") }
            try await withSession("abc", address) { _ in
                let next = try await registry.session("abc")
                #expect(next !== session)
            }
        }
    }

    @Test func `calls of a session that ended fail and name it`() async throws {
        try await withRegistry { registry, address in
            let session = try await withSession("abc", address, offering: [Self.secrets]) { _ in
                try await registry.session("abc")
            }
            await session.closed()
            await #expect(throws: ServiceError.sessionEnded("abc")) {
                _ = try await SessionServices(session: session, sessions: registry).secret(Array("s".utf8))
            }
        }
    }

    @Test func `a call that runs fails when the session ends, and names it`() async throws {
        try await withRegistry { registry, address in
            let offers = Offers()
            let session = Promise<Session>()
            let asked = Task {
                try await SessionServices(session: session.value(), sessions: registry).secret(Array("slow".utf8))
            }
            try await withSession("abc", address, offering: [Self.secrets], offers) { _ in
                session.keep(try await registry.session("abc"))
                await offers.isAsked.value()
            }
            let result = await asked.result
            #expect(throws: ServiceError.sessionEnded("abc")) { try result.get() }
        }
    }

    @Test func `a client that does not answer health checks loses its session`() async throws {
        let checks = SessionRegistry.HealthChecks(interval: .milliseconds(5), patience: .milliseconds(20))
        try await withRegistry(SessionRegistry(checks: checks)) { registry, address in
            try await withSession("abc", address, offering: [Self.health], Offers(hangs: true)) { end in
                let session = try await registry.session("abc")
                await session.closed()
                _ = await end.value()
            }
        }
    }

    @Test(arguments: [("2500", 2500), ("20", 1000), ("0", nil), ("soon", nil)] as [(String, Int64?)])
    func `a client says how long it is waited for, at least a second`(text: String, milliseconds: Int64?) async throws {
        try await withRegistry { registry, address in
            let said = [("x-buildkit-session-health-custom-timeout", text)]
            try await withSession("abc", address, saying: said) { _ in
                let session = try await registry.session("abc")
                #expect(session.patience == milliseconds.map { .milliseconds($0) })
            }
        }
        let usual = SessionRegistry.HealthChecks(interval: .seconds(3), patience: .seconds(4), failures: 5)
        #expect(usual.waiting(nil).failures == 5)
        let own = usual.waiting(.seconds(1))
        #expect(own.interval == .seconds(1) && own.patience == .seconds(1) && own.failures == 1)
    }

    @Test func `a client that answers them, or does not offer them, keeps its session`() async throws {
        let checks = SessionRegistry.HealthChecks(interval: .milliseconds(5), patience: .seconds(60))
        try await withRegistry(SessionRegistry(checks: checks)) { registry, address in
            for methods in [[Self.secrets, Self.health], [Self.secrets]] {
                let offers = Offers(secrets: ["s": [1]])
                try await withSession("abc", address, offering: methods, offers) { _ in
                    let services = SessionServices(session: try await registry.session("abc"), sessions: registry)
                    for _ in 0..<10 { #expect(try await services.secret(Array("s".utf8)) == Secret([1])) }
                }
                try await untilThrown { _ = try await registry.knownSession("abc") }
            }
        }
    }

    // MARK: What clients offer

    @Test func `a method that the client does not offer is refused by name without a call`() async throws {
        try await withRegistry { registry, address in
            try await withSession("abc", address, Offers(secrets: ["s": [1]])) { _ in
                let session = try await registry.session("abc")
                await #expect(throws: ServiceError.methodNotOffered("/moby.buildkit.secrets.v1.Secrets/GetSecret")) {
                    let _: Moby_Buildkit_Secrets_V1_GetSecretResponse = try await session.unary(
                        "moby.buildkit.secrets.v1.Secrets",
                        "GetSecret",
                        Moby_Buildkit_Secrets_V1_GetSecretRequest.with { $0.id = "s" }
                    )
                }
                #expect(try await SessionServices(session: session, sessions: registry).secret(Array("s".utf8)) == nil)
            }
        }
    }

    @Test func `secrets come from the client, up to 500 KB`() async throws {
        let offers = Offers(secrets: ["s": Array("value".utf8), "big": Array(repeating: 1, count: 500 * 1024 + 1)])
        try await withRegistry { registry, address in
            try await withSession("abc", address, offering: [Self.secrets], offers) { _ in
                let remote = SessionServices(session: try await registry.session("abc"), sessions: registry)
                try await ClientServices().asking(remote, scratch: { throw CancellationError() }) {
                    (client: ClientServices) async throws in
                    let secret = try await client.secret(Array("s".utf8), isOptional: false)
                    #expect(secret == Secret("value"))
                    let missing = try await client.secret(Array("none".utf8), isOptional: true)
                    #expect(missing == nil)
                    await #expect(throws: ClientServiceError.secretNotFound(Array("none".utf8))) {
                        _ = try await client.secret(Array("none".utf8), isOptional: false)
                    }
                    await #expect(throws: ClientServiceError.secretTooLarge(Array("big".utf8))) {
                        _ = try await client.secret(Array("big".utf8), isOptional: true)
                    }
                }
            }
        }
    }

    @Test func `an agent of the client answers on a socket of this machine`() async throws {
        try await withRegistry { registry, address in
            try await withSession("abc", address, offering: Self.agents) { _ in
                let remote = SessionServices(session: try await registry.session("abc"), sessions: registry)
                try await withTemporaryDirectory { directory in
                    try await ClientServices().asking(remote, scratch: { directory }) { client in
                        for message in [[11], [13, 1, 2, 3]] as [[UInt8]] {
                            let agent = try await client.agent(Array("default".utf8), isOptional: false)
                            let framed = [0, 0, 0, UInt8(message.count)] + message
                            #expect(try await agent?.answer(to: framed) == framed)
                        }
                        let none = Array("none".utf8)
                        #expect(try await client.agent(none, isOptional: true) == nil)
                        let error = await #expect(throws: ClientServiceError.self) {
                            _ = try await client.agent(none, isOptional: false)
                        }
                        #expect("\(try #require(error))".contains("unset ssh forward key none"))
                    }
                    #expect(try await onBlockingPool { try HostFiles.status(of: directory) } == nil)
                }
            }
        }
    }

    @Test func `credentials are asked for once for each registry, Docker Hub by the name of its server`() async throws {
        let offers = Offers(credentials: [
            "registry-1.docker.io": ("hub", "p1"), "localhost:5000": ("", "token"), "none.example": ("user", ""),
        ])
        try await withRegistry { registry, address in
            try await withSession("abc", address, offering: [Self.credentials], offers) { _ in
                let source = SessionCredentials(try await registry.session("abc"))
                for _ in 0..<3 {
                    #expect(
                        try await source.credential(for: "docker.io") == .password(user: "hub", password: Secret("p1"))
                    )
                    #expect(try await source.credential(for: "localhost:5000") == .identityToken(Secret("token")))
                    #expect(try await source.credential(for: "none.example") == nil)
                }
                #expect(offers.asked.next() == 4)
            }
        }
    }

    @Test func `tokens are got by a client that has a key for the registry, and by no other`() async throws {
        let offers = Offers(authorities: ["registry-1.docker.io"])
        let methods = [
            Self.credentials, "/moby.filesync.v1.Auth/GetTokenAuthority", "/moby.filesync.v1.Auth/FetchToken",
        ]
        try await withRegistry { registry, address in
            for (id, methods, isIssued) in [("new", methods, true), ("old", [Self.credentials], false)] {
                try await withSession(id, address, offering: methods, offers) { _ in
                    let source = SessionCredentials(try await registry.session(id))
                    var question = TokenQuestion(
                        domain: "docker.io",
                        realm: "https://auth/token",
                        service: "reg",
                        scopes: ["a", "b"]
                    )
                    let token = IssuedToken(
                        token: Secret("registry-1.docker.io|https://auth/token|reg|a+b"),
                        lifetime: 300
                    )
                    #expect(try await source.token(for: question) == (isIssued ? token : nil))
                    question.domain = "localhost:5000"
                    #expect(try await source.token(for: question) == nil)
                }
            }
        }
    }

    @Test func `an upload comes as the client sends it`() async throws {
        try await withRegistry { registry, address in
            try await withSession("abc", address, offering: [Self.uploads]) { _ in
                let services = SessionServices(session: try await registry.session("abc"), sessions: registry)
                let text = try await services.upload("/abc") { pieces in
                    var bytes: [UInt8] = []
                    for try await piece in pieces { bytes += piece }
                    return String(decoding: bytes, as: UTF8.self)
                }
                #expect(text == "one two")
                await #expect(throws: RPCFailure.self) {
                    try await services.upload("/other") { for try await _ in $0 {} }
                }
            }
        }
    }
}

/// Tries again until something fails.
private func untilThrown(_ body: () async throws -> Void) async throws {
    while true {
        do { try await body() } catch { return }
        try await Task.sleep(for: .milliseconds(5))
    }
}

extension SessionRegistry {
    /// A look-up that does not wait long.
    fileprivate func knownSession(_ id: String) async throws -> Session {
        try await withThrowingTaskGroup(of: Session.self) { group in
            group.addTask { try await self.session(id) }
            group.addTask {
                try await Task.sleep(for: .milliseconds(20))
                throw CancellationError()
            }
            defer { group.cancelAll() }
            guard let session = try await group.next() else { throw CancellationError() }
            return session
        }
    }
}
