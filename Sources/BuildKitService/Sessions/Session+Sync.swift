import BuildKitProto
import FileSync
import RPC
import SwiftProtobuf
import Tasks

extension Session {
    /// Exchanges packets with the client as long as `body` runs.
    /// - Parameters:
    ///   - service: whose `DiffCopy` is called.
    ///   - metadata: says which files it is about.
    ///   - body: is one end of the exchange.
    /// - Throws: what `body` throws; `RPCFailure` and `ServiceError` where the call fails.
    func sync(
        _ service: String,
        metadata: [(key: String, value: String)],
        _ body: @escaping @Sendable (any PacketChannel) async throws -> Void
    ) async throws {
        try await converse(service, "DiffCopy", metadata: metadata) { (call: CallPackets) in try await body(call) }
    }

    /// Exchanges messages with the client as long as `body` runs.
    /// - Parameters:
    ///   - service: the full name of the service.
    ///   - method: the name of the method.
    ///   - metadata: what is sent before the first message.
    ///   - body: is one end of the exchange; our side ends when it returns.
    /// - Throws: what `body` throws; `RPCFailure` and `ServiceError` where the call fails.
    func converse<Question: Message, Answer: Message>(
        _ service: String,
        _ method: String,
        metadata: [(key: String, value: String)],
        _ body: @escaping @Sendable (Conversation<Question, Answer>) async throws -> Void
    ) async throws {
        // What comes back begins only when the client says something. One that receives says nothing before it was told of
        // files: so the work is done where messages are sent.
        let (input, outcome) = (Promise<RPCInput<Answer>>(), Promise<Result<Void, any Error>>())
        try await stream(
            service,
            method,
            metadata: metadata,
            send: { output in
                do {
                    try await body(Conversation(input, output))
                    outcome.keep(.success(()))
                } catch {
                    outcome.keep(.failure(error))
                }
            },
            receive: {
                input.keep($0)
                try await outcome.value().get()
            }
        )
    }
}

/// The messages of a call, each way.
///
/// Not checked by the compiler: the iterator is used by one task at a time, as `PacketChannel` promises.
final class Conversation<Question: Message, Answer: Message>: @unchecked Sendable {
    private let promised: Promise<RPCInput<Answer>>
    private var input: RPCInput<Answer>.AsyncIterator?
    private let output: RPCOutput<Question>

    fileprivate init(_ input: Promise<RPCInput<Answer>>, _ output: RPCOutput<Question>) {
        promised = input
        self.output = output
    }

    func next() async throws -> Answer? {
        if input == nil { input = await promised.value().makeAsyncIterator() }
        return try await input?.next()
    }

    func send(_ message: Question) async throws { try await output.write(message) }
}

private typealias CallPackets = Conversation<Fsutil_Types_Packet, Fsutil_Types_Packet>

extension Conversation: PacketChannel where Question == Fsutil_Types_Packet, Answer == Fsutil_Types_Packet {}
