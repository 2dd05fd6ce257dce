internal import AsyncHTTPClient
internal import NIOCore
internal import NIOHTTP1
package import SystemPackage
package import Text

/// Reads files from web servers of any kind: sources of builds that are no registries.
///
/// Redirects are followed with care, transient faults are retried, and an answer that never ends is cut off. It speaks to all
/// hosts alike: what the configuration says of registries does not apply.
package final class WebClient: Sendable {
    /// What a client needs to know of the world.
    package struct Configuration: Sendable {
        package var patience = NetworkPatience()
        package var retries = RetryPolicy()
        package var timekeeper: Timekeeper = .real
        /// A PEM file instead of the system's authorities.
        package var systemAuthorities: FilePath?
        package var proxies = ProxySettings()
        /// What the client calls itself where a request says nothing.
        package var userAgent = "slipway"
        /// The most bytes that an answer may have.
        package var maximumSize: Int64 = 64 << 30

        package init() {}
    }

    /// What to ask for.
    package struct Request: Sendable {
        package var url: HTTPURL
        package var headers: [(name: String, value: String)] = []
        /// Sent to the URL's own origin alone, whatever it redirects to.
        package var authorization: Secret?

        package init(_ url: HTTPURL) { self.url = url }
    }

    /// The beginning of an answer.
    package struct Head: Sendable {
        /// Where the answer came from, after redirects.
        package let url: HTTPURL
        /// Whether what the request's conditions describe is still right; there is no body then.
        package let isNotModified: Bool
        private let headers: HTTPHeaders

        init(_ answer: HTTPTransport.Answer) {
            url = answer.url
            isNotModified = answer.status == 304
            headers = answer.headers
        }

        /// The first header of a name, in any letter case.
        package func header(_ name: String) -> String? { headers.first(name: name) }

        /// How many bytes the body will have, where the server says so.
        package var length: Int64? { header("Content-Length").flatMap { Int64($0) } }
    }

    private let transport: HTTPTransport
    private let retrier: Retrier
    private let maximumSize: Int64
    private let userAgent: String

    package init(_ configuration: Configuration) {
        transport = HTTPTransport(
            patience: configuration.patience,
            timekeeper: configuration.timekeeper,
            systemAuthorities: configuration.systemAuthorities,
            proxies: configuration.proxies
        )
        retrier = Retrier(policy: configuration.retries, timekeeper: configuration.timekeeper)
        maximumSize = configuration.maximumSize
        userAgent = configuration.userAgent
    }

    /// Asks for the beginning of the answer alone, once.
    /// - Parameter request: what to ask for.
    /// - Returns: the head; nil if the server does not answer such a question, and may yet answer the whole one.
    /// - Throws: `CancellationError`.
    package func head(_ request: Request) async throws -> Head? {
        do {
            let answer = try await followingRedirects(request, .HEAD)
            guard answer.status == 200 || answer.status == 304 else { return nil }
            return Head(answer)
        } catch let error as CancellationError {
            throw error
        } catch {
            return nil
        }
    }

    /// Reads what is at an address.
    /// - Parameters:
    ///   - request: what to ask for.
    ///   - limit: the most bytes that the body may have; nil for the client's own limit.
    ///   - begin: is told that a body begins, and again where a broken transfer has to start over.
    ///   - receive: takes the next bytes of the body.
    /// - Returns: the head of the answer that was taken.
    /// - Throws: `HTTPError`, and what the closures throw.
    @discardableResult
    package func get(
        _ request: Request,
        limit: Int64? = nil,
        begin: (Head) async throws -> Void,
        receive: ([UInt8]) async throws -> Void
    ) async throws -> Head {
        let limit = min(limit ?? maximumSize, maximumSize)
        do {
            return try await retrier.run {
                let answer = try await self.followingRedirects(request, .GET)
                let head = Head(answer)
                if head.isNotModified { return head }
                guard answer.status == 200 else { throw await answer.failure() }
                if let length = head.length, length > limit {
                    throw HTTPError.tooLarge(url: request.url.redacted, limit: limit)
                }
                try await begin(head)
                var count: Int64 = 0
                try await answer.forEachPart { part in
                    count += Int64(part.readableBytes)
                    guard count <= limit else { throw HTTPError.tooLarge(url: request.url.redacted, limit: limit) }
                    try await receive(Array(part.readableBytesView))
                    return true
                }
                return head
            }
        } catch let failure as AttemptFailure {
            throw HTTPError(failure)
        }
    }

    private func followingRedirects(
        _ request: Request,
        _ method: HTTPMethod
    ) async throws -> HTTPTransport.Answer {
        let policy = RedirectPolicy(origin: request.url)
        var url = request.url
        var isOrigin = true
        for _ in 0...RedirectPolicy.maximum {
            var message = HTTPTransport.Request(method: method, url: url)
            if isOrigin {
                for (name, value) in request.headers { message.headers.add(name: name, value: value) }
                if let authorization = request.authorization {
                    message.headers.replaceOrAdd(name: "Authorization", value: authorization.reveal())
                }
            } else {
                // A stranger gets the conditions, which say nothing of the user, and no header that may be a secret.
                for (name, value) in request.headers where Self.isCondition(name) {
                    message.headers.add(name: name, value: value)
                }
            }
            if !message.headers.contains(name: "User-Agent") {
                message.headers.add(name: "User-Agent", value: userAgent)
            }
            let answer = try await transport.send(message)
            guard [301, 302, 303, 307, 308].contains(answer.status), let location = answer.header("Location") else {
                return answer
            }
            let next = try policy.follow(from: url, location: location)
            url = next.url
            isOrigin = isOrigin && next.isOrigin
        }
        throw HTTPError.tooManyRedirects(url: request.url.redacted, limit: RedirectPolicy.maximum)
    }

    private static func isCondition(_ name: String) -> Bool {
        ["if-none-match", "if-modified-since", "accept", "accept-encoding"].contains(name.lowercased())
    }
}
