import LinuxSystem
import NIOCore
import NIOPosix
import RPC
import SystemPackage
import Testing

@Suite struct `Dialling a server` {
    @Test func `reaches a socket whose path is too long for its name`() async throws {
        let directory = FilePath("/tmp/slipway-dial-\(UInt64.random(in: 0 ... .max))")
        let deep = directory.appending(String(repeating: "d", count: 150))
        try await onBlockingPool { try HostFiles.createDirectories(deep, mode: 0o700) }
        let socket = deep.appending("s")
        let server = RPCServer(services: [TestService()], grace: .zero) { RPCFailure(.unknown, "\($0)") }
        try await server.whileServing([.unix(socket, group: nil, mode: 0o600)]) { _ in
            try await RPCConnection.to(.unix(socket)) { try await $0.expectEcho("far") }
        }
        try await onBlockingPool { try removeTree(directory) }
    }

    @Test func `understands one that speaks first`() async throws {
        let server = RPCServer(services: [TestService()], grace: .zero) { RPCFailure(.unknown, "\($0)") }
        try await server.whileServing([]) { _ in
            // Without the part of ours that waits for the client's first word, as Go's servers do not.
            let listening = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .childChannelInitializer { server.adopt($0) }
                .bind(host: "127.0.0.1", port: 0).get()
            let port = try #require(listening.localAddress?.port)
            for number in 0..<100 {
                try await RPCConnection.to(.tcp(host: "127.0.0.1", port: port, tls: nil)) {
                    try await $0.expectEcho("\(number)")
                }
            }
            try await listening.close()
        }
    }

    @Test func `names the address that refuses the connection`() async throws {
        let listening = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(listening.localAddress?.port)
        try await listening.close()
        let error = await #expect(throws: DialError.self) {
            try await RPCConnection.to(.tcp(host: "127.0.0.1", port: port, tls: nil)) { try await $0.expectEcho("") }
        }
        #expect(error?.description.hasPrefix("cannot connect to tcp://127.0.0.1:\(port): connection refused") == true)
    }
}
