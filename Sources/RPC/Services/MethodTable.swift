internal import GRPCCore
internal import GRPCProtobuf
package import NIOCore
package import SwiftProtobuf

/// A group of methods that a server answers.
package protocol RPCService: Sendable {
    /// Adds the service's methods to the table of the server.
    func register(in methods: inout MethodTable)
}

/// The methods of a server by the names of their services and their own.
///
/// A method that is registered twice is answered by the later one; one that is not there is refused as unimplemented.
package struct MethodTable {
    private(set) var entries: [any MethodEntry] = []

    package init() {}

    /// A method with one message each way.
    package mutating func unary<Question: Message, Answer: Message>(
        _ service: String,
        _ method: String,
        _ body: @escaping @Sendable (Question, RPCContext) async throws -> Answer
    ) {
        stream(service, method) { (input: RPCInput<Question>, context, output: RPCOutput<Answer>) in
            try await output.write(try await body(try await input.single(), context))
        }
    }

    /// A method with one message from the client and any number from the server.
    ///
    /// `metadata` is sent before the first of them.
    package mutating func serverStream<Question: Message, Answer: Message>(
        _ service: String,
        _ method: String,
        metadata: @escaping @Sendable () -> [(key: String, value: String)] = { [] },
        _ body: @escaping @Sendable (Question, RPCContext, RPCOutput<Answer>) async throws -> Void
    ) {
        stream(service, method, metadata: metadata) {
            (input: RPCInput<Question>, context, output: RPCOutput<Answer>) in
            try await body(try await input.single(), context, output)
        }
    }

    /// A method with any number of messages each way.
    package mutating func stream<Question: Message, Answer: Message>(
        _ service: String,
        _ method: String,
        metadata: @escaping @Sendable () -> [(key: String, value: String)] = { [] },
        _ body: @escaping @Sendable (RPCInput<Question>, RPCContext, RPCOutput<Answer>) async throws -> Void
    ) {
        entries.append(
            StreamEntry(
                descriptor: MethodDescriptor(fullyQualifiedService: service, method: method),
                deserializer: ProtobufDeserializer<Question>(),
                serializer: ProtobufSerializer<Answer>(),
                metadata: metadata,
                body: body
            )
        )
    }

    /// A method whose messages each way hold nothing but bytes, in field 1: a byte stream inside a call.
    package mutating func byteStream(
        _ service: String,
        _ method: String,
        _ body: @escaping @Sendable (RPCInput<ByteBuffer>, RPCContext, RPCOutput<ByteBuffer>) async throws -> Void
    ) {
        entries.append(
            StreamEntry(
                descriptor: MethodDescriptor(fullyQualifiedService: service, method: method),
                takesBatches: true,
                deserializer: ByteMessageCoding(),
                serializer: ByteMessageCoding(),
                metadata: { [] },
                body: body
            )
        )
    }

    /// A method whose messages each way are taken and given as they are sent.
    package mutating func rawStream(
        _ service: String,
        _ method: String,
        _ body: @escaping @Sendable (RPCInput<ByteBuffer>, RPCContext, RPCOutput<ByteBuffer>) async throws -> Void
    ) {
        entries.append(
            StreamEntry(
                descriptor: MethodDescriptor(fullyQualifiedService: service, method: method),
                deserializer: RawMessageCoding(),
                serializer: RawMessageCoding(),
                metadata: { [] },
                body: body
            )
        )
    }
}

/// One method of a table, which gives itself to a router of any transport.
protocol MethodEntry: Sendable {
    var descriptor: MethodDescriptor { get }
    /// Whether messages are read as a `MessageBatcher` puts them together.
    var takesBatches: Bool { get }
    func register<Transport: ServerTransport>(
        in router: inout RPCRouter<Transport>,
        messageLimit: Int,
        failure: @escaping @Sendable (any Error) -> RPCFailure
    )
}

private struct StreamEntry<Deserializer: MessageDeserializer, Serializer: MessageSerializer>: MethodEntry
where Deserializer.Message: Sendable, Serializer.Message: Sendable {
    let descriptor: MethodDescriptor
    var takesBatches = false
    let deserializer: Deserializer
    let serializer: Serializer
    let metadata: @Sendable () -> [(key: String, value: String)]
    let body: @Sendable (RPCInput<Deserializer.Message>, RPCContext, RPCOutput<Serializer.Message>) async throws -> Void

    func register<Transport: ServerTransport>(
        in router: inout RPCRouter<Transport>,
        messageLimit: Int,
        failure: @escaping @Sendable (any Error) -> RPCFailure
    ) {
        let deserializer = LimitedDeserializer(deserializer: deserializer, limit: messageLimit)
        router.registerHandler(forMethod: descriptor, deserializer: deserializer, serializer: serializer) {
            [metadata, body] request, call in
            let context = RPCContext(metadata: request.metadata, peer: call.remotePeer)
            var first = Metadata()
            for (key, value) in metadata() { first.addString(value, forKey: key) }
            return StreamingServerResponse(metadata: first) { writer in
                do {
                    try await untilCancelled(call.cancellation) {
                        try await body(RPCInput(request.messages), context, RPCOutput(writer))
                    }
                } catch {
                    throw (error as? RPCFailure ?? failure(error)).status
                }
                return [:]
            }
        }
    }
}

/// Refuses messages that are too large, by name: the transport resets a stream without a word.
private struct LimitedDeserializer<Deserializer: MessageDeserializer>: MessageDeserializer {
    let deserializer: Deserializer
    let limit: Int

    func deserialize<Bytes: GRPCContiguousBytes>(_ serializedMessageBytes: Bytes) throws -> Deserializer.Message {
        let count = serializedMessageBytes.count
        guard count <= limit else {
            throw RPCFailure(.resourceExhausted, "the message has \(count) bytes; at most \(limit) are allowed")
        }
        return try deserializer.deserialize(serializedMessageBytes)
    }
}

/// Does a call's work in a task that is cancelled when the client goes away, which gRPC itself does not do.
private func untilCancelled(
    _ cancellation: ServerContext.RPCCancellationHandle,
    _ body: @escaping @Sendable () async throws -> Void
) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await body() }
        group.addTask {
            // It throws when the work is done: then there is nothing left to cancel.
            do { try await cancellation.cancelled } catch { return }
            throw CancellationError()
        }
        defer { group.cancelAll() }
        try await group.next()
    }
}

/// The table as gRPC takes it.
struct MethodTableService: RegistrableRPCService {
    let table: MethodTable
    let messageLimit: Int
    let failure: @Sendable (any Error) -> RPCFailure

    func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
        for entry in table.entries { entry.register(in: &router, messageLimit: messageLimit, failure: failure) }
    }
}
