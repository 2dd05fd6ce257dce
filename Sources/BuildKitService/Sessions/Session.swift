import NIOCore
import RPC
import SwiftProtobuf

/// A client that the daemon may call, for as long as the client's connection lasts.
///
/// A session is found by its id alone, which the client draws at random. There is no list of sessions, and no look-up
/// by anything but the whole id: so a client sees nothing of another one's session, unless it was told the id. One that
/// names the id in a build has that build use the session's files, secrets, agents and credentials.
final class Session: Sendable {
    let id: String
    /// What people call the session.
    let name: String
    /// Names what the client keeps from build to build; copies of its files are found again by it.
    let sharedKey: String
    /// How long the client wants to be waited for when it does not answer; nil for the usual time.
    let patience: Duration?
    /// `/service/method` in lower case, each.
    private let methods: Set<String>
    private let connection: RPCConnection

    init(
        id: String,
        name: String = "",
        sharedKey: String = "",
        patience: Duration? = nil,
        methods: [String],
        over connection: RPCConnection
    ) {
        self.id = id
        self.name = name
        self.sharedKey = sharedKey
        self.patience = patience
        self.methods = Set(methods.map { $0.lowercased() })
        self.connection = connection
    }

    /// The session that a client describes in the metadata of a call, or in the headers of a request.
    /// - Parameters:
    ///   - values: gives the values under a key.
    ///   - connection: leads to the client.
    convenience init(_ values: (String) -> [String], over connection: RPCConnection) {
        let prefix = "x-docker-expose-session-"
        self.init(
            id: values(prefix + "uuid").first ?? "",
            name: values(prefix + "name").first ?? "",
            sharedKey: values(prefix + "sharedkey").first ?? "",
            patience: Self.patience(values("x-buildkit-session-health-custom-timeout").first),
            methods: values(prefix + "grpc-method"),
            over: connection
        )
    }

    /// A time in milliseconds, which is not shorter than a slow machine needs to answer.
    private static func patience(_ text: String?) -> Duration? {
        guard let text, let number = Int(text), number > 0 else { return nil }
        return max(.milliseconds(number), .seconds(1))
    }

    /// Whether the client answers calls of a method.
    func offers(_ service: String, _ method: String) -> Bool {
        methods.contains("/\(service)/\(method)".lowercased())
    }

    /// Waits until the connection ends; to cancel the task ends it.
    func closed() async { await connection.closed() }
}

// MARK: Calls

extension Session {
    /// A call with one message each way.
    /// - Throws: `RPCFailure` as the client answers; `ServiceError` if the client does not offer the method or is gone.
    func unary<Question: Message, Answer: Message>(
        _ service: String,
        _ method: String,
        _ question: Question,
        metadata: [(key: String, value: String)] = []
    ) async throws -> Answer {
        try await calling(service, method) {
            try await connection.unary(service, method, question, metadata: metadata)
        }
    }

    /// A call with any number of messages each way; see `RPCConnection.stream`.
    func stream<Question: Message, Answer: Message, Value: Sendable>(
        _ service: String,
        _ method: String,
        metadata: [(key: String, value: String)] = [],
        send: @escaping @Sendable (RPCOutput<Question>) async throws -> Void,
        receive: @escaping @Sendable (RPCInput<Answer>) async throws -> Value
    ) async throws -> Value {
        try await calling(service, method) {
            try await connection.stream(service, method, metadata: metadata, send: send, receive: receive)
        }
    }

    /// Whether answers that come in large numbers may come a little later; see `RPCConnection.gather`.
    func gather(_ isOn: Bool) { connection.gather(isOn) }

    /// A call whose answers are many and small; see `RPCConnection.batches`.
    func batches<Question: Message, Answer: Message, Value: Sendable>(
        _ service: String,
        _ method: String,
        metadata: [(key: String, value: String)],
        send: @escaping @Sendable (RPCOutput<Question>) async throws -> Void,
        receive: @escaping @Sendable (RPCInput<[Answer]>) async throws -> Value
    ) async throws -> Value {
        try await calling(service, method) {
            try await connection.batches(service, method, metadata: metadata, send: send, receive: receive)
        }
    }

    /// A call whose messages hold nothing but bytes; see `RPCConnection.byteStream`.
    func byteStream<Value: Sendable>(
        _ service: String,
        _ method: String,
        metadata: [(key: String, value: String)] = [],
        send: @escaping @Sendable (RPCOutput<ByteBuffer>) async throws -> Void,
        receive: @escaping @Sendable (RPCInput<ByteBuffer>) async throws -> Value
    ) async throws -> Value {
        try await calling(service, method) {
            try await connection.byteStream(service, method, metadata: metadata, send: send, receive: receive)
        }
    }

    private func calling<Value>(
        _ service: String,
        _ method: String,
        _ call: () async throws -> Value
    ) async throws -> Value {
        guard offers(service, method) else { throw ServiceError.methodNotOffered("/\(service)/\(method)") }
        do {
            return try await call()
        } catch let failure as RPCFailure where !connection.isOpen && failure.isOfTransport {
            throw ServiceError.sessionEnded(id)
        }
    }
}

extension RPCFailure {
    /// Whether it may come from the connection rather than from the client.
    fileprivate var isOfTransport: Bool {
        switch code {
        case .unavailable, .cancelled, .unknown, .internalError: true
        default: false
        }
    }
}
