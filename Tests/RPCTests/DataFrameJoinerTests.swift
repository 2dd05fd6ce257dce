import NIOCore
import NIOEmbedded
import RPC
import Testing

@Suite struct `Data frames` {
    private struct Frame: Hashable {
        var kind: UInt8 = 0
        var flags: UInt8 = 0
        var stream: UInt8 = 1
        var content: [UInt8] = []

        var bytes: [UInt8] { [0, 0, UInt8(content.count), kind, flags, 0, 0, 0, stream] + content }

        static func data(_ content: [UInt8], stream: UInt8 = 1, flags: UInt8 = 0) -> Frame {
            Frame(flags: flags, stream: stream, content: content)
        }
    }

    /// What a handler makes of bytes that come in some pieces.
    private static func joined(_ pieces: [[UInt8]], at side: ConnectionSide = .client, limit: Int = 100) throws
        -> [UInt8]
    {
        let channel = EmbeddedChannel(handler: DataFrameJoiner(at: side, limit: limit))
        var bytes: [UInt8] = []
        for piece in pieces {
            try channel.writeInbound(ByteBuffer(bytes: piece))
            while let part = try channel.readInbound(as: ByteBuffer.self) { bytes += part.readableBytesView }
        }
        return bytes
    }

    private static func frames(_ bytes: [UInt8]) -> [Frame] {
        var frames: [Frame] = []
        var rest = bytes[...]
        while rest.count >= 9 {
            let header = Array(rest.prefix(9))
            let content = Array(rest.dropFirst(9).prefix(Int(header[2])))
            frames.append(Frame(kind: header[3], flags: header[4], stream: header[8], content: content))
            rest = rest.dropFirst(9 + content.count)
        }
        return frames
    }

    private static let sent: [Frame] = [
        Frame(kind: 4), .data([1, 2]), .data([3]), .data([]), .data([4, 5, 6]), .data([7], stream: 3), .data([8]),
        .data([9], flags: 8), .data([10]), Frame(kind: 1, content: [11, 12]), .data([13]), .data([14]),
        .data([15], flags: 1),
    ]

    @Test func `of one stream become one, up to the next frame of another kind, stream or flag`() throws {
        let expected: [Frame] = [
            Frame(kind: 4), .data([1, 2, 3, 4, 5, 6]), .data([7], stream: 3), .data([8]), .data([9], flags: 8),
            .data([10]), Frame(kind: 1, content: [11, 12]), .data([13, 14]), .data([15], flags: 1),
        ]
        #expect(Self.frames(try Self.joined([Self.sent.flatMap(\.bytes)])) == expected)
    }

    @Test func `say the same in whatever pieces they come`() throws {
        let bytes = Self.sent.flatMap(\.bytes)
        // What a stream carries, and where it stands among the frames that are no data.
        func meaning(_ frames: [Frame]) -> [Frame] {
            frames.reduce(into: []) { result, frame in
                if let last = result.last, last.kind == 0, frame.kind == 0, last.flags == 0, frame.flags == 0,
                    last.stream == frame.stream
                {
                    result[result.count - 1].content += frame.content
                } else {
                    result.append(frame)
                }
            }
        }
        let expected = meaning(Self.sent)
        for first in 0...bytes.count {
            for length in [1, 9, 20] {
                let second = min(first + length, bytes.count)
                let pieces = [bytes[..<first], bytes[first..<second], bytes[second...]].map(Array.init)
                #expect(meaning(Self.frames(try Self.joined(pieces))) == expected, "\(first) \(second)")
            }
        }
        #expect(meaning(Self.frames(try Self.joined(bytes.map { [$0] }))) == expected)
    }

    @Test func `become no larger than the connection allows`() throws {
        let sent = Array(repeating: Frame.data(Array(repeating: 7, count: 40)), count: 5)
        let frames = Self.frames(try Self.joined([sent.flatMap(\.bytes)]))
        #expect(frames.map(\.content.count) == [80, 80, 40])
    }

    @Test func `come after a client's preface`() throws {
        let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
        let bytes = preface + Frame.data([1]).bytes + Frame.data([2]).bytes
        for split in 0...bytes.count {
            let joined = try Self.joined([Array(bytes[..<split]), Array(bytes[split...])], at: .server)
            #expect(joined.starts(with: preface))
            #expect(Self.frames(Array(joined.dropFirst(preface.count))).flatMap(\.content) == [1, 2])
        }
    }
}
