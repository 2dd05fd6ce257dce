import ClientServices
import Fakes
import Foundation
import LinuxSystem
import SystemPackage
import Testing

@Suite struct `The socket that a step finds` {
    /// What a step reads that writes something to its socket, and what is received behind it.
    private func exchange(_ question: [UInt8], isClients: Bool) async throws -> (answer: [UInt8], received: [UInt8]) {
        try await withTemporaryDirectory { directory in
            let place = directory.appending("step")
            try FileManager.default.createDirectory(atPath: place.string, withIntermediateDirectories: false)
            let (listener, forwarder) = try await onBlockingPool {
                let path = directory.appending("agent")
                let listener = try LocalSocketListener(at: path)
                let owner = ProcessContext.fileOwner
                let agent = try AgentSocket(path, isClients: isClients)
                return (listener, try AgentForwarder(to: agent, in: place, owner: owner, mode: 0o600))
            }
            async let _ = forwarder.serve()
            async let received = {
                let connection = try await listener.accept()
                let received = try await ByteReader(connection).readToEnd(limit: 1000)
                // Who was refused does not wait for it.
                try? await ByteWriter(connection).write(Array("heard".utf8))
                return received
            }()
            let connection = try connectLocalSocket(forwarder.socket, keepsMessages: false)
            try await ByteWriter(connection).write(question)
            try connection.finishWriting()
            let answer = try await ByteReader(connection).readToEnd(limit: 1000)
            return (answer, try await received)
        }
    }

    @Test func `carries everything to a remote client, which knows what it offers`() async throws {
        let question = Array("GET / HTTP/1.1\r\n\r\n".utf8)
        let (answer, received) = try await exchange(question, isClients: true)
        #expect(received == question)
        #expect(answer == Array("heard".utf8))
    }

    @Test func `carries to an agent of this machine only what a step may ask`() async throws {
        // To remove all keys.
        let (answer, received) = try await exchange([0, 0, 0, 1, 19], isClients: false)
        #expect(received.isEmpty)
        #expect(answer == [0, 0, 0, 1, 5])
    }
}
