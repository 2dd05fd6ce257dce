package import GRPCCore

/// The messages that the other side of a call sends, once.
package struct RPCInput<Element: Sendable>: AsyncSequence, Sendable {
    private let messages: RPCAsyncSequence<Element, any Error>

    init(_ messages: RPCAsyncSequence<Element, any Error>) { self.messages = messages }

    package func makeAsyncIterator() -> RPCAsyncSequence<Element, any Error>.AsyncIterator {
        messages.makeAsyncIterator()
    }

    /// The one message of a call that takes one.
    /// - Throws: `RPCFailure` if it is missing, or if more than one came.
    func single() async throws -> Element {
        var iterator = makeAsyncIterator()
        guard let message = try await iterator.next() else {
            throw RPCFailure(.invalidArgument, "the call ended before its message")
        }
        guard try await iterator.next() == nil else {
            throw RPCFailure(.invalidArgument, "the call takes one message and received more")
        }
        return message
    }
}

/// Where messages for the other side of a call are written.
package struct RPCOutput<Element: Sendable>: Sendable {
    private let writer: RPCWriter<Element>

    init(_ writer: RPCWriter<Element>) { self.writer = writer }

    /// Sends a message; waits while the other side is slow to take what was sent before.
    package func write(_ element: Element) async throws { try await writer.write(element) }
}

/// What a server knows of a call besides its messages.
package struct RPCContext: Sendable {
    private let metadata: Metadata
    /// The address of the client as gRPC writes it: `unix:/run/slipway.sock`, `ipv4:127.0.0.1:4711`.
    package let peer: String

    init(metadata: Metadata, peer: String) {
        self.metadata = metadata
        self.peer = peer
    }

    /// The values that the client sent under a key, in their order; keys are written in lower case.
    package func values(_ key: String) -> [String] { Array(metadata[stringValues: key]) }

    /// The first of them.
    package func value(_ key: String) -> String? { metadata[stringValues: key].first { _ in true } }
}
