package import Text

/// One message of a stream of JSON, as Docker's engine sends them.
package struct MessageLine: Sendable, Hashable {
    private let document: JSONValue

    init(_ members: [JSONValue.Member]) { document = .object(members) }

    private init(_ members: JSONValue.Member...) { self.init(members) }

    /// With the end of the line.
    package var bytes: [UInt8] { Array((document.text() + "\r\n").utf8) }

    /// Something that is not for people: what it is, and it.
    package static func auxiliary(_ id: String, _ value: JSONValue) -> MessageLine {
        MessageLine(.init("id", .string(id)), .init("aux", value))
    }

    /// What a build does, as a message of BuildKit's.
    package static func trace(_ message: [UInt8]) -> MessageLine {
        auxiliary("moby.buildkit.trace", .bytes(message))
    }

    /// The id of the image that was built.
    package static func image(_ id: String) -> MessageLine {
        auxiliary("moby.image.id", .object([.init("ID", .string(id))]))
    }

    /// Text that the client prints.
    package static func text(_ text: String) -> MessageLine { MessageLine(.init("stream", .string(text))) }

    /// What ends a stream that has begun.
    package static func failure(_ message: String) -> MessageLine {
        MessageLine(
            .init("errorDetail", .object([.init("message", .string(message))])),
            .init("error", .string(message))
        )
    }
}
