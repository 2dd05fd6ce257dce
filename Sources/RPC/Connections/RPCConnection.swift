internal import GRPCCore
internal import GRPCNIOTransportCore
internal import GRPCProtobuf
package import NIOCore
internal import NIOPosix
package import SwiftProtobuf

/// The client's side of one connection of gRPC.
///
/// When the connection ends, it has ended: it is not made again.
package final class RPCConnection: Sendable {
    private typealias Transport = HTTP2ClientTransport.WrappedChannel
    private let client: GRPCClient<Transport>
    private let channel: any Channel

    private init(_ client: GRPCClient<Transport>, _ channel: any Channel) {
        self.client = client
        self.channel = channel
    }

    /// Uses a channel as a connection for as long as `body` runs, and closes it then.
    /// - Parameters:
    ///   - channel: open, and nothing has been read from it yet.
    ///   - configured: is called on the channel's loop when its bytes may come.
    ///   - body: makes the calls.
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws; `RPCFailure` if the channel has closed already.
    package static func over<Value: Sendable>(
        _ channel: any Channel,
        configured: @escaping @Sendable () -> Void = {},
        _ body: (RPCConnection) async throws -> Value
    ) async throws -> Value {
        let transport: Transport
        do {
            transport = try await Transport.wrapping(config: settings) { configure in
                try await channel.eventLoop.flatSubmit {
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandlers(
                            PingResponder(at: .client),
                            DataFrameJoiner(at: .client, limit: HTTP2Sizes.frame)
                        )
                    }.flatMap { configure(channel) }.map { result in
                        configured()
                        return result
                    }
                }.get()
            }
        } catch is ChannelError {
            throw RPCFailure(.unavailable, "the connection closed before the first call")
        }
        let connection = RPCConnection(GRPCClient(transport: transport), channel)
        // Not a child: a task that is cancelled may still hear the end of what it asked for. It is waited for here.
        let running = Task { try await connection.client.runConnections() }
        do {
            let value = try await body(connection)
            channel.close(promise: nil)
            _ = await running.result
            return value
        } catch {
            channel.close(promise: nil)
            _ = await running.result
            throw error
        }
    }

    /// Speaks gRPC inside a call of gRPC: the server calls its client.
    /// - Parameters:
    ///   - input: the bytes from the other side.
    ///   - output: the bytes for it.
    ///   - body: makes the calls.
    /// - Throws: what `body` throws.
    package static func through(
        _ input: RPCInput<ByteBuffer>,
        _ output: RPCOutput<ByteBuffer>,
        _ body: (RPCConnection) async throws -> Void
    ) async throws {
        let channel = MemoryChannel<ByteBuffer>(eventLoop: MultiThreadedEventLoopGroup.singleton.next())
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                // However the input ends, nothing more can be read.
                defer { channel.finishDelivery() }
                for try await bytes in input { await channel.deliver(bytes, size: bytes.readableBytes) }
            }
            group.addTask {
                // What cannot be written will never be: then the connection is over.
                defer { channel.abandon() }
                while let bytes = await channel.nextPiece() { try await output.write(bytes) }
            }
            defer { group.cancelAll() }
            try await over(channel, configured: { channel.activate() }, body)
        }
    }

    /// Waits until the connection ends; to cancel the task ends it.
    package func closed() async {
        await withTaskCancellationHandler {
            try? await channel.closeFuture.get()
        } onCancel: {
            channel.close(promise: nil)
        }
    }

    /// Whether the peer sends many small things and waits for no answer: see `MemoryChannel.gather`.
    ///
    /// Means something to a connection inside a call.
    package func gather(_ isOn: Bool) { (channel as? MemoryChannel<ByteBuffer>)?.gather(isOn) }

    /// Whether calls can still be made, as far as is known.
    package var isOpen: Bool { channel.isActive }

    /// Ends the connection: calls that run fail.
    package func close() { channel.close(promise: nil) }

    private static var settings: Transport.Config {
        .defaults {
            $0.http2.targetWindowSize = HTTP2Sizes.window
            $0.http2.maxFrameSize = HTTP2Sizes.frame
            $0.http2.authority = "localhost"
            // A session is silent for as long as a build needs nothing of its client.
            $0.connection.maxIdleTime = nil
            $0.channelDebuggingCallbacks.onCreateHTTP2Stream = { stream in
                stream.eventLoop.makeCompletedFuture {
                    let batcher = MessageBatcher(limit: RPCServer.messageLimit)
                    try stream.pipeline.syncOperations.addHandler(batcher, position: .first)
                }
            }
        }
    }
}

extension RPCConnection {
    /// A call with one message each way.
    /// - Throws: `RPCFailure`; `CancellationError` if the task is cancelled.
    package func unary<Question: Message, Answer: Message>(
        _ service: String,
        _ method: String,
        _ question: Question,
        metadata: [(key: String, value: String)] = []
    ) async throws -> Answer {
        try await reportingFailures {
            try await client.unary(
                request: ClientRequest(message: question, metadata: Metadata(metadata)),
                descriptor: MethodDescriptor(fullyQualifiedService: service, method: method),
                serializer: ProtobufSerializer<Question>(),
                deserializer: ProtobufDeserializer<Answer>(),
                options: Self.options
            ) { try $0.message }
        }
    }

    /// A call with any number of messages each way.
    /// - Parameters:
    ///   - service: the full name of the service.
    ///   - method: the name of the method.
    ///   - metadata: what is sent before the first message.
    ///   - send: writes the messages; the sending side ends when it returns.
    ///   - receive: reads the answers; the call ends when it returns.
    /// - Returns: what `receive` returns.
    /// - Throws: `RPCFailure`; `CancellationError` if the task is cancelled; else what `receive` throws.
    package func stream<Question: Message, Answer: Message, Value: Sendable>(
        _ service: String,
        _ method: String,
        metadata: [(key: String, value: String)] = [],
        send: @escaping @Sendable (RPCOutput<Question>) async throws -> Void,
        receive: @escaping @Sendable (RPCInput<Answer>) async throws -> Value
    ) async throws -> Value {
        let coding = (ProtobufSerializer<Question>(), ProtobufDeserializer<Answer>())
        return try await call(service, method, metadata, coding, send: send, receive: receive)
    }

    /// A call whose answers are many and small: `receive` gets as many at a time as have come; see `stream`.
    package func batches<Question: Message, Answer: Message, Value: Sendable>(
        _ service: String,
        _ method: String,
        metadata: [(key: String, value: String)] = [],
        send: @escaping @Sendable (RPCOutput<Question>) async throws -> Void,
        receive: @escaping @Sendable (RPCInput<[Answer]>) async throws -> Value
    ) async throws -> Value {
        let coding = (ProtobufSerializer<Question>(), BatchCoding<Answer>())
        let metadata = metadata + [MessageBatcher.request]
        return try await call(service, method, metadata, coding, send: send, receive: receive)
    }

    /// A call whose messages each way hold nothing but bytes, in field 1; see `stream`.
    package func byteStream<Value: Sendable>(
        _ service: String,
        _ method: String,
        metadata: [(key: String, value: String)] = [],
        send: @escaping @Sendable (RPCOutput<ByteBuffer>) async throws -> Void,
        receive: @escaping @Sendable (RPCInput<ByteBuffer>) async throws -> Value
    ) async throws -> Value {
        let coding = (ByteMessageCoding(), ByteMessageCoding())
        let metadata = metadata + [MessageBatcher.request]
        return try await call(service, method, metadata, coding, send: send, receive: receive)
    }

    private func call<Serializer: MessageSerializer, Deserializer: MessageDeserializer, Value: Sendable>(
        _ service: String,
        _ method: String,
        _ metadata: [(key: String, value: String)],
        _ coding: (Serializer, Deserializer),
        send: @escaping @Sendable (RPCOutput<Serializer.Message>) async throws -> Void,
        receive: @escaping @Sendable (RPCInput<Deserializer.Message>) async throws -> Value
    ) async throws -> Value where Serializer.Message: Sendable, Deserializer.Message: Sendable {
        try await reportingFailures {
            try await client.bidirectionalStreaming(
                request: StreamingClientRequest(metadata: Metadata(metadata)) { try await send(RPCOutput($0)) },
                descriptor: MethodDescriptor(fullyQualifiedService: service, method: method),
                serializer: coding.0,
                deserializer: coding.1,
                options: Self.options
            ) { try await receive(RPCInput($0.messages)) }
        }
    }

    private static var options: CallOptions {
        var options = CallOptions.defaults
        // The transport takes the limit of requests for that of answers.
        options.maxRequestMessageBytes = RPCServer.messageLimit
        options.maxResponseMessageBytes = RPCServer.messageLimit
        return options
    }

    private func reportingFailures<Value>(_ call: () async throws -> Value) async throws -> Value {
        do {
            return try await call()
        } catch let error as RPCError {
            if Task.isCancelled { throw CancellationError() }
            throw RPCFailure(error)
        } catch let error as RuntimeError {
            throw RPCFailure(.unavailable, error.message)
        }
    }
}

extension Metadata {
    fileprivate init(_ pairs: [(key: String, value: String)]) {
        self.init()
        for (key, value) in pairs { addString(value, forKey: key) }
    }
}
