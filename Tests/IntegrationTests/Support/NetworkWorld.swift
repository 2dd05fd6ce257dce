import Foundation
import Testing

/// A host with an Internet of one server, in network namespaces of their own: nothing of this machine is touched or needed.
///
/// - The host is 198.51.100.1, the server 198.51.100.2 and, as clouds have it, 169.254.169.254.
/// - The host answers on 127.0.0.1:7001, on port 7002 of all its addresses, and on the abstract socket `step-test`; what is sent
///   to its UDP ports 7003 (of all addresses) and 7004 (of 127.0.0.1) is written down.
/// - The server answers on port 80 and is the name server, at the second address: it knows `answer.test`, itself.
/// - Whoever is connected to is told the address that the connection comes from.
struct NetworkWorld {
    let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
        try directory.write(Self.server, to: "server.py")
        try directory.write(Self.world, to: "world.sh")
        try directory.write("nameserver 127.0.0.1\nnameserver 169.254.169.254\n", to: "resolv.conf")
    }

    /// Runs a shell script as that host; `$world` is a directory, `$slipway` the program.
    func run(_ script: String, _ slipway: Slipway) async throws -> ProgramResult {
        try directory.write(script, to: "script.sh")
        return try await runProgram(
            "unshare",
            ["--net", "--mount", "sh", "-eu", "world.sh"],
            in: directory.url,
            environment: slipway.environment.merging([
                "SLIPWAY_ROOT": slipway.root, "slipway": try slipway.program, "world": directory.path,
            ]) { $1 }
        )
    }

    private static let world = """
        rm -f inside cable server-ready host-ready
        ip link set lo up
        unshare --net sh -euc '
            touch inside
            until [ -e cable ]; do sleep 0.01; done
            ip link set lo up
            ip address add 169.254.169.254/32 dev lo
            ip address add 198.51.100.2/24 dev eth0
            ip link set eth0 up
            exec python3 server.py server-ready tcp:0.0.0.0:80 names:169.254.169.254:53' &
        server=$!
        trap 'kill $server' EXIT
        until [ -e inside ]; do kill -0 $server; sleep 0.01; done
        ip link add uplink type veth peer name eth0 netns $server
        ip address add 198.51.100.1/24 dev uplink
        ip link set uplink up
        ip route add default via 198.51.100.2
        touch cable
        mount --bind resolv.conf /etc/resolv.conf
        python3 server.py host-ready tcp:127.0.0.1:7001 tcp:0.0.0.0:7002 abstract:step-test \\
            record:0.0.0.0:7003 record:127.0.0.1:7004 > datagrams &
        host=$!
        trap 'kill $server $host' EXIT
        until [ -e server-ready ] && [ -e host-ready ]; do kill -0 $server; kill -0 $host; sleep 0.01; done
        . ./script.sh
        """

    private static let server = """
        import socket, socketserver, struct, sys, threading

        class Tell(socketserver.BaseRequestHandler):
            def handle(self):
                address = self.client_address
                self.request.sendall((address[0] if address else "local").encode())

        class Name(socketserver.BaseRequestHandler):
            def handle(self):
                query, reply = self.request
                end = query.index(b"\\0", 12) + 5
                name, kind = query[12:end - 4], struct.unpack(">H", query[end - 4:end - 2])[0]
                found = kind == 1 and name == b"\\x06answer\\x04test\\0"
                answer = b"\\xc0\\x0c\\0\\x01\\0\\x01\\0\\0\\0\\x3c\\0\\x04" + socket.inet_aton("198.51.100.2")
                head = query[:2] + b"\\x81\\x80" + struct.pack(">HHHH", 1, found, 0, 0)
                reply.sendto(head + query[12:end] + (answer if found else b""), self.client_address)

        class Record(socketserver.BaseRequestHandler):
            def handle(self):
                print(self.client_address[0], self.request[0].decode(), flush=True)

        class Local(socketserver.UnixStreamServer):
            address_family = socket.AF_UNIX

        socketserver.TCPServer.allow_reuse_address = True
        for service in sys.argv[2:]:
            kind, address = service.split(":", 1)
            if kind == "abstract":
                server = Local("\\0" + address, Tell)
            else:
                host, port = address.split(":")
                make, handler = {"tcp": (socketserver.ThreadingTCPServer, Tell),
                    "names": (socketserver.UDPServer, Name), "record": (socketserver.UDPServer, Record)}[kind]
                server = make((host, int(port)), handler)
            threading.Thread(target=server.serve_forever).start()
        open(sys.argv[1], "w").close()
        """
}
