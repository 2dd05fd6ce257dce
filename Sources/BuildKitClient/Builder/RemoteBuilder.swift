internal import BuildKitProto
internal import GRPCCore
package import RPC
internal import SwiftProtobuf

/// A daemon of BuildKit, ours or a stock one, as its client sees it.
package struct RemoteBuilder: Sendable {
    static let control = "moby.buildkit.v1.Control"
    /// The label by which a daemon of Slipway is known, with its version.
    package static let versionLabel = "slipway.version"

    package let address: RPCAddress
    let connection: RPCConnection

    /// Connects to a daemon for as long as `body` runs.
    /// - Parameters:
    ///   - address: of the daemon.
    ///   - body: asks it for things.
    /// - Returns: what `body` returns.
    /// - Throws: `DialError` if there is no connection; else what `body` throws.
    package static func at<Value: Sendable>(
        _ address: RPCAddress,
        _ body: (RemoteBuilder) async throws -> Value
    ) async throws -> Value {
        try await RPCConnection.to(address) { try await body(RemoteBuilder(address: address, connection: $0)) }
    }

    /// A call with one message each way.
    /// - Throws: `RemoteFailure`, `LostDaemon`.
    func ask<Question: Message, Answer: Message>(
        _ service: String,
        _ method: String,
        _ question: Question,
        metadata: [(key: String, value: String)] = []
    ) async throws -> Answer {
        try await understandingFailures {
            try await connection.unary(service, method, question, metadata: metadata)
        }
    }

    /// A call with one message from here and any number from the daemon, each of which goes to `receive`.
    /// - Throws: `RemoteFailure`, `LostDaemon`; else what `receive` throws.
    func listen<Question: Message, Answer: Message>(
        _ method: String,
        _ question: Question,
        _ receive: @escaping @Sendable (Answer) async throws -> Void
    ) async throws {
        try await understandingFailures {
            try await connection.stream(
                Self.control,
                method,
                send: { try await $0.write(question) },
                receive: { (answers: RPCInput<Answer>) in
                    for try await answer in answers { try await receive(answer) }
                }
            )
        }
    }

    private func understandingFailures<Value>(_ call: () async throws -> Value) async throws -> Value {
        do {
            return try await call()
        } catch let failure as RPCFailure {
            if failure.code == .unavailable || !connection.isOpen { throw LostDaemon(address: address) }
            throw RemoteFailure(failure)
        }
    }
}
