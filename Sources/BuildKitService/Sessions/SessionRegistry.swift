import BuildKitProto
import RPC

/// The sessions of a daemon, by their ids.
final class SessionRegistry: Sendable {
    /// When a session counts as gone although its connection is there.
    struct HealthChecks: Sendable {
        var interval = Duration.seconds(5)
        /// How long an answer may take: a client that sends a large context over a slow line has none sooner.
        var patience = Duration.seconds(15)
        /// How many checks must fail in a row.
        var failures = 2

        /// The same for a client that says how long it is waited for.
        func waiting(_ patience: Duration?) -> HealthChecks {
            guard let patience else { return self }
            return HealthChecks(interval: patience, patience: patience, failures: 1)
        }
    }

    private let sessions = Arrivals<Session>()
    let knownCopies = KnownCopies()
    /// How long a look-up waits: a client asks for its build on one connection and opens its session on another.
    private let patience: Duration
    private let checks: HealthChecks

    init(patience: Duration = .seconds(5), checks: HealthChecks = HealthChecks()) {
        self.patience = patience
        self.checks = checks
    }

    /// Finds a session; one that has not come yet is waited for.
    /// - Throws: `ServiceError.noSession`; `CancellationError` as soon as the task is cancelled.
    func session(_ id: String) async throws -> Session {
        guard let session = try await sessions.value(named: id, within: patience) else {
            throw ServiceError.noSession(id)
        }
        return session
    }

    /// How many look-ups wait for a session.
    var waitingCount: Int { sessions.waitingCount }

    /// Makes a session known for as long as its connection lasts, and ends the connection of a client that does not
    /// answer any more.
    /// - Throws: `ServiceError` if the session has no id, or one that another session has.
    func serve(_ session: Session) async throws {
        if session.id.isEmpty { throw ServiceError.sessionWithoutID }
        guard sessions.add(session, named: session.id) else { throw ServiceError.sessionExists(session.id) }
        defer { sessions.remove(session.id) }
        await withTaskGroup { group in
            group.addTask { await session.closed() }
            if session.offers(Session.healthService, "Check") {
                let checks = checks.waiting(session.patience)
                group.addTask { await session.untilUnhealthy(checks) }
            }
            await group.next()
            group.cancelAll()
        }
    }
}

extension Session {
    fileprivate static let healthService = "grpc.health.v1.Health"

    /// Asks the client whether it is well, again and again until it is not or the task is cancelled.
    fileprivate func untilUnhealthy(_ checks: SessionRegistry.HealthChecks) async {
        var failures = 0
        while failures < checks.failures {
            do { try await Task.sleep(for: checks.interval) } catch { return }
            failures = await isHealthy(within: checks.patience) ? 0 : failures + 1
        }
    }

    private func isHealthy(within patience: Duration) async -> Bool {
        await withTaskGroup { group in
            group.addTask {
                let answer: Grpc_Health_V1_HealthCheckResponse? = try? await self.unary(
                    Self.healthService,
                    "Check",
                    Grpc_Health_V1_HealthCheckRequest()
                )
                return answer?.status == .serving
            }
            group.addTask {
                try? await Task.sleep(for: patience)
                return false
            }
            defer { group.cancelAll() }
            return await group.next() ?? false
        }
    }
}

/// How clients open sessions over gRPC: their calls carry a connection on which the daemon is the client.
struct SessionService: RPCService {
    let sessions: SessionRegistry

    func register(in methods: inout MethodTable) {
        methods.byteStream(ControlService.name, "Session") { [sessions] input, context, output in
            try await RPCConnection.through(input, output) { connection in
                try await sessions.serve(Session(context.values, over: connection))
            }
        }
    }
}
