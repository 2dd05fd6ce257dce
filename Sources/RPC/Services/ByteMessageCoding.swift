internal import GRPCCore
package import NIOCore

/// A message that holds bytes in field 1 and nothing else, as they are in the buffers of NIO.
///
/// A session sends a whole build context through such messages. SwiftProtobuf would copy each of them into a `Data`. They are read in
/// batches, whose bytes become one buffer.
struct ByteMessageCoding: MessageSerializer, MessageDeserializer {
    /// Field 1, with its length before it.
    private static let tag: UInt8 = 0x0a

    func serialize<Bytes: GRPCContiguousBytes>(_ message: ByteBuffer) throws -> Bytes {
        var header = [Self.tag]
        var rest = message.readableBytes
        while rest >= 0x80 {
            header.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        header.append(UInt8(rest))
        var bytes = Bytes(repeating: 0, count: header.count + message.readableBytes)
        bytes.withUnsafeMutableBytes { target in
            target.copyBytes(from: header)
            message.withUnsafeReadableBytes { source in
                UnsafeMutableRawBufferPointer(rebasing: target[header.count...]).copyMemory(from: source)
            }
        }
        return bytes
    }

    func deserialize<Bytes: GRPCContiguousBytes>(_ serializedMessageBytes: Bytes) throws -> ByteBuffer {
        var content = ByteBuffer()
        content.reserveCapacity(serializedMessageBytes.count)
        try MessageBatch.forEach(of: serializedMessageBytes) { try Self.add($0, to: &content) }
        return content
    }

    /// Adds what the field of a message holds: the last, where it is there several times.
    fileprivate static func add(_ bytes: UnsafeRawBufferPointer, to content: inout ByteBuffer) throws {
        var reader = WireReader(bytes)
        let start = content.writerIndex
        while !reader.isAtEnd {
            let tag = try reader.number()
            if tag == UInt64(Self.tag) {
                content.moveWriterIndex(to: start)
                content.writeBytes(try reader.block())
            } else {
                try reader.skip(tag)
            }
        }
    }
}

/// Messages as they are sent: for methods whose messages have several forms.
struct RawMessageCoding: MessageSerializer, MessageDeserializer {
    func serialize<Bytes: GRPCContiguousBytes>(_ message: ByteBuffer) throws -> Bytes {
        var bytes = Bytes(repeating: 0, count: message.readableBytes)
        bytes.withUnsafeMutableBytes { target in
            message.withUnsafeReadableBytes { target.copyMemory(from: $0) }
        }
        return bytes
    }

    func deserialize<Bytes: GRPCContiguousBytes>(_ serializedMessageBytes: Bytes) throws -> ByteBuffer {
        serializedMessageBytes.withUnsafeBytes { ByteBuffer(bytes: $0) }
    }
}

/// The bytes of a message, as it was sent, that holds nothing but bytes in field 1.
package func contentOfByteMessage(_ message: ByteBuffer) throws -> ByteBuffer {
    var content = ByteBuffer()
    try message.withUnsafeReadableBytes { try ByteMessageCoding.add($0, to: &content) }
    return content
}

/// Reads protobuf's wire format.
private struct WireReader {
    private let bytes: UnsafeRawBufferPointer
    private var index = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isAtEnd: Bool { index >= bytes.count }

    mutating func number() throws -> UInt64 {
        var value: UInt64 = 0
        for shift in stride(from: UInt64(0), to: 64, by: 7) {
            guard index < bytes.count else { break }
            let byte = bytes[index]
            index += 1
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
        }
        throw Self.malformed
    }

    mutating func block() throws -> UnsafeRawBufferPointer {
        let count = try number()
        return UnsafeRawBufferPointer(rebasing: bytes[try range(count)])
    }

    mutating func skip(_ tag: UInt64) throws {
        switch tag & 7 {
        case 0: _ = try number()
        case 1: _ = try range(8)
        case 2: _ = try block()
        case 5: _ = try range(4)
        default: throw Self.malformed
        }
    }

    private mutating func range(_ count: UInt64) throws -> Range<Int> {
        guard count <= UInt64(bytes.count - index) else { throw Self.malformed }
        defer { index += Int(count) }
        return index..<(index + Int(count))
    }

    private static let malformed = RPCError(code: .invalidArgument, message: "malformed message of a byte stream")
}
