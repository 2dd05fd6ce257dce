import BuildKitProto
import FileSync
import RPC
import Tasks

extension Session {
    /// Exchanges packets with the client as long as `body` runs.
    /// - Parameters:
    ///   - service: whose `DiffCopy` is called.
    ///   - metadata: says which files it is about.
    ///   - body: is one end of the exchange.
    func sync(
        _ service: String,
        metadata: [(key: String, value: String)],
        _ body: @escaping @Sendable (any PacketChannel) async throws -> Void
    ) async throws {
        let (output, isDone) = (Promise<RPCOutput<Fsutil_Types_Packet>>(), Promise<Void>())
        try await connection.stream(
            service,
            "DiffCopy",
            metadata: metadata,
            send: {
                output.keep($0)
                await isDone.value()
            },
            receive: { input in
                defer { isDone.keep(()) }
                try await body(CallPackets(input, await output.value()))
            }
        )
    }
}

/// The packets of a call.
///
/// Not checked by the compiler: the iterator is used by one task at a time, as `PacketChannel` promises.
private final class CallPackets: PacketChannel, @unchecked Sendable {
    private var input: RPCInput<Fsutil_Types_Packet>.AsyncIterator
    private let output: RPCOutput<Fsutil_Types_Packet>

    init(_ input: RPCInput<Fsutil_Types_Packet>, _ output: RPCOutput<Fsutil_Types_Packet>) {
        self.input = input.makeAsyncIterator()
        self.output = output
    }

    func next() async throws -> Fsutil_Types_Packet? { try await input.next() }

    func send(_ packet: Fsutil_Types_Packet) async throws { try await output.write(packet) }
}
