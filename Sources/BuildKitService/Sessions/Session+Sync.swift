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
    /// - Throws: what `body` throws; `RPCFailure` and `ServiceError` where the call fails.
    func sync(
        _ service: String,
        metadata: [(key: String, value: String)],
        _ body: @escaping @Sendable (any PacketChannel) async throws -> Void
    ) async throws {
        // What comes back begins only when the client says something. One that receives says nothing before it was told of
        // files: so the work is done where messages are sent.
        let (input, outcome) = (Promise<RPCInput<Fsutil_Types_Packet>>(), Promise<Result<Void, any Error>>())
        try await stream(
            service,
            "DiffCopy",
            metadata: metadata,
            send: { output in
                do {
                    try await body(CallPackets(input, output))
                    outcome.keep(.success(()))
                } catch {
                    outcome.keep(.failure(error))
                }
            },
            receive: {
                input.keep($0)
                try await outcome.value().get()
            }
        )
    }
}

/// The packets of a call.
///
/// Not checked by the compiler: the iterator is used by one task at a time, as `PacketChannel` promises.
private final class CallPackets: PacketChannel, @unchecked Sendable {
    private let promised: Promise<RPCInput<Fsutil_Types_Packet>>
    private var input: RPCInput<Fsutil_Types_Packet>.AsyncIterator?
    private let output: RPCOutput<Fsutil_Types_Packet>

    init(_ input: Promise<RPCInput<Fsutil_Types_Packet>>, _ output: RPCOutput<Fsutil_Types_Packet>) {
        promised = input
        self.output = output
    }

    func next() async throws -> Fsutil_Types_Packet? {
        if input == nil { input = await promised.value().makeAsyncIterator() }
        return try await input?.next()
    }

    func send(_ packet: Fsutil_Types_Packet) async throws { try await output.write(packet) }
}
