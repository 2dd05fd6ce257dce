package import BuildKitService
package import RPC
internal import Text

/// Docker's API as far as its clients need it to build: the answers over HTTP/1.1 of a builder's daemon.
package struct DockerDoor: Sendable {
    let server: BuildServer
    let engine: EngineFacts
    let builds = RunningBuilds()
    let uploads = Uploads()

    package init(server: BuildServer, engine: EngineFacts) {
        self.server = server
        self.engine = engine
    }

    /// What the daemon's sockets answer beside gRPC.
    package var webDoor: WebDoor {
        WebDoor(session: { await server.serveSession($0, over: $1) }) { await answer($0) }
    }

    private typealias Handler = @Sendable (DockerDoor, DockerCall) async throws -> WebAnswer

    /// The requests that are answered, by method and path without the version.
    private static let routes: [String: Handler] = [
        "GET /_ping": { door, _ in door.ping },
        "HEAD /_ping": { door, _ in door.ping },
        "GET /version": { door, _ in await door.version() },
        "GET /info": { door, _ in try await door.info() },
        "POST /build": { try await $0.build($1) },
        "POST /build/cancel": { try $0.cancelBuild($1) },
        // With an upgrade they do not come here.
        "POST /grpc": { _, _ in throw DockerAPIError.noUpgrade },
        "POST /session": { _, _ in throw DockerAPIError.noUpgrade },
    ]

    private func answer(_ question: WebQuestion) async -> WebAnswer {
        guard let handler = Self.routes["\(question.method) \(question.unversionedPath)"] else { return .notFound }
        var answer: WebAnswer
        do {
            answer = try await handler(self, try DockerCall(question))
        } catch {
            answer = failure(error)
        }
        answer.headers += [
            ("Api-Version", "\(APIVersion.latest)"), ("Docker-Experimental", "false"), ("Ostype", "linux"),
            ("Server", "Slipway/\(engine.version) (linux)"),
        ]
        return answer
    }

    private func failure(_ error: any Error) -> WebAnswer {
        let failure = serviceFailure(error)
        let status: Int
        switch (error, failure.code) {
        case (let error as DockerAPIError, _): status = error.status
        case (_, .invalidArgument): status = 400
        case (_, .permissionDenied): status = 403
        case (_, .notFound): status = 404
        case (_, .alreadyExists): status = 409
        case (_, .unimplemented): status = 501
        default: status = 500
        }
        return .json(status, JSONValue.object([.init("message", .string(failure.message))]))
    }
}

/// A request of Docker's API in a version that this daemon has.
struct DockerCall: Sendable {
    let version: APIVersion
    let query: FormQuery
    let body: WebBody

    /// - Throws: `DockerAPIError`.
    init(_ question: WebQuestion) throws(DockerAPIError) {
        let text = question.pathVersion
        version = text.map { APIVersion(parsing: $0) } ?? .latest
        if version < .oldest { throw .tooOld("\(version)") }
        if version > .latest { throw .tooNew("\(version)") }
        query = try FormQuery(parsing: question.query)
        body = question.body
    }
}

extension WebAnswer {
    /// An answer in JSON, on a line of its own as Docker's.
    static func json(_ status: Int, _ document: JSONValue) -> WebAnswer {
        .json(status, Array((document.text() + "\n").utf8))
    }
}
