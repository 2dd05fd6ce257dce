import ClientServices
import Foundation
import SystemPackage
import Testing
import Text

@Suite struct `What a client offers` {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test func `a secret is what its file holds when it is asked for`() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "secret-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        let client = ClientServices(secrets: [bytes("token"): .file(FilePath(file.path))])
        for text in ["one", "two"] {
            try Data(text.utf8).write(to: file)
            #expect(try await client.secret(bytes("token"), isOptional: false)?.revealBytes() == bytes(text))
        }
    }

    @Test func `a secret that is not offered is an error, or absent where it is optional`() async throws {
        let client = ClientServices()
        #expect(try await client.secret(bytes("token"), isOptional: true) == nil)
        await #expect(throws: ClientServiceError.secretNotFound(bytes("token"))) {
            _ = try await client.secret(bytes("token"), isOptional: false)
        }
        #expect("\(ClientServiceError.secretNotFound(bytes("token")))".hasPrefix("secret token: not found"))
    }

    @Test func `a secret larger than 500 KB is refused`() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "secret-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        let client = ClientServices(secrets: [bytes("big"): .file(FilePath(file.path))])
        try Data(repeating: 0x61, count: 500 * 1024).write(to: file)
        #expect(try await client.secret(bytes("big"), isOptional: false)?.revealBytes().count == 500 * 1024)
        try Data(repeating: 0x61, count: 500 * 1024 + 1).write(to: file)
        await #expect(throws: ClientServiceError.secretTooLarge(bytes("big"))) {
            _ = try await client.secret(bytes("big"), isOptional: false)
        }
    }

    @Test func `a secret does not print itself`() {
        let secret = Secret(bytes("hunter2"))
        var dumped = ""
        dump(secret, to: &dumped)
        dump(SecretSource.value(secret), to: &dumped)
        for text in ["\(secret)", String(reflecting: secret), "\(SecretSource.value(secret))", dumped] {
            #expect(!text.contains("hunter2") && !text.contains("104"))
        }
    }

    @Test func `an agent that is not forwarded is an error that names the key`() async throws {
        let client = ClientServices()
        #expect(try await client.agent(bytes("default"), isOptional: true) == nil)
        await #expect(throws: ClientServiceError.noAgentForwarded(bytes("default"))) {
            _ = try await client.agent(bytes("default"), isOptional: false)
        }
        #expect(
            "\(ClientServiceError.noAgentForwarded(bytes("default")))".hasPrefix(
                "no SSH key \"default\" forwarded from the client"
            )
        )
    }
}

@Suite struct `The protocol of agents` {
    /// The numbers of the protocol's requests, from its specification and OpenSSH's authfd.h.
    @Test(
        arguments: [
            (11, true), (13, true), (1, false), (3, false), (7, false), (9, false), (17, false), (18, false),
            (19, false),
            (20, false), (21, false), (22, false), (23, false), (25, false), (26, false), (27, false), (0, false),
        ] as [(UInt8, Bool)]
    )
    func `lets a step list keys and sign, and nothing else`(number: UInt8, allowed: Bool) {
        #expect(AgentProtocol.isAllowed([number, 0, 0]) == allowed)
    }

    @Test func `has messages with a length in front`() {
        #expect(AgentProtocol.length([0, 0, 1, 2]) == 258)
        #expect(AgentProtocol.length([0, 0, 0, 0]) == nil)
        #expect(AgentProtocol.length([0, 0, 1]) == nil)
        #expect(AgentProtocol.length([0xff, 0xff, 0xff, 0xff]) == nil)
        #expect(!AgentProtocol.isAllowed([]))
        // Length 1, SSH_AGENT_FAILURE.
        #expect(AgentProtocol.refusal == [0, 0, 0, 1, 5])
    }
}

@Suite struct `Messages of agents` {
    @Test func `are put together from pieces of any size`() throws {
        let sent: [[UInt8]] = [[0, 0, 0, 1, 11], [0, 0, 0, 3, 13, 1, 2]]
        for size in 1...12 {
            var messages = AgentMessages()
            var received: [[UInt8]] = []
            var rest = sent.joined().map(\.self)[...]
            while !rest.isEmpty {
                messages.add(rest.prefix(size))
                rest = rest.dropFirst(size)
                while let message = try messages.next() { received.append(message) }
            }
            #expect(received == sent)
        }
    }

    @Test(arguments: [[0, 0, 0, 0], [255, 255, 255, 255]] as [[UInt8]])
    func `of a length that none has are refused`(_ length: [UInt8]) {
        var messages = AgentMessages()
        messages.add(length)
        #expect(throws: ClientServiceError.malformedAgentRequest) { try messages.next() }
    }
}
