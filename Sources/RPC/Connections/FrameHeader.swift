internal import NIOCore

/// What stands before each frame of HTTP/2 (RFC 9113, section 4.1).
struct FrameHeader {
    /// Bytes of the frame that follow the header.
    let length: Int
    let kind: Kind
    let flags: UInt8
    let stream: UInt32

    /// The kinds of frames that matter here.
    struct Kind: RawRepresentable, Hashable {
        let rawValue: UInt8
        static let data = Self(rawValue: 0)
        static let ping = Self(rawValue: 6)
    }

    /// Bytes of the header itself.
    static let size = 9

    /// Nil where it has not all come.
    init?(_ bytes: ByteBuffer, at index: Int) {
        guard index + Self.size <= bytes.writerIndex,
            let high = bytes.getInteger(at: index, as: UInt8.self),
            let low = bytes.getInteger(at: index + 1, as: UInt16.self),
            let kind = bytes.getInteger(at: index + 3, as: UInt8.self),
            let flags = bytes.getInteger(at: index + 4, as: UInt8.self),
            let stream = bytes.getInteger(at: index + 5, as: UInt32.self)
        else { return nil }
        length = Int(high) << 16 | Int(low)
        self.kind = Kind(rawValue: kind)
        self.flags = flags
        self.stream = stream
    }
}

/// The end of a connection that a handler stands at.
package enum ConnectionSide: Sendable {
    case server
    case client

    /// The bytes that come before the first frame: the client's preface (RFC 9113, section 3.4).
    var prefaceLength: Int {
        switch self {
        case .server: 24
        case .client: 0
        }
    }
}
