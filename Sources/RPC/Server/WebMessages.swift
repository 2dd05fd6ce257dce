package import NIOCore
internal import NIOHTTP1
internal import Text

/// A request of HTTP/1.1.
package struct WebQuestion: Sendable {
    package var method: String
    /// Without the query.
    package var path: String
    package var query: String
    package var headers: [(name: String, value: String)]
    package var body: WebBody

    package init(
        method: String,
        path: String,
        query: String = "",
        headers: [(name: String, value: String)] = [],
        body: WebBody = .empty
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
    }

    /// The values of a header, in their order, whatever the case of its name.
    package func values(_ name: String) -> [String] {
        headers.filter { $0.name.lowercased() == name.lowercased() }.map(\.value)
    }

    /// Whether the client asks to speak something else than HTTP after this request.
    package var asksForUpgrade: Bool { !values(UpgradeSorter.header).isEmpty }

    /// The version of the API that Docker's clients put before the path: `1.48` in `/v1.48/info`; nil for none.
    package var pathVersion: String? {
        guard let first = path.split(separator: "/", maxSplits: 1).first, first.first == "v", first.count > 1,
            first.dropFirst().utf8.allSatisfy({ ("0"..."9").contains($0) || $0 == "." })
        else { return nil }
        return String(first.dropFirst())
    }

    /// The path without that version.
    package var unversionedPath: String {
        guard pathVersion != nil else { return path }
        let parts = path.split(separator: "/", maxSplits: 1)
        return "/" + (parts.count > 1 ? parts[1] : "")
    }
}

extension WebQuestion {
    init(_ head: HTTPRequestHead, body: WebBody = .empty) {
        let parts = head.uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        self.init(
            method: head.method.rawValue,
            path: String(parts.first ?? ""),
            query: String(parts.dropFirst().first ?? ""),
            headers: head.headers.map { ($0.name, $0.value) },
            body: body
        )
    }
}

/// The body of a request, which is read from the connection as it is asked for; by one task, and once.
package struct WebBody: Sendable {
    private let next: @Sendable () async throws -> ByteBuffer?

    /// - Parameter next: gives the next piece; nil at the end, and from then on.
    package init(_ next: @escaping @Sendable () async throws -> ByteBuffer?) { self.next = next }

    package static let empty = WebBody { nil }

    /// The next piece; nil at the end.
    /// - Throws: where the connection ends before the body.
    package func nextPiece() async throws -> ByteBuffer? { try await next() }

    /// All of the body; nil where it is larger than `limit` bytes.
    package func bytes(limit: Int) async throws -> [UInt8]? {
        var bytes: [UInt8] = []
        while let piece = try await nextPiece() {
            guard bytes.count + piece.readableBytes <= limit else { return nil }
            bytes += piece.readableBytesView
        }
        return bytes
    }

    /// Passes over the rest of the body; whether it had no more than `limit` bytes.
    func isAtEnd(within limit: Int) async throws -> Bool {
        var count = 0
        while let piece = try await nextPiece() {
            count += piece.readableBytes
            if count > limit { return false }
        }
        return true
    }
}

/// The answer to a request.
package struct WebAnswer: Sendable {
    package enum Body: Sendable {
        case bytes([UInt8])
        /// What the closure writes until it returns. Its task is cancelled when the client goes away; where it throws after
        /// the first byte, the connection ends without the end of the answer.
        case stream(@Sendable (WebWriter) async throws -> Void)
        /// What follows is no HTTP: the bytes of the connection in both directions, until the closure returns.
        case connection(@Sendable (WebStream) async throws -> Void)
    }

    package var status: Int
    package var headers: [(name: String, value: String)]
    package var body: Body
    /// What is answered in its place where a stream fails before its first byte; nil ends the connection.
    package var failure: (@Sendable (any Error) -> WebAnswer)?

    package init(status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = .bytes(body)
    }

    /// An answer that is written while it is made; see `Body.stream`.
    package init(
        status: Int,
        headers: [(name: String, value: String)] = [],
        stream: @escaping @Sendable (WebWriter) async throws -> Void
    ) {
        self.status = status
        self.headers = headers
        self.body = .stream(stream)
    }

    /// An answer after which the connection carries plain bytes; see `Body.connection`.
    package init(
        status: Int,
        headers: [(name: String, value: String)],
        connection: @escaping @Sendable (WebStream) async throws -> Void
    ) {
        self.status = status
        self.headers = headers
        self.body = .connection(connection)
    }

    /// An answer in JSON, with the bytes of its text.
    package static func json(_ status: Int, _ text: [UInt8]) -> WebAnswer {
        WebAnswer(status: status, headers: [("Content-Type", "application/json")], body: text)
    }

    /// What Docker's engine answers where it has nothing.
    package static let notFound = json(404, Array(#"{"message":"page not found"}"#.utf8))
}

/// Takes the body of an answer, piece by piece.
package struct WebWriter: Sendable {
    private let send: @Sendable ([UInt8]) async throws -> Void

    /// - Parameter send: takes a piece, and returns when there is room for the next; an empty one has the head of the answer
    ///   sent.
    package init(_ send: @escaping @Sendable ([UInt8]) async throws -> Void) { self.send = send }

    /// Sends the head of the answer, which otherwise waits for the first bytes.
    /// - Throws: where the client is gone.
    package func begin() async throws { try await send([]) }

    /// Sends bytes on their way to the client.
    /// - Throws: where the client is gone.
    package func write(_ bytes: [UInt8]) async throws { if !bytes.isEmpty { try await send(bytes) } }
}

/// A connection that carries plain bytes since its request was answered.
package struct WebStream: Sendable {
    private let receive: @Sendable () async throws -> ByteBuffer?
    private let send: @Sendable ([UInt8]) async throws -> Void

    /// - Parameters:
    ///   - receive: gives what the client sends; nil when it sends no more.
    ///   - send: takes a piece, and returns when there is room for the next.
    package init(
        receive: @escaping @Sendable () async throws -> ByteBuffer?,
        send: @escaping @Sendable ([UInt8]) async throws -> Void
    ) {
        self.receive = receive
        self.send = send
    }

    /// What the client sends next; nil when it sends no more.
    ///
    /// One task reads.
    package func read() async throws -> [UInt8]? {
        while let piece = try await receive() {
            if piece.readableBytes > 0 { return Array(piece.readableBytesView) }
        }
        return nil
    }

    /// Sends bytes on their way to the client.
    /// - Throws: where the client is gone.
    package func write(_ bytes: [UInt8]) async throws { if !bytes.isEmpty { try await send(bytes) } }
}
