import Fakes
import GRPCCore
import NIOCore
import RPC
import RPCFakes
import SwiftProtobuf
import Synchronization
import SystemPackage
import Tasks
import Testing

/// A server that calls its client over a call of the client.
@Suite struct `A connection inside a call` {
    private static let size = 100 << 20
    private static let piece = 64 << 10

    /// Calls back over the call `Carry`, and gives the result of `body` to `done`.
    private struct Carrier: RPCService {
        let body: @Sendable (RPCConnection) async throws -> Void
        let done = Promise<Result<Void, any Error>>()

        func register(in methods: inout MethodTable) {
            methods.byteStream(TestService.name, "Carry") { input, _, output in
                try await RPCConnection.through(input, output) { connection in
                    do {
                        try await body(connection)
                        done.keep(.success(()))
                    } catch {
                        done.keep(.failure(error))
                    }
                }
            }
        }
    }

    /// Sends a lot, and counts it.
    private final class Source: RPCService {
        let sent = Mutex(0)

        func register(in methods: inout MethodTable) {
            methods.byteStream(TestService.name, "Pull") { _, _, output in
                let bytes = ByteBuffer(bytes: data(piece))
                for _ in 0..<(size / piece) {
                    try await output.write(bytes)
                    self.sent.withLock { $0 += piece }
                }
            }
        }
    }

    @Test func `carries 100 MB, of which little is on its way at a time`() async throws {
        let source = Source()
        let received = Mutex((count: 0, isSame: true))
        let carrier = Carrier { connection in
            try await connection.byteStream(
                TestService.name,
                "Pull",
                send: { _ in },
                receive: { input in
                    let expected = ByteBuffer(bytes: data(Self.piece))
                    // A reader that does not read: the sender must come to a halt.
                    var before = -1
                    while before != source.sent.withLock({ $0 }) {
                        before = source.sent.withLock { $0 }
                        try await Task.sleep(for: .milliseconds(150))
                    }
                    #expect(before < 50 << 20)
                    for try await bytes in input {
                        received.withLock {
                            $0.count += bytes.readableBytes
                            $0.isSame = $0.isSame && bytes == expected
                        }
                    }
                }
            )
        }
        try await withSocket { socket in
            try await withServer([carrier], at: [socket]) { addresses in
                try await withConnection(to: addresses[0]) { connection in
                    try await answering([source], over: connection, (TestService.name, "Carry")) { _ in
                        try await carrier.done.value().get()
                    }
                }
            }
        }
        #expect(received.withLock { $0.count } == Self.size)
        #expect(received.withLock { $0.isSame })
    }

    @Test func `fails calls that run when the call that carries it ends`() async throws {
        let inner = TestService()
        let carrier = Carrier { connection in
            let _: Text = try await connection.unary(TestService.name, "Hang", Text())
        }
        try await withSocket { socket in
            try await withServer([carrier], at: [socket]) { addresses in
                try await withConnection(to: addresses[0]) { connection in
                    try await answering([inner], over: connection, (TestService.name, "Carry")) { _ in
                        await inner.hasBegun.value()
                    }
                    let result = await carrier.done.value()
                    #expect(throws: (any Error).self) { try result.get() }
                }
            }
        }
    }
}
