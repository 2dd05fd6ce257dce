internal import AsyncHTTPClient
internal import NIOCore
internal import NIOHTTP1

/// Sends requests that the caller signs, as servers of objects want them: each attempt is a request of its own, since a signature has
/// a time.
///
/// Redirects are not followed: a signature is for one host.
package final class ObjectClient: Sendable {
    /// One attempt.
    package struct Request: Sendable {
        /// `GET`, `HEAD`, `PUT`, `POST` or `DELETE`.
        package var method: String
        package var url: HTTPURL
        package var headers: [(name: String, value: String)]
        package var body: [UInt8]

        package init(method: String, url: HTTPURL, headers: [(name: String, value: String)], body: [UInt8] = []) {
            self.method = method
            self.url = url
            self.headers = headers
            self.body = body
        }
    }

    /// The beginning of an answer.
    package struct Head: Sendable {
        package let status: Int
        private let headers: HTTPHeaders

        init(_ answer: HTTPTransport.Answer) {
            status = answer.status
            headers = answer.headers
        }

        /// The first header of a name, in any letter case.
        package func header(_ name: String) -> String? { headers.first(name: name) }
    }

    /// How much of the answer to a failed request is read, in bytes.
    private static let errorLimit = 64 << 10

    private let transport: HTTPTransport
    private let retrier: Retrier

    /// - Parameters:
    ///   - configuration: time limits, certificates and proxies.
    ///   - retries: how often a request is made again.
    package init(_ configuration: WebClient.Configuration, retries: RetryPolicy) {
        transport = HTTPTransport(
            patience: configuration.patience,
            timekeeper: configuration.timekeeper,
            systemAuthorities: configuration.systemAuthorities,
            proxies: configuration.proxies
        )
        retrier = Retrier(policy: retries, timekeeper: configuration.timekeeper)
    }

    /// Sends a request and reads the whole answer.
    /// - Parameters:
    ///   - accepting: the statuses that are an answer.
    ///   - limit: how many bytes the body may have.
    ///   - make: makes the request, anew for each attempt.
    /// - Returns: the head and the body.
    /// - Throws: `ObjectFailure`, `HTTPError.answerTooLarge`, and what `make` throws.
    package func exchange(
        accepting: Set<Int>,
        limit: Int = 4 << 20,
        _ make: () async throws -> Request
    ) async throws -> (head: Head, body: [UInt8]) {
        try await attempting(accepting, make) { answer, method in
            // Of an answer without a body the length is that of another one.
            if method == "HEAD" { return (Head(answer), []) }
            return (Head(answer), try await answer.collect(limit: limit, what: "the answer of \(answer.url.redacted)"))
        }
    }

    /// Sends a request and hands on the body as it comes; a transfer that breaks off is an error, for the caller to go on from.
    /// - Parameters:
    ///   - accepting: the statuses that are an answer.
    ///   - make: makes the request, anew for each attempt at its beginning.
    ///   - receive: takes the head once and then the bytes; what it throws ends the transfer.
    /// - Throws: `ObjectFailure`, and what the closures throw.
    package func read(
        accepting: Set<Int>,
        _ make: () async throws -> Request,
        receive: (Head, [UInt8]) async throws -> Void
    ) async throws {
        let answer = try await attempting(accepting, make) { answer, _ in answer }
        let head = Head(answer)
        do {
            try await answer.forEachPart { part in
                try await receive(head, Array(part.readableBytesView))
                return true
            }
        } catch let failure as AttemptFailure {
            throw ObjectFailure(failure, body: [])
        }
    }

    private func attempting<Value>(
        _ accepting: Set<Int>,
        _ make: () async throws -> Request,
        _ use: (HTTPTransport.Answer, _ method: String) async throws -> Value
    ) async throws -> Value {
        var body: [UInt8] = []
        do {
            return try await retrier.run {
                body = []
                let request = try await make()
                let answer = try await self.transport.send(Self.message(for: request))
                if accepting.contains(answer.status) { return try await use(answer, request.method) }
                try? await answer.forEachPart { part in
                    body.append(contentsOf: part.readableBytesView.prefix(Self.errorLimit - body.count))
                    return body.count < Self.errorLimit
                }
                throw AttemptFailure(
                    url: answer.url,
                    reason: .status(answer.status, retryAfter: nil, ErrorDocument(), challenged: false)
                )
            }
        } catch let failure as AttemptFailure {
            throw ObjectFailure(failure, body: body)
        }
    }

    private static func message(for request: Request) -> HTTPTransport.Request {
        var message = HTTPTransport.Request(method: HTTPMethod(rawValue: request.method), url: request.url)
        for (name, value) in request.headers { message.headers.add(name: name, value: value) }
        if !request.body.isEmpty || ["PUT", "POST"].contains(request.method) { message.body = .bytes(request.body) }
        message.isUpload = !request.body.isEmpty
        return message
    }
}

/// Why a server of objects did not do what was asked.
package struct ObjectFailure: Error, Sendable, CustomStringConvertible {
    /// Without its query.
    package let url: String
    /// Nil where there was no answer.
    package let status: Int?
    /// What the server said to it.
    package let body: [UInt8]
    private let reason: String

    init(_ failure: AttemptFailure, body: [UInt8]) {
        url = failure.url.redacted
        self.body = body
        switch failure.reason {
        case .status(let status, _, _, _):
            self.status = status
            reason = "status \(status)"
        case .connection(let connection):
            status = nil
            reason = connection.text(host: failure.url.authority)
        }
    }

    package var description: String { "\(url): \(reason)" }
}
