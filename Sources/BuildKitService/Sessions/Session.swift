import NIOCore
import RPC
import Settings
import Synchronization
import Tasks

final class Session: Sendable {
    let id: String
    let sharedKey: String
    let methods: Set<String>
    let connection: RPCConnection
    init(id: String, sharedKey: String, methods: Set<String>, connection: RPCConnection) {
        self.id = id
        self.sharedKey = sharedKey
        self.methods = methods
        self.connection = connection
    }
}

final class SessionRegistry: Sendable {
    private let state = Mutex<[String: Session]>([:])
    func session(_ id: String) async throws -> Session {
        for _ in 0..<100 {
            if let s = state.withLock({ $0[id] }) { return s }
            try await Task.sleep(for: .milliseconds(50))
        }
        throw ServiceError.unknownJob(id)
    }
    func add(_ s: Session) { state.withLock { $0[s.id] = s } }
    func remove(_ s: Session) { state.withLock { $0[s.id] = nil } }
}

struct SessionCredentials: CredentialSource {
    init(_ session: Session) {}
    func credential(for host: String) -> Credential? { nil }
}

struct SessionService: RPCService {
    let sessions: SessionRegistry
    func register(in methods: inout MethodTable) {
        methods.byteStream("moby.buildkit.v1.Control", "Session") { [sessions] input, context, output in
            try await RPCConnection.through(input, output) { connection in
                let s = Session(
                    id: context.value("x-docker-expose-session-uuid") ?? "",
                    sharedKey: context.value("x-docker-expose-session-sharedkey") ?? "",
                    methods: Set(context.values("x-docker-expose-session-grpc-method").map { $0.lowercased() }),
                    connection: connection
                )
                sessions.add(s)
                await connection.closed()
                sessions.remove(s)
            }
        }
    }
}
