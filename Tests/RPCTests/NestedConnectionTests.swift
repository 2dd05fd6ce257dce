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
                        received.withLock { received in
                            // Of the messages only what they carry is kept, not where each began.
                            var rest = bytes
                            while rest.readableBytes > 0 {
                                let start = received.count % Self.piece
                                let part = rest.readSlice(length: min(Self.piece - start, rest.readableBytes))
                                let count = part?.readableBytes ?? 0
                                received.isSame = received.isSame && part == expected.getSlice(at: start, length: count)
                                received.count += count
                            }
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

    /// Answers with texts of given lengths.
    private struct Texts: RPCService {
        let lengths: [Int]

        func register(in methods: inout MethodTable) {
            methods.stream(TestService.name, "Texts") { (_: RPCInput<Text>, _, output: RPCOutput<Text>) in
                for (index, length) in lengths.enumerated() { try await output.write(Self.text(index, length)) }
            }
        }

        static func text(_ index: Int, _ length: Int) -> Text {
            .with { $0.value = String(repeating: ["a", "b", "c"][index % 3], count: length) }
        }
    }

    /// Calls `Texts` back from inside a call, and gives what came of it.
    private func batches(of lengths: [Int], gathering: Bool = false) async throws -> Result<[[Text]], any Error> {
        let received = Mutex<[[Text]]>([])
        let carrier = Carrier { connection in
            connection.gather(gathering)
            try await connection.batches(
                TestService.name,
                "Texts",
                send: { (_: RPCOutput<Text>) in },
                receive: { (input: RPCInput<[Text]>) in
                    for try await batch in input { received.withLock { $0.append(batch) } }
                }
            )
        }
        let done = Mutex<Result<Void, any Error>?>(nil)
        try await withSocket { socket in
            try await withServer([carrier], at: [socket]) { addresses in
                try await withConnection(to: addresses[0]) { connection in
                    try await answering([Texts(lengths: lengths)], over: connection, (TestService.name, "Carry")) { _ in
                        let result = await carrier.done.value()
                        done.withLock { $0 = result }
                    }
                }
            }
        }
        return (done.withLock { $0 } ?? .success(())).map { received.withLock { $0 } }
    }

    @Test(arguments: [false, true])
    func `gives messages in batches, whatever their size, each once and in order`(gathering: Bool) async throws {
        var lengths = (0..<2_000).map { $0 % 70 }
        // Around what frames and batches have room for.
        lengths += [16_384, 300_000, 3, 0, 65_529, 1 << 19, 1]
        let batches = try await batches(of: lengths, gathering: gathering).get()
        #expect(batches.flatMap { $0 } == lengths.enumerated().map { Texts.text($0, $1) })
        #expect(batches.count < lengths.count)
        #expect(batches.allSatisfy { !$0.isEmpty })
    }

    @Test func `refuses a message that is too large for a batch`() async throws {
        let result = try await batches(of: [3, RPCServer.messageLimit + 1])
        #expect(throws: RPCFailure.self) { try result.get() }
    }
}
