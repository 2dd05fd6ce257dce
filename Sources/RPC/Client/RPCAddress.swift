internal import LinuxSystem
internal import NIOCore
internal import NIOPosix
internal import NIOSSL
package import SystemPackage
internal import Text

/// Where a server of gRPC is.
package enum RPCAddress: Sendable, Hashable, CustomStringConvertible {
    case unix(FilePath)
    /// Without TLS where there is no identity.
    case tcp(host: String, port: Int, tls: ClientIdentity?)

    package var description: String {
        switch self {
        case .unix(let path): "unix://\(escapedForDisplay(path.bytes))"
        case .tcp(let host, let port, _): "tcp://\(host.contains(":") ? "[\(host)]" : host):\(port)"
        }
    }
}

/// How a client speaks TLS: PEM files.
package struct ClientIdentity: Sendable, Hashable {
    /// Who signed the server's certificate; nil trusts the authorities of the system.
    package var authority: FilePath?
    /// Nil where the server asks for no certificate.
    package var certificate: FilePath?
    package var key: FilePath?

    package init(authority: FilePath? = nil, certificate: FilePath? = nil, key: FilePath? = nil) {
        self.authority = authority
        self.certificate = certificate
        self.key = key
    }
}

/// Why a server cannot be called.
package enum DialError: Error, Sendable, CustomStringConvertible {
    case unreachable(RPCAddress, reason: String)
    case certificateUnusable(reason: String)

    package var description: String {
        switch self {
        case .unreachable(let address, let reason): "cannot connect to \(address): \(reason); is the daemon running?"
        case .certificateUnusable(let reason): "cannot connect with TLS: \(reason)"
        }
    }
}

extension RPCConnection {
    /// Connects to a server for as long as `body` runs.
    /// - Parameters:
    ///   - address: of the server.
    ///   - body: makes the calls.
    /// - Returns: what `body` returns.
    /// - Throws: `DialError` if there is no connection; else what `body` throws.
    package static func to<Value: Sendable>(
        _ address: RPCAddress,
        _ body: (RPCConnection) async throws -> Value
    ) async throws -> Value {
        let channel = try await address.connect()
        // A server may speak first, as Go's does: what it says is read when there is something to understand it.
        let read: @Sendable () -> Void = { channel.setOption(.autoRead, value: true).whenComplete { _ in } }
        return try await over(channel, configured: read, body)
    }
}

extension RPCAddress {
    fileprivate func connect() async throws -> any Channel {
        let bootstrap = ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .connectTimeout(.seconds(30))
            .channelOption(.autoRead, value: false)
            // As on the server's side: what a build sends back comes in large pieces.
            .channelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 256 << 10))
        do {
            switch self {
            case .unix(let path):
                let descriptor = try await onBlockingPool { try connectedLocalSocket(path) }
                return try await bootstrap.withConnectedSocket(descriptor).get()
            case .tcp(let host, let port, let tls):
                let context = try await onBlockingPool { try tls.map { try $0.makeContext() } }
                return
                    try await bootstrap
                    .channelOption(.tcpOption(.tcp_nodelay), value: 1)
                    // A daemon whose machine is gone sends no end of its connection.
                    .channelOption(.socketOption(.so_keepalive), value: 1)
                    .channelInitializer { channel in
                        channel.eventLoop.makeCompletedFuture {
                            guard let context else { return }
                            let handler = try Self.handler(context, host)
                            try channel.pipeline.syncOperations.addHandler(handler)
                        }
                    }.connect(host: host, port: port).get()
            }
        } catch let error as SystemCallError {
            throw DialError.unreachable(self, reason: SystemCallError.text(of: error.errno))
        } catch let error as DialError {
            throw error
        } catch let error as IOError {
            throw DialError.unreachable(self, reason: SystemCallError.text(of: Errno(rawValue: error.errnoCode)))
        } catch let error as NIOConnectionError {
            throw DialError.unreachable(self, reason: Self.reason(error))
        } catch {
            throw DialError.unreachable(self, reason: "\(error)")
        }
    }

    /// A certificate for an address has the address in it and no name.
    private static func handler(_ context: NIOSSLContext, _ host: String) throws -> NIOSSLClientHandler {
        let isAddress = (try? SocketAddress(ipAddress: host, port: 0)) != nil
        return try NIOSSLClientHandler(context: context, serverHostname: isAddress ? nil : host)
    }

    /// What was wrong with the addresses of a name that were tried.
    private static func reason(_ error: NIOConnectionError) -> String {
        if let failure = error.connectionErrors.first?.error {
            guard let failure = failure as? IOError else { return "\(failure)" }
            return SystemCallError.text(of: Errno(rawValue: failure.errnoCode))
        }
        return "the host \(error.host) cannot be found"
    }
}

extension ClientIdentity {
    /// - Throws: `DialError`.
    fileprivate func makeContext() throws -> NIOSSLContext {
        do {
            var settings = TLSConfiguration.makeClientConfiguration()
            settings.minimumTLSVersion = .tlsv12
            settings.applicationProtocols = ["h2"]
            if let authority { settings.trustRoots = .file(authority.string) }
            if let certificate {
                settings.certificateChain = try NIOSSLCertificate.fromPEMFile(certificate.string)
                    .map(NIOSSLCertificateSource.certificate)
            }
            if let key { settings.privateKey = .privateKey(try NIOSSLPrivateKey(file: key.string, format: .pem)) }
            return try NIOSSLContext(configuration: settings)
        } catch {
            throw DialError.certificateUnusable(reason: "\(error)")
        }
    }
}
