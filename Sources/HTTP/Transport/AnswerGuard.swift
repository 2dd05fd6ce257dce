internal import AsyncHTTPClient
internal import NIOCore
internal import NIOHTTP1

/// An answer that breaks the rules of HTTP in a way that its decoder lets pass.
struct AnswerViolation: Error, Hashable, CustomStringConvertible {
    let description: String

    init(_ description: String) { self.description = description }
}

/// Decides which parts of answers the HTTP client gets to see: an answer is one head, its body, and its end.
///
/// The client takes any status below 200 for that of an interim answer, which has no end, and then stops the process at the end of
/// a 000 or 099 (`HTTPRequestStateMachine`). And it waits for as long as interim answers come.
struct AnswerSequence {
    /// How many interim answers there may be before an answer; Go's client takes five.
    static let mostInterimAnswers = 32

    private enum State {
        case expectingHead(interimAnswers: Int)
        case inBody
        case broken
    }

    /// What becomes of a part.
    enum Verdict: Equatable {
        case pass
        /// It means nothing to the client.
        case ignore
        /// The connection is of no use any more.
        case fail(AnswerViolation)
    }

    private var state = State.expectingHead(interimAnswers: 0)

    mutating func verdict(on part: HTTPClientResponsePart) -> Verdict {
        switch (state, part) {
        case (.broken, _): return .ignore
        case (.expectingHead(let count), .head(let head)): return verdict(onStatus: head.status.code, after: count)
        case (.expectingHead, _): return fail("the body has no head")
        case (.inBody, .head): return fail("one answer begins inside another")
        case (.inBody, .body): return .pass
        case (.inBody, .end):
            state = .expectingHead(interimAnswers: 0)
            return .pass
        }
    }

    private mutating func verdict(onStatus status: UInt, after count: Int) -> Verdict {
        switch status {
        case 101: return fail("the server switches to a protocol that was not asked for")
        case 100..<200:
            guard count < Self.mostInterimAnswers else {
                return fail("there are more than \(Self.mostInterimAnswers) interim answers")
            }
            state = .expectingHead(interimAnswers: count + 1)
            // Not handed on: each would begin anew the time in which something must come.
            return .ignore
        case 200...:
            state = .inBody
            return .pass
        default: return fail("there is no status \(String(repeating: "0", count: 3 - "\(status)".count))\(status)")
        }
    }

    private mutating func fail(_ reason: String) -> Verdict {
        state = .broken
        return .fail(AnswerViolation(reason))
    }
}

/// Stands in a connection between the decoder of HTTP and the client.
final class AnswerGuard: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias InboundOut = HTTPClientResponsePart

    private var sequence = AnswerSequence()

    /// Puts one into each connection that clients of this configuration make.
    static func watch(connectionsOf configuration: inout HTTPClient.Configuration) {
        // The one place where the library lets others into its connections; it is called before the first request is sent.
        configuration.http1_1ConnectionDebugInitializer = { channel in
            channel.eventLoop.submit {
                let pipeline = channel.pipeline.syncOperations
                let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPResponseDecoder>.self)
                try pipeline.addHandler(AnswerGuard(), position: .after(decoder))
            }
        }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch sequence.verdict(on: unwrapInboundIn(data)) {
        case .pass: context.fireChannelRead(data)
        case .ignore: break
        case .fail(let violation):
            context.fireErrorCaught(violation)
            context.close(promise: nil)
        }
    }
}
