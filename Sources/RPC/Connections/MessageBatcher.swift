internal import GRPCCore
internal import NIOCore
internal import NIOHPACK
internal import NIOHTTP2
internal import SwiftProtobuf

/// Makes one message of all that have come, on the streams of calls that ask for it.
///
/// gRPC's layers take about ten microseconds for a message, however small. What they see of such a stream is messages that
/// each hold some of the peer's, with the five bytes before each of them, which `MessageBatch` reads; their flow control,
/// their failures and their end of the stream stay as they are.
final class MessageBatcher: ChannelDuplexHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias InboundOut = HTTP2Frame.FramePayload
    typealias OutboundIn = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    /// A client's call asks by this entry of its metadata, which is not sent.
    static let request = (key: "slipway-batches", value: "1")

    private let limit: Int
    private let paths: Set<String>
    private var isBatching = false
    /// The beginning of a message that has not all come.
    private var held: ByteBuffer?

    /// - Parameters:
    ///   - limit: of the bytes of a message.
    ///   - paths: of the methods whose calls a server takes in batches.
    init(limit: Int, paths: Set<String> = []) {
        self.limit = limit
        self.paths = paths
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .headers(var headers) = unwrapOutboundIn(data), headers.headers.contains(name: Self.request.key)
        else {
            context.write(data, promise: promise)
            return
        }
        isBatching = true
        headers.headers.remove(name: Self.request.key)
        context.write(wrapOutboundOut(.headers(headers)), promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let payload = unwrapInboundIn(data)
        if case .headers(let headers) = payload, !paths.isDisjoint(with: headers.headers[":path"]) { isBatching = true }
        guard isBatching, case .data(let frame) = payload, case .byteBuffer(var bytes) = frame.data else {
            context.fireChannelRead(data)
            return
        }
        if var beginning = held {
            held = nil
            beginning.writeBuffer(&bytes)
            bytes = beginning
        }
        while let batch = batch(of: &bytes, context.channel.allocator) { pass(batch, endStream: false, context) }
        // What makes no messages is for gRPC to refuse.
        if !isBatching || frame.endStream {
            pass(bytes, endStream: frame.endStream, context)
        } else if bytes.readableBytes > 0 {
            held = bytes
        }
    }

    /// Takes messages that are complete, as many as make one of the largest size.
    private func batch(of bytes: inout ByteBuffer, _ allocator: ByteBufferAllocator) -> ByteBuffer? {
        var end = bytes.readerIndex
        while isBatching, let prefix = MessagePrefix(bytes, at: end) {
            let size = MessagePrefix.size + prefix.length
            guard !prefix.isCompressed, size <= limit else {
                isBatching = false
                break
            }
            guard end + size <= bytes.writerIndex, end + size - bytes.readerIndex <= limit else { break }
            end += size
        }
        guard var messages = bytes.readSlice(length: end - bytes.readerIndex), messages.readableBytes > 0 else {
            return nil
        }
        var batch = allocator.buffer(capacity: MessagePrefix.size + messages.readableBytes)
        batch.writeInteger(0 as UInt8)
        batch.writeInteger(UInt32(messages.readableBytes))
        batch.writeBuffer(&messages)
        return batch
    }

    private func pass(_ bytes: ByteBuffer, endStream: Bool, _ context: ChannelHandlerContext) {
        context.fireChannelRead(wrapInboundOut(.data(.init(data: .byteBuffer(bytes), endStream: endStream))))
    }
}

/// What stands before each message of gRPC.
private struct MessagePrefix {
    let isCompressed: Bool
    let length: Int

    static let size = 5

    /// Nil where it has not all come.
    init?(_ bytes: ByteBuffer, at index: Int) {
        guard index + Self.size <= bytes.writerIndex, let flag = bytes.getInteger(at: index, as: UInt8.self),
            let length = bytes.getInteger(at: index + 1, as: UInt32.self)
        else { return nil }
        isCompressed = flag != 0
        self.length = Int(length)
    }

    init?(_ bytes: Slice<UnsafeRawBufferPointer>) {
        guard bytes.count >= Self.size else { return nil }
        isCompressed = bytes[bytes.startIndex] != 0
        length = bytes.dropFirst().prefix(4).reduce(0) { $0 << 8 | Int($1) }
    }
}

/// The messages that a `MessageBatcher` put into one.
struct MessageBatch {
    /// Calls `body` with the bytes of each message.
    static func forEach<Bytes: GRPCContiguousBytes>(
        of batch: Bytes,
        _ body: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        try batch.withUnsafeBytes { bytes in
            var rest = bytes[...]
            while let prefix = MessagePrefix(rest) {
                // The batcher lets pass what it cannot put into a batch, and no message begins as a batch does.
                guard !prefix.isCompressed, MessagePrefix.size + prefix.length <= rest.count else {
                    throw RPCError(code: .resourceExhausted, message: "the message is too large")
                }
                rest = rest.dropFirst(MessagePrefix.size)
                try body(UnsafeRawBufferPointer(rebasing: rest.prefix(prefix.length)))
                rest = rest.dropFirst(prefix.length)
            }
        }
    }
}

/// Reads batches of messages.
struct BatchCoding<Element: Message>: MessageDeserializer {
    func deserialize<Bytes: GRPCContiguousBytes>(_ serializedMessageBytes: Bytes) throws -> [Element] {
        var messages: [Element] = []
        try MessageBatch.forEach(of: serializedMessageBytes) { bytes in
            do {
                messages.append(try Element(serializedBytes: Array(bytes)))
            } catch {
                throw RPCError(code: .invalidArgument, message: "malformed \(Element.self)", cause: error)
            }
        }
        return messages
    }
}
