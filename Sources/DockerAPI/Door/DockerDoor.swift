package import BuildKitService
internal import Containers
package import RPC
internal import Text

/// Docker's API: what the daemon's sockets answer over HTTP/1.1, beside BuildKit's.
package struct DockerDoor: Sendable {
    let server: BuildServer
    let facts: EngineFacts
    let engine: DockerEngine
    let builds = RunningBuilds()
    let uploads = Uploads()
    let executions = ExecTable()
    let watch: HealthWatch

    package init(server: BuildServer, facts: EngineFacts, engine: DockerEngine) {
        self.server = server
        self.facts = facts
        self.engine = engine
        watch = HealthWatch(engine.containers)
    }

    /// What the daemon's sockets answer beside gRPC.
    package var webDoor: WebDoor {
        WebDoor(session: { await server.serveSession($0, over: $1) }) { await answer($0) }
    }

    /// Goes on with what an earlier daemon was doing for containers that still run.
    package func resume() async throws {
        for container in try await engine.containers.list() { watch.attend(container) }
    }

    private func answer(_ question: WebQuestion) async -> WebAnswer {
        var answer: WebAnswer
        do {
            let path = try FormQuery.unescapedPath(question.unversionedPath)
            if let (route, values) = RouteTable.find(question.method, path) {
                answer = try await route.handler(self, try DockerCall(question, values: values))
            } else {
                answer = .notFound
            }
        } catch {
            answer = failure(error)
        }
        answer.headers += headers
        answer.failure = { error in
            var answer = failure(error)
            answer.headers += headers
            return answer
        }
        return answer
    }

    private var headers: [(name: String, value: String)] {
        [
            ("Api-Version", "\(APIVersion.latest)"), ("Docker-Experimental", "false"), ("Ostype", "linux"),
            ("Server", "Slipway/\(facts.version) (linux)"),
        ]
    }

    private func failure(_ error: any Error) -> WebAnswer {
        .json(FailureStatus.status(of: error), .object([.init("message", .string(serviceFailure(error).message))]))
    }
}

extension WebAnswer {
    /// An answer in JSON, on a line of its own as Docker's.
    static func json(_ status: Int, _ document: JSONValue) -> WebAnswer {
        .json(status, Array((document.text() + "\n").utf8))
    }

    /// An answer that is written while it is made.
    static func streaming(
        _ type: String = "application/json",
        _ headers: [(name: String, value: String)] = [],
        _ produce: @escaping @Sendable (WebWriter) async throws -> Void
    ) -> WebAnswer {
        WebAnswer(status: 200, headers: [(name: "Content-Type", value: type)] + headers, stream: produce)
    }

    /// An answer after which the connection carries the streams of a process.
    static func connection(
        _ type: String,
        _ carry: @escaping @Sendable (WebStream) async throws -> Void
    ) -> WebAnswer {
        let headers = [("Content-Type", type), ("Connection", "Upgrade"), ("Upgrade", "tcp")]
        return WebAnswer(status: 101, headers: headers.map { (name: $0.0, value: $0.1) }, connection: carry)
    }

    /// What is answered where there is nothing to say.
    static let noContent = WebAnswer(status: 204)
}
