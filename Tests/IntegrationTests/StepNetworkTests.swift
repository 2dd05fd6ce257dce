import Foundation
import LinuxSystem
import Proofs
import Testing

/// What the process of a RUN step reaches, and what of it is left: nothing.
@Suite(.requires(.root, .program("crun"), .program("python3"), .program("ip"), .program("setpriv")))
struct `The network of a step` {
    private let world: NetworkWorld

    init() throws { world = try NetworkWorld() }

    /// Writes `context/Dockerfile` into the world.
    private func write(_ instructions: String) throws {
        try world.directory.write("FROM python:3-alpine\n" + instructions, to: "context/Dockerfile")
    }

    /// The lines that steps printed after `CHECK`.
    private func checks(_ result: ProgramResult) -> Set<String> {
        Set(
            result.errorText.split(separator: "\n").compactMap { line in
                line.range(of: " CHECK ").map { String(line[$0.upperBound...]) }
            }
        )
    }

    /// Says of each place whether it answers.
    private static let probe = """
        import socket
        def check(name, address, family=socket.AF_INET):
            connection = socket.socket(family, socket.SOCK_STREAM)
            connection.settimeout(5)
            try:
                connection.connect(address)
                answer = connection.recv(100).decode()
            except OSError:
                answer = "nothing"
            print("CHECK", name, "says", answer, flush=True)
        check("the server", ("198.51.100.2", 80))
        check("the host", ("198.51.100.1", 7002))
        check("the loopback", ("127.0.0.1", 7001))
        check("the abstract socket", "\\0step-test", socket.AF_UNIX)
        check("the metadata", ("169.254.169.254", 80))

        """

    private static func run(_ flags: String, _ script: String) -> String {
        "RUN \(flags) cat > /probe.py <<'EOF' && python3 /probe.py\n\(script)\nEOF\n"
    }

    @Test(.proves("RUN --network", "--add-host", "--network"))
    func `reaches the world and the host's addresses, and nothing that is the host's alone`() async throws {
        let script =
            Self.probe + """
                check("a name", ("answer.test", 80))
                gate = socket.gethostbyname("gate")
                own = socket.create_connection(("198.51.100.2", 80)).getsockname()[0]
                check("the gateway", (gate, 7002))
                check("the gateway's loopback", (gate, 7001))
                print("CHECK neighbours", [int(part) for part in own.split(".")][3] - [int(part) for part in gate.split(".")][3])
                """
        try write(Self.run("", script))
        let result = try await world.run(
            """
            python3 -c 'import socket; print(socket.create_connection(("169.254.169.254", 80)).recv(100))' > metadata
            $slipway build --progress=plain --no-cache --add-host gate:host-gateway context
            # The kernel clears namespaces away in its own time.
            for i in $(seq 200); do ip -o link > links; grep -q slr links || break; sleep 0.05; done
            """,
            try await Slipway.shared()
        )
        try #require(result.status == 0, "\(result.errorText)")
        let checks = checks(result)
        // Behind the host, all of it comes from the host's address.
        #expect(checks.contains("the server says 198.51.100.1"))
        #expect(checks.contains("a name says 198.51.100.1"))
        #expect(checks.contains { $0.hasPrefix("the host says 10.9") })
        #expect(checks.contains { $0.hasPrefix("the gateway says 10.9") })
        #expect(checks.contains("neighbours 1"), "\(checks)")
        for place in ["the loopback", "the abstract socket", "the gateway's loopback", "the metadata"] {
            #expect(checks.contains("\(place) says nothing"), "\(place): \(checks)")
        }
        // The host itself does reach what the step must not.
        #expect(try read("metadata").contains("198.51.100.1"))
        #expect(!result.errorText.contains("WARN"))
        let links = try read("links")
        #expect(links.contains("uplink") && !links.contains("slr"), "\(links)")
    }

    private func read(_ name: String) throws -> String {
        try String(contentsOf: world.directory.url.appending(path: name), encoding: .utf8)
    }

    @Test(.proves("RUN --network", "--network")) func `is the host's or none where that is said`() async throws {
        let slipway = try await Slipway.shared()
        try write(Self.run("", Self.probe))
        let host = try await world.run("$slipway build --progress=plain --no-cache --network host context", slipway)
        #expect(
            checks(host) == [
                "the server says 198.51.100.1", "the host says 198.51.100.1", "the loopback says 127.0.0.1",
                "the abstract socket says local", "the metadata says 198.51.100.1",
            ],
            "\(host.errorText)"
        )
        let none = try await world.run(
            "$slipway build --progress=plain --no-cache --network none context",
            slipway
        )
        let places = ["the server", "the host", "the loopback", "the abstract socket", "the metadata"]
        #expect(checks(none) == Set(places.map { "\($0) says nothing" }), "\(none.errorText)")
    }

    @Test(.proves("RUN --network", "--network")) func `is not another step's`() async throws {
        let script = """
            import os, socket, sys, time
            me, other = sys.argv[1:]
            own = socket.create_connection(("198.51.100.2", 80)).getsockname()[0]
            listener = socket.create_server(("0.0.0.0", 9000))
            def say(name, text):
                with open("/meet/new-" + name, "w") as file: file.write(text)
                os.rename("/meet/new-" + name, "/meet/" + name)
            def hear(name):
                while not os.path.exists("/meet/" + name): time.sleep(0.01)
                return open("/meet/" + name).read()
            def reaches(address):
                try: socket.create_connection((address, 9000), timeout=5); return True
                except OSError: return False
            say(me, own)
            address = hear(other)
            print("CHECK", me, "reaches itself", reaches(own), "and the other", reaches(address), flush=True)
            say(me + "-done", "")
            hear(other + "-done")
            """
        try world.directory.write(script, to: "context/step.py")
        func stage(_ name: String, _ other: String) -> String {
            """
            FROM python:3-alpine AS \(name)
            RUN --mount=type=cache,id=\(world.directory.path),target=/meet --mount=target=/c python3 /c/step.py \(name) \(other)

            """
        }
        try world.directory.write(
            stage("one", "two") + stage("two", "one") + "FROM scratch\nCOPY --from=one /etc/passwd /1\n"
                + "COPY --from=two /etc/passwd /2\n",
            to: "context/Dockerfile"
        )
        let result = try await world.run(
            "timeout 120 $slipway build --progress=plain --no-cache context",
            try await Slipway.shared()
        )
        #expect(
            checks(result) == [
                "one reaches itself True and the other False", "two reaches itself True and the other False",
            ],
            "\(result.errorText)"
        )
    }

    @Test func `lets no packet pass that says it comes from elsewhere, or is for the host's loopback`() async throws {
        let script = """
            import socket, struct
            def packet(source, destination, port, text):
                data = struct.pack(">HHHH", 5000, port, 8 + len(text), 0) + text
                head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(data), 0, 0, 64, 17, 0,
                    socket.inet_aton(source), socket.inet_aton(destination))
                total = sum(struct.unpack(">10H", head))
                total = (total & 0xffff) + (total >> 16)
                return head[:10] + struct.pack(">H", ~total & 0xffff) + head[12:] + data
            plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            plain.sendto(b"before", ("198.51.100.1", 7003))
            plain.connect(("198.51.100.2", 80))
            own = plain.getsockname()[0]
            frames = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
            frames.bind(("eth0", 0x0800))
            def mac(text): return bytes.fromhex(text.replace(":", ""))
            gateway = [line.split()[3] for line in open("/proc/net/arp") if "eth0" in line][0]
            link = mac(gateway) + mac(open("/sys/class/net/eth0/address").read().strip()) + b"\\x08\\0"
            frames.send(link + packet("198.51.100.2", "198.51.100.1", 7003, b"forged"))
            frames.send(link + packet(own, "127.0.0.1", 7004, b"inside"))
            frames.send(link + packet(own, "198.51.100.1", 7003, b"honest"))
            plain.close()
            last = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            last.sendto(b"after", ("198.51.100.1", 7003))
            """
        try write(Self.run("", script))
        let result = try await world.run(
            """
            # What some hosts are set to, and what a process could then reach but for a rule.
            echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet
            echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter
            echo 0 > /proc/sys/net/ipv4/conf/default/rp_filter
            $slipway build --progress=plain --no-cache context
            for i in $(seq 500); do grep -q after datagrams && break; sleep 0.01; done
            """,
            try await Slipway.shared()
        )
        try #require(result.status == 0, "\(result.errorText)")
        let datagrams = try read("datagrams")
        let texts = datagrams.split(separator: "\n").compactMap { $0.split(separator: " ").last }
        #expect(texts == ["before", "honest", "after"], "\(datagrams)")
    }

    @Test(.proves("Networks (networkMode of [worker.oci], [dns])"), .requires(.program("iptables")))
    func `passes chains that drop what they do not know, and leaves them as they were`() async throws {
        try write(Self.run("", Self.probe) + "RUN [ ! -e /nowhere ] && echo ready && sleep 1000\n")
        let killed = try await world.run(
            """
            iptables -P FORWARD DROP
            iptables -A FORWARD -i docker0 -j ACCEPT
            iptables-save > before
            $slipway build --progress=plain --no-cache context > output 2>&1 &
            build=$!
            until grep -q ' ready$' output; do kill -0 $build; sleep 0.05; done
            iptables-save > during
            kill -9 $build
            wait $build || true
            iptables-save > left
            sed -i '/sleep/d' context/Dockerfile
            $slipway build --progress=plain --no-cache context
            iptables-save > after
            """,
            try await Slipway.shared()
        )
        try #require(killed.status == 0, "\(killed.errorText)")
        #expect(checks(killed).contains("the server says 198.51.100.1"), "\(killed.errorText)")
        func rules(_ name: String) throws -> [String] {
            try read(name).split(separator: "\n").map(String.init).filter { $0.hasPrefix("-A") || $0.hasPrefix(":") }
        }
        let before = try rules("before").map { $0.prefix { $0 != "[" } }
        let during = try rules("during")
        #expect(during.count == before.count + 2, "\(during)")
        #expect(try rules("left").count == before.count + 2)
        let after = try rules("after").map { $0.prefix { $0 != "[" } }
        #expect(after == before, "\(after)")
    }

    // MARK: Where there is no right to make one

    @Test(.proves("Networks (networkMode of [worker.oci], [dns])"))
    func `is the host's, with a warning, where none can be made`() async throws {
        try write(Self.run("", Self.probe) + "RUN true\n")
        try world.directory.write("[worker.oci]\nnetworkMode = \"bridge\"\n", to: "bridge.toml")
        try world.directory.write("[worker.oci]\nnetworkMode = \"host\"\n", to: "host.toml")
        let slipway = try await Slipway.shared()
        let build = "setpriv --bounding-set=-net_admin $slipway build --progress=plain --no-cache context"
        let fallen = try await world.run(build, slipway)
        #expect(fallen.status == 0, "\(fallen.errorText)")
        #expect(checks(fallen).contains("the loopback says 127.0.0.1"))
        let warnings = fallen.errorText.split(separator: "\n").filter { $0.contains("WARN") }
        #expect(warnings.count == 1, "\(warnings)")
        #expect(warnings.first?.contains("the step uses the host's network") == true)
        #expect(warnings.first?.contains("nf_tables: operation not permitted") == true, "\(warnings)")
        let refused = try await world.run("SLIPWAY_CONFIG=bridge.toml \(build)", slipway)
        #expect(refused.status == 1)
        #expect(refused.errorText.contains("its own network could not be made: nf_tables"))
        #expect(refused.errorText.contains("Dockerfile:2"))
        let meant = try await world.run("SLIPWAY_CONFIG=host.toml \(build)", slipway)
        #expect(meant.status == 0 && !meant.errorText.contains("WARN"), "\(meant.errorText)")
    }

    @Test(.proves("Networks (networkMode of [worker.oci], [dns])")) func `has the name servers of the configuration`()
        async throws
    {
        try write("RUN cat /etc/resolv.conf | sed 's/^/CHECK /'\n")
        try world.directory.write(
            """
            [dns]
            nameservers = ["203.0.113.1"]
            searchDomains = ["example.com", "example.org"]
            options = ["edns0"]
            """,
            to: "dns.toml"
        )
        let result = try await world.run(
            "SLIPWAY_CONFIG=dns.toml $slipway build --progress=plain --no-cache context",
            try await Slipway.shared()
        )
        #expect(
            checks(result) == ["nameserver 203.0.113.1", "search example.com example.org", "options edns0"],
            "\(result.errorText)"
        )
    }

    @Test func `is not part of the cache key`() async throws {
        try write("RUN --network=none true\nRUN true\n")
        try world.directory.write("[worker.oci]\nnetworkMode = \"host\"\n", to: "host.toml")
        let result = try await world.run(
            """
            $slipway build -q --add-host gate:host-gateway context
            $slipway build --progress=plain --add-host gate:host-gateway context
            SLIPWAY_CONFIG=host.toml $slipway build --progress=plain --add-host gate:host-gateway context
            """,
            try await Slipway.shared()
        )
        #expect(result.status == 0, "\(result.errorText)")
        // The base and both steps, twice.
        #expect(result.errorText.components(separatedBy: "CACHED").count == 1 + 6, "\(result.errorText)")
    }
}
