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
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws; `RPCFailure` and `ServiceError` where the call fails.
    func sync<Value: Sendable>(
        _ service: String,
        metadata: [(key: String, value: String)],
        _ body: @escaping @Sendable (any PacketChannel) async throws -> Value
    ) async throws -> Value {
        defer { gather(false) }
        return try await converse(
            { try await batches(service, "DiffCopy", metadata: metadata, send: $0, receive: $1) },
            { input, output in try await body(CallPackets(input, output, gather: { self.gather(true) })) }
        )
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
        try await converse(
            { try await stream(service, method, metadata: metadata, send: $0, receive: $1) },
            { input, output in try await body(Conversation(input, output)) }
        )
    }

    /// Runs `body` with both sides of a call that `call` makes.
    private func converse<Question, Answers, Value: Sendable>(
        _ call: (
            @escaping @Sendable (RPCOutput<Question>) async throws -> Void,
            @escaping @Sendable (RPCInput<Answers>) async throws -> Value
        ) async throws -> Value,
        _ body: @escaping @Sendable (Promise<RPCInput<Answers>>, RPCOutput<Question>) async throws -> Value
    ) async throws -> Value {
        // What comes back begins only when the client says something. One that receives says nothing before it was told of
        // files: so the work is done where messages are sent.
        let (input, outcome) = (Promise<RPCInput<Answers>>(), Promise<Result<Value, any Error>>())
        return try await call(
            { output in
                do {
                    outcome.keep(.success(try await body(input, output)))
                } catch {
                    outcome.keep(.failure(error))
                }
            },
            {
                input.keep($0)
                return try await outcome.value().get()
            }
        )
    }
}

/// The messages of a call, each way.
///
/// Not checked by the compiler: the iterator is used by one task at a time.
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

/// The packets of a call.
///
/// Not checked by the compiler: what has come is used by one task at a time, as `PacketChannel` promises.
private final class CallPackets: PacketChannel, @unchecked Sendable {
    private let promised: Promise<RPCInput<[Fsutil_Types_Packet]>>
    private var input: RPCInput<[Fsutil_Types_Packet]>.AsyncIterator?
    private var received: ArraySlice<Fsutil_Types_Packet> = []
    private let output: RPCOutput<Fsutil_Types_Packet>
    private let gatherAnswers: @Sendable () -> Void

    init(
        _ input: Promise<RPCInput<[Fsutil_Types_Packet]>>,
        _ output: RPCOutput<Fsutil_Types_Packet>,
        gather: @escaping @Sendable () -> Void
    ) {
        promised = input
        self.output = output
        gatherAnswers = gather
    }

    func gather() { gatherAnswers() }

    func next() async throws -> Fsutil_Types_Packet? {
        if received.isEmpty { received = try await nextBatch()?[...] ?? [] }
        return received.popFirst()
    }

    func nextBatch() async throws -> [Fsutil_Types_Packet]? {
        if input == nil { input = await promised.value().makeAsyncIterator() }
        return try await input?.next()
    }

    func send(_ packet: Fsutil_Types_Packet) async throws { try await output.write(packet) }
}
