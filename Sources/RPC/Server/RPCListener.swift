internal import LinuxSystem
internal import NIOCore
internal import NIOPosix
internal import NIOSSL
package import SystemPackage

/// Where a server takes connections.
package enum RPCListener: Sendable {
    /// A Unix socket, made with a mode and the group that may connect; nil leaves the group of the process.
    case unix(FilePath, group: UInt32?, mode: UInt32)
    /// Without TLS only an address of the machine itself.
    case tcp(host: String, port: Int, tls: ServerIdentity?)
    /// A socket that another program bound: systemd's activation.
    case descriptor(CInt)

    var isSecure: Bool {
        switch self {
        case .tcp(_, _, let tls): tls != nil
        case .unix, .descriptor: false
        }
    }
}

/// How a server speaks TLS: PEM files.
package struct ServerIdentity: Sendable, Hashable {
    package var certificate: FilePath
    package var key: FilePath
    /// Who signed the certificates of clients; nil lets clients connect without one.
    package var clientAuthority: FilePath?

    package init(certificate: FilePath, key: FilePath, clientAuthority: FilePath?) {
        self.certificate = certificate
        self.key = key
        self.clientAuthority = clientAuthority
    }
}

/// A listener that takes connections.
struct OpenListener: Sendable {
    let channel: any Channel
    /// The socket that goes when the listener does.
    let path: FilePath?

    func takeConnections() { channel.setOption(.autoRead, value: true).whenComplete { _ in } }

    func close() async {
        try? await channel.close()
        // What is left is found and removed by the next server.
        if let path { _ = try? await onBlockingPool { try HostFiles.remove(path) } }
    }
}

extension RPCListener {
    /// Opens the listener, which takes connections as soon as it is told to read.
    /// - Throws: `ListenerError`.
    func open(
        on group: any EventLoopGroup,
        _ accept: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) async throws -> OpenListener {
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.autoRead, value: false)
            // A build context comes in pieces of this size, not of the 2 KiB that NIO begins with.
            .childChannelOption(.recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: 256 << 10))
        switch self {
        case .unix(let path, let owner, let mode):
            let descriptor = try await onBlockingPool { try bindSocket(path, owner: owner, mode: mode) }
            let channel = try await bootstrap.childChannelInitializer(accept).withBoundSocket(descriptor).get()
            return OpenListener(channel: channel, path: path)
        case .descriptor(let descriptor):
            do {
                let channel = try await bootstrap.childChannelInitializer(accept).withBoundSocket(descriptor).get()
                return OpenListener(channel: channel, path: nil)
            } catch {
                throw ListenerError.descriptorUnusable(descriptor, reason: "\(error)")
            }
        case .tcp(let host, let port, let tls):
            let channel = try await bind(bootstrap, host: host, port: port, tls: tls, accept)
            return OpenListener(channel: channel, path: nil)
        }
    }

    private func bind(
        _ bootstrap: ServerBootstrap,
        host: String,
        port: Int,
        tls: ServerIdentity?,
        _ accept: @escaping @Sendable (any Channel) -> EventLoopFuture<Void>
    ) async throws -> any Channel {
        let context = try await onBlockingPool { try tls.map { try $0.makeContext() } }
        do {
            let address = try await onBlockingPool { try SocketAddress.makeAddressResolvingHost(host, port: port) }
            guard context != nil || address.isLoopback else {
                throw ListenerError.plainBeyondLoopback(host: host, port: port)
            }
            return try await bootstrap.serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                .childChannelInitializer { channel in
                    guard let context else { return accept(channel) }
                    return channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: context))
                    }.flatMap { accept(channel) }
                }.bind(to: address).get()
        } catch let error as ListenerError {
            throw error
        } catch {
            throw ListenerError.addressUnusable(host: host, port: port, reason: "\(error)")
        }
    }
}

/// Makes the socket, in place of one that a server left behind.
/// - Throws: `ListenerError`.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
private func bindSocket(_ path: FilePath, owner: UInt32?, mode: UInt32) throws -> CInt {
    do {
        let directory = path.removingLastComponent()
        if !directory.isEmpty { try HostFiles.createDirectories(directory) }
        if let status = try HostFiles.status(of: path) {
            guard status.type == .socket else { throw ListenerError.notASocket(path) }
            guard try !isServed(path) else { throw ListenerError.socketInUse(path) }
            _ = try HostFiles.remove(path)
        }
        return try bindLocalSocket(path, mode: mode, group: owner)
    } catch let error as SystemCallError {
        throw ListenerError.socketNotMade(path, error)
    }
}

/// Whether a process listens on a socket.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
private func isServed(_ path: FilePath) throws(SystemCallError) -> Bool {
    do throws(SystemCallError) {
        _ = try connectLocalSocket(path, keepsMessages: false)
        return true
    } catch {
        if error.errno == .connectionRefused || error.errno == .noSuchFileOrDirectory { return false }
        throw error
    }
}

extension SocketAddress {
    fileprivate var isLoopback: Bool {
        switch self {
        case .v4: ipAddress?.hasPrefix("127.") ?? false
        case .v6: ipAddress == "::1"
        case .unixDomainSocket: true
        }
    }
}

extension ServerIdentity {
    /// - Throws: `ListenerError`.
    fileprivate func makeContext() throws -> NIOSSLContext {
        do {
            let chain = try NIOSSLCertificate.fromPEMFile(certificate.string).map(NIOSSLCertificateSource.certificate)
            let key = try NIOSSLPrivateKey(file: key.string, format: .pem)
            var settings = TLSConfiguration.makeServerConfiguration(
                certificateChain: chain,
                privateKey: .privateKey(key)
            )
            settings.minimumTLSVersion = .tlsv12
            settings.applicationProtocols = ["h2", "http/1.1"]
            if let clientAuthority {
                settings.trustRoots = .file(clientAuthority.string)
                settings.certificateVerification = .noHostnameVerification
            }
            return try NIOSSLContext(configuration: settings)
        } catch {
            throw ListenerError.certificateUnusable(reason: "\(error)")
        }
    }
}
