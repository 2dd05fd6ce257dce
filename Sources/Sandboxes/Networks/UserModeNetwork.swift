internal import FoundationEssentials
package import LinuxSystem
package import SystemPackage
internal import Text

/// A program that carries the packets of a network namespace for an ordinary user: slirp4netns, or else pasta.
///
/// The namespace gets one interface. It reaches what the machine reaches, but none of the machine's loopback addresses.
package struct UserModeNetwork: Sendable {
    /// A port of the machine that leads to one of the namespace.
    package struct Port: Sendable, Hashable {
        /// Empty is every address of the machine.
        package var address: String
        package var outer: UInt16
        package var inner: UInt16
        /// Whether it is of UDP, not of TCP.
        package var isDatagram: Bool

        package init(address: String = "", outer: UInt16, inner: UInt16, isDatagram: Bool = false) {
            self.address = address
            self.outer = outer
            self.inner = inner
            self.isDatagram = isDatagram
        }
    }

    // What slirp4netns has, so that both are alike.
    package static let address = "10.0.2.100"
    package static let gateway = "10.0.2.2"
    package static let prefixLength = 24
    /// Answers as the machine's name server does, also where that has a loopback address.
    package static let nameServer = "10.0.2.3"
    package static let interface = "eth0"

    /// What can carry packets.
    package enum Carrier: String, Sendable {
        /// The first choice: uploads through pasta are slow or stop, and Debian 12's also loses and repeats bytes
        /// (docs/decisions/0028-slirp4netns-before-pasta.md).
        case slirp4netns
        case pasta

        /// The one that this machine has; nil if it has neither.
        @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
        package static var installed: Carrier? {
            [.slirp4netns, .pasta].first { (try? Program.named($0.rawValue).resolve()) != nil }
        }

        /// As `info` shows it, with why it is no better one.
        @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
        package static var summary: String {
            switch installed {
            case .slirp4netns?: "slirp4netns"
            case .pasta?:
                "pasta (uploads through it are slow, and an old one loses bytes; "
                    + "slirp4netns is better: apt-get install slirp4netns)"
            case nil: "none (\(UserModeNetworkError.noProgram))"
            }
        }
    }

    package let process: ProcessReference
    private let child: ChildProcess
    /// The program ends when no process has this open any more: the kernel closes it however this one ends.
    private let lifeline: OpenFile

    /// Starts the program.
    /// - Parameters:
    ///   - namespace: a file that the namespace is mounted on. pasta itself drops what it would take to find another
    ///     process's.
    ///   - ports: what leads into it.
    ///   - isIndependent: whether it may go on when this process has ended (`serve`).
    ///   - scratch: an empty directory.
    /// - Returns: it, once it carries packets.
    /// - Throws: `UserModeNetworkError`.
    package static func start(
        for namespace: FilePath,
        ports: [Port] = [],
        isIndependent: Bool = false,
        in scratch: FilePath
    ) async throws -> UserModeNetwork {
        let request = Request(namespace: namespace, ports: ports, isIndependent: isIndependent, scratch: scratch)
        switch await onBlockingPool({ Carrier.installed }) {
        case .slirp4netns?: return try await request.startSlirp()
        case .pasta?: return try await request.startPasta()
        case nil: throw UserModeNetworkError.noProgram
        }
    }

    /// Ends the program; the namespace is cut off.
    package func end() async throws { try await child.terminate(grace: .milliseconds(500)) }

    /// Has the program end with a process that it serves, and no more with this one.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func serve(_ served: ProcessReference) throws(SystemCallError) {
        try served.takeAlong(process, holding: lifeline)
    }

    fileprivate init(process: ProcessReference, child: ChildProcess, lifeline: OpenFile) {
        self.process = process
        self.child = child
        self.lifeline = lifeline
    }
}

/// Why a network namespace cannot be joined with others.
package enum UserModeNetworkError: Error, Sendable, Hashable, CustomStringConvertible {
    case noProgram
    /// The program cannot make an interface; nil is that there is another file in the place of the device.
    case noTunnel(SystemCallError?)
    case failed(program: String, says: [UInt8])

    package var description: String {
        switch self {
        case .noProgram: "neither slirp4netns nor pasta is there (install one with: apt-get install slirp4netns)"
        case .noTunnel(let error?):
            switch error.errno {
            case .permissionDenied, .notPermitted:
                "no interface can be made (\(error)); let every user do it: chmod 666 /dev/net/tun"
            default: "no interface can be made (\(error)); \(Self.tunnelRemedy)"
            }
        case .noTunnel(nil):
            "no interface can be made (/dev/net/tun is not the device of that name); \(Self.tunnelRemedy)"
        case .failed(let program, let says): "\(program): \(escapedForDisplay(says))"
        }
    }

    private static let tunnelRemedy =
        "have the kernel make the device: modprobe tun; a container must be given it: --device /dev/net/tun"

    /// Tries what the programs do first, of whose failure they do not always say what is missing.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    fileprivate static var missingTunnel: UserModeNetworkError? {
        do throws(SystemCallError) {
            let status = try OpenFile.open("/dev/net/tun", .readWrite).status()
            return status.type == .characterDevice && (status.deviceMajor, status.deviceMinor) == (10, 200)
                ? nil : .noTunnel(nil)
        } catch {
            return .noTunnel(error)
        }
    }
}

private struct Request: Sendable {
    let namespace: FilePath
    let ports: [UserModeNetwork.Port]
    let isIndependent: Bool
    let scratch: FilePath

    /// How long a program may take until it carries packets.
    private static let patience = Duration.seconds(10)

    private var log: FilePath { scratch.appending("network.log") }

    // MARK: pasta

    /// See pasta(1).
    func startPasta() async throws -> UserModeNetwork {
        let ready = scratch.appending("network.pid")
        var arguments = [
            "--config-net", "--foreground", "--quiet", "--ipv4-only", "--ns-ifname", UserModeNetwork.interface,
            "--address", UserModeNetwork.address, "--netmask", "\(UserModeNetwork.prefixLength)",
            "--gateway", UserModeNetwork.gateway,
            // Nothing of the machine's loopback leads in or out but for the ports that are asked for.
            "--no-map-gw", "--tcp-ns", "none", "--udp-ns", "none",
        ]
        // With this, pasta gives answers of the machine's name server another address, whatever they were asked of: it is then not found by
        // its own.
        if await onBlockingPool({ NetworkFiles.hostServersAreOutOfReach }) {
            arguments += ["--dns-forward", UserModeNetwork.nameServer]
        }
        arguments += specifications("--tcp-ports", isDatagram: false) + specifications("--udp-ports", isDatagram: true)
        arguments += ["--pid", ready.string, "--no-netns-quit", "--netns", namespace.string]
        let (process, child) = try await start("pasta", arguments)
        let lifeline = try await onBlockingPool {
            let pipe = try makePipe()
            do {
                try process.end(with: pipe.reading)
            } catch let error as SystemCallError where error.errno == .noSuchProcess {
                // It has ended already, and what it said is looked at below.
            }
            return pipe.writing
        }
        let isReady = try await FileWatch.wait(in: [scratch], while: process, atMost: Self.patience) {
            try HostFiles.status(of: ready).flatMap { $0.size > 0 ? true : nil }
        }
        guard isReady != nil else { throw try await failure(of: child, "pasta") }
        return UserModeNetwork(process: process, child: child, lifeline: lifeline)
    }

    private func specifications(_ option: String, isDatagram: Bool) -> [String] {
        let wanted = ports.filter { $0.isDatagram == isDatagram }
        if wanted.isEmpty { return [option, "none"] }
        return wanted.flatMap { port in
            [option, (port.address.isEmpty ? "" : port.address + "/") + "\(port.outer):\(port.inner)"]
        }
    }

    // MARK: slirp4netns

    /// See slirp4netns(1).
    func startSlirp() async throws -> UserModeNetwork {
        let socket = scratch.appending("network.socket")
        let lifeline = try await onBlockingPool { try makePipe() }
        let arguments = [
            "--configure", "--mtu=65520", "--disable-host-loopback", "--netns-type=path", "--ready-fd=3",
            // A path of a socket has room for 107 bytes, which many stores need for themselves.
            "--api-socket", "network.socket", "--exit-fd=4",
            namespace.string, UserModeNetwork.interface,
        ]
        let files: [CInt: ChildProcessConfiguration.File] = [3: .pipeFromChild, 4: .open(lifeline.reading)]
        let (process, child) = try await start("slirp4netns", arguments, files, in: scratch)
        guard try await child.reader(3)?.read() != nil else { throw try await failure(of: child, "slirp4netns") }
        let network = UserModeNetwork(process: process, child: child, lifeline: lifeline.writing)
        do {
            for port in ports { try await forward(port, through: socket) }
        } catch {
            try await network.end()
            throw error
        }
        return network
    }

    private struct Forwarding: Encodable {
        struct Arguments: Encodable {
            var proto: String
            var host_addr: String
            var host_port: UInt16
            var guest_port: UInt16
        }
        var execute = "add_hostfwd"
        var arguments: Arguments
    }

    private func forward(_ port: UserModeNetwork.Port, through path: FilePath) async throws {
        let request = Forwarding(
            arguments: .init(
                proto: port.isDatagram ? "udp" : "tcp",
                host_addr: port.address.isEmpty ? "0.0.0.0" : port.address,
                host_port: port.outer,
                guest_port: port.inner
            )
        )
        let socket = try await onBlockingPool { try connectLocalSocket(path, keepsMessages: false) }
        try await ByteWriter(socket.duplicate()).write(Array(try JSONEncoder().encode(request)))
        let answer = try await ByteReader(socket).read() ?? []
        guard String(decoding: answer, as: UTF8.self).contains("\"return\"") else {
            throw UserModeNetworkError.failed(program: "slirp4netns", says: answer)
        }
    }

    // MARK: Both

    private func start(
        _ name: String,
        _ arguments: [String],
        _ files: [CInt: ChildProcessConfiguration.File] = [:],
        in directory: FilePath = "/"
    ) async throws -> (ProcessReference, ChildProcess) {
        var program = ChildProcessConfiguration(.named(name), arguments)
        program.files = files
        program.files[2] = .open(
            try await onBlockingPool { [log] in try OpenFile.open(log, [.writeOnly, .create, .truncate], mode: 0o600) }
        )
        program.environment = [Array("PATH=/usr/sbin:/usr/bin:/sbin:/bin".utf8)]
        program.workingDirectory = directory
        program.grouping = .ownSession
        program.diesWithParent = !isIndependent
        let child: ChildProcess
        do {
            child = try await ChildProcess.start(program)
        } catch is ProgramNotFound {
            throw UserModeNetworkError.noProgram
        }
        let number = child.processID
        guard let process = await onBlockingPool({ ProcessReference(processID: number) }) else {
            throw try await failure(of: child, name)
        }
        return (process, child)
    }

    /// What slirp4netns says after the cause.
    private static let farewells = ["do_slirp is exiting", "do_slirp failed", "parent failed", "child failed"]

    private func failure(of child: ChildProcess, _ name: String) async throws -> UserModeNetworkError {
        try await child.terminate(grace: .zero)
        if let missing = await onBlockingPool({ UserModeNetworkError.missingTunnel }) { return missing }
        let text = try await onBlockingPool { [log] in try contentsIfPresent(of: log, limit: 1 << 16) ?? [] }
        // What failed comes last; lines before it tell what was set up.
        let lines = text.split(separator: "\n").filter { line in
            !line.starts(with: "Failed to send".utf8) && !Self.farewells.contains { line.starts(with: $0.utf8) }
        }
        return .failed(program: name, says: Array(lines.last ?? "it ended before it was ready"))
    }
}
