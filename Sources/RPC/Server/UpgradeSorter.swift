internal import NIOCore
internal import NIOHTTP1

/// Keeps upgrades that are none to HTTP/2 from NIO's handler for upgrades, which loses a request that it has no upgrade for.
///
/// Such a request goes on under a header of our own, which says that the decoder reads nothing behind it; a client's own is dropped.
final class UpgradeSorter: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart

    static let header = "Slipway-Asked-Upgrade"

    private let isTaken: (HTTPRequestHead) -> Bool
    /// After a request that is upgraded no other one comes, but bytes of something else.
    private var isOver = false

    /// - Parameter isTaken: whether there is an upgrade for a request.
    init(_ isTaken: @escaping (HTTPRequestHead) -> Bool) { self.isTaken = isTaken }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isOver, case .head(var head) = unwrapInboundIn(data) else { return context.fireChannelRead(data) }
        head.headers.remove(name: Self.header)
        let asked = head.headers[canonicalForm: "upgrade"].map(String.init)
        isOver = !asked.isEmpty && isTaken(head)
        if !asked.isEmpty, !isOver {
            head.headers.remove(name: "upgrade")
            // The decoder stops at requests whose other header says so, too.
            let stops = head.headers[canonicalForm: "connection"].contains { $0.lowercased() == "upgrade" }
            if stops, head.version == .http1_1 { head.headers.add(name: Self.header, value: asked[0]) }
        }
        context.fireChannelRead(wrapInboundOut(.head(head)))
    }
}
