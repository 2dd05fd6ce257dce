import Foundation
import LinuxSystem
import OCI
import Proofs
import Sandboxes
import Storage
import SystemPackage
import Testing
import Text

@testable import Containers

@Suite struct `Published ports` {
    @Test func `every form of -p is read`() throws {
        #expect(try PublishedPort.parse("8000:80") == [.init(hostPort: 8000, containerPort: 80)])
        #expect(try PublishedPort.parse("80") == [.init(hostPort: 0, containerPort: 80)])
        #expect(
            try PublishedPort.parse("127.0.0.1::80") == [
                .init(hostAddress: "127.0.0.1", hostPort: 0, containerPort: 80)
            ]
        )
        #expect(
            try PublishedPort.parse("127.0.0.1:53:5353/udp")
                == [.init(hostAddress: "127.0.0.1", hostPort: 53, containerPort: 5353, transport: .udp)]
        )
        #expect(try PublishedPort.parse("8000-8001:80-81").map(\.hostPort) == [8000, 8001])
    }

    @Test(
        .proves("B13: a port on an address of IPv6"),
        arguments: ["[::1]:53:5353/udp", "[::]:53:5353/udp", "::1:53:5353/udp", "[fe80::1]:53-60:5353/udp"]
    )
    func `on an IPv6 address are refused, with what is possible`(text: String) throws {
        let error = #expect(throws: ContainerError.self) { try PublishedPort.parse(text) }
        guard case .portOnIPv6(let port)? = error else {
            Issue.record("\(text): \(error.map { "\($0)" } ?? "")")
            return
        }
        #expect(port.hostPort == 53 && port.containerPort == 5353)
        #expect(error.map { "\($0)".contains("-p 127.0.0.1:53:5353") } == true)
    }

    /// The expectations are what docker prints for the same ports.
    @Test(.proves("B13: -p with the host's network"))
    func `neighbours are listed together where the host has them under the same numbers`() throws {
        func summary(_ specifications: [String], exposed: [String] = []) throws -> String {
            PublishedPort.summary(try specifications.flatMap { try PublishedPort.parse($0) }, exposed: exposed)
        }
        #expect(try summary([]) == "")
        #expect(
            try summary(["28400-28402:80-82", "29000-29001:29000-29001"], exposed: ["500/tcp", "501/tcp", "502/tcp"])
                == "500-502/tcp, 0.0.0.0:29000-29001->29000-29001/tcp, 0.0.0.0:28400->80/tcp, 0.0.0.0:28401->81/tcp, "
                + "0.0.0.0:28402->82/tcp"
        )
        #expect(
            try summary(["81:81", "80:80", "83:83", "80:80/udp"])
                == "0.0.0.0:80-81->80-81/tcp, 0.0.0.0:83->83/tcp, 0.0.0.0:80->80/udp"
        )
        #expect(try summary(["127.0.0.1:80:80"], exposed: ["80/tcp", "81"]) == "127.0.0.1:80->80/tcp, 81/tcp")
    }

    @Test(.proves("B13: containers that are started")) func `ports that others hold are not chosen`() throws {
        func choose(_ text: String, besides others: [String] = []) throws -> [UInt16] {
            let taken = try others.flatMap { try PublishedPort.parse($0) }
            return try PublishedPort.choose(try PublishedPort.parse(text), besides: taken).map(\.hostPort)
        }
        // Ports of SCTP have no listeners here, so that the choice hangs on nothing else of this machine.
        #expect(try choose("18400-18402:80/sctp") == [18_400])
        #expect(try choose("18400-18402:80/sctp", besides: ["18400:80/sctp", "127.0.0.1:18401:1/sctp"]) == [18_402])
        #expect(try choose("127.0.0.1:18400-18401:80/sctp", besides: ["127.0.0.2:18400:80/sctp"]) == [18_400])
        #expect(try choose("127.0.0.1:18400-18401:80/sctp", besides: ["0.0.0.0:18400:80/sctp"]) == [18_401])
        #expect(try choose("18400:80/sctp", besides: ["18400:80/tcp"]) == [18_400])
        #expect(throws: ContainerError.self) { try choose("18400:80/sctp", besides: ["127.0.0.1:18400:8/sctp"]) }
    }

    @Test func `that the kernel keeps for other stores are read as they were written, thousands as one`() throws {
        let texts = ["1000-5000:1000-5000", "1000:1/udp", "127.0.0.1:5001:1", "7:7", "65535:1/sctp", "9:9", "8:8"]
        let ports = try texts.flatMap { try PublishedPort.parse($0) }
        let notes = BridgeRules.notes(of: ports)
        #expect(notes.count == 5)
        func places(_ ports: [PublishedPort]) -> Set<String> {
            Set(ports.map { "\($0.transport) \($0.hostAddress) \($0.hostPort)" })
        }
        #expect(places(notes.flatMap(BridgeRules.ports(inNote:))) == places(ports))
        for text in ["", "tcp", "tcp 5-4 ", "tcp 5 ", "tcp 1-70000 ", "ip 1-2 ", "tcp 1-2"] {
            #expect(BridgeRules.ports(inNote: text).isEmpty, "\(text)")
        }
    }

    @Test func `two of one container are different`() throws {
        let ports = try ["18400-18401:80/sctp", "18400-18401:81/sctp"].flatMap { try PublishedPort.parse($0) }
        #expect(try PublishedPort.choose(ports, besides: []).map(\.hostPort) == [18_400, 18_401])
    }

    @Test func `the host's port may be chosen from a range`() throws {
        #expect(
            try PublishedPort.parse("8000-8010:80/sctp")
                == [.init(hostPort: 8000, containerPort: 80, transport: .sctp, lastHostPort: 8010)]
        )
    }

    /// The texts are go-connections', which docker parses ports with.
    @Test(
        arguments: [
            ("", "no port specified: <empty>"), ("8080:", "no port specified: 8080:<empty>"),
            ("0", "invalid containerPort: 0"), ("x", "invalid containerPort: x"),
            ("-1", "invalid containerPort: -1"), ("70000", "invalid containerPort: 70000"),
            ("2147483648", "invalid containerPort: 2147483648"),
            ("9223372036854775808:80", "invalid hostPort: 9223372036854775808"), ("x:80", "invalid hostPort: x"),
            ("2-1", "invalid containerPort: 2-1"), ("80/ip", "invalid proto: ip"),
            ("1:2:3:4", "invalid IP address: 1:2"), ("1.2.3:80:80", "invalid IP address: 1.2.3"),
            ("8000-8001:80-82", "invalid ranges specified for container and host Ports: 80-82 and 8000-8001"),
        ]
    )
    func `anything but a port is refused`(text: String, message: String) {
        #expect(throws: ContainerError.invalidPort(text, reason: message)) { try PublishedPort.parse(text) }
    }
}

@Suite struct `Volumes` {
    @Test func `binds, named and anonymous volumes are told apart`() throws {
        #expect(
            try ContainerMount(parsingVolume: "/a:/b:ro")
                == ContainerMount(
                    .bind(source: "/a"),
                    at: "/b",
                    isReadOnly: true,
                    createsSource: true,
                    writtenOptions: "ro"
                )
        )
        #expect(
            try ContainerMount(parsingVolume: "data:/b")
                == ContainerMount(.volume(name: "data", isAnonymous: false), at: "/b", writtenOptions: "")
        )
        #expect(
            try ContainerMount(parsingVolume: "/b", newVolumeName: { "x" })
                == ContainerMount(.volume(name: "x", isAnonymous: true), at: "/b", writtenOptions: "")
        )
    }

    @Test(
        arguments: [
            ("", "invalid empty volume spec"), ("/a::ro", "invalid spec: /a::ro: empty section between colons"),
            ("/a:/b:ro:rw", "invalid spec: /a:/b:ro:rw: too many colons"),
            ("a:b", "invalid volume specification: 'a:b': mount path must be absolute"),
            ("/a:/", "invalid volume specification: '/a:/': destination can't be '/'"),
            ("/a:/b:wat", "invalid mode: wat"),
        ]
    )
    func `anything but a volume is refused`(text: String, message: String) {
        #expect(throws: ContainerError.invalidMount(text, reason: message)) {
            try ContainerMount(parsingVolume: Array(text.utf8))
        }
    }

    @Test(.proves("B18: a path of the host that is"))
    func `a host path that is not UTF-8 is kept as it is, also in the record`() throws {
        let mount = try ContainerMount(parsingVolume: "/a" + [0xff] + ":/b")
        #expect(mount.kind == .bind(source: FilePath(bytes: "/a" + [0xff])))
        let record = try JSONEncoder().encode(mount)
        #expect(try JSONDecoder().decode(ContainerMount.self, from: record) == mount)
        #expect(throws: ContainerError.self) { try ContainerMount(parsingVolume: "/a:/b" + [0xff]) }
        #expect(throws: ContainerError.self) { try ContainerMount(parsingVolume: [0xff] + ":/b") }
    }

    @Test(arguments: [
        #"{"bind":{"source":"/a"}}"#, #"{"volume":{"name":"data","isAnonymous":true}}"#, #"{"tmpfs":{}}"#,
        #"{"tmpfs":{"size":65536}}"#,
    ])
    func `a kind of mount is written as stores have it`(text: String) throws {
        let kind = try JSONDecoder().decode(ContainerMount.Kind.self, from: Data(text.utf8))
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes]
        let written = String(decoding: try encoder.encode(kind), as: UTF8.self)
        let fields = try JSONSerialization.jsonObject(with: Data(written.utf8)) as? NSDictionary
        #expect(try fields == JSONSerialization.jsonObject(with: Data(text.utf8)) as? NSDictionary)
    }

    @Test func `a tmpfs has docker's options unless others are given`() throws {
        #expect(
            try ContainerMount(parsingTemporary: "/run")
                == ContainerMount(
                    .tmpfs(size: nil),
                    at: "/run",
                    options: ["noexec", "nosuid", "nodev"],
                    writtenOptions: ""
                )
        )
        #expect(
            try ContainerMount(parsingTemporary: "/run:rw,exec,size=64k,mode=0700")
                == ContainerMount(
                    .tmpfs(size: 65_536),
                    at: "/run",
                    options: ["nosuid", "nodev", "mode=0700"],
                    writtenOptions: "rw,exec,size=64k,mode=0700"
                )
        )
        for text in ["/run:size=-1", "/run:mode=9", "/run:wat", "/run:size=9223372036854775807g"] {
            #expect(throws: ContainerError.self) { try ContainerMount(parsingTemporary: text) }
        }
    }

    @Test func `records of stores without mount options are still read`() throws {
        let old = #"{"kind":{"bind":{"source":"/a"}},"target":"/b","isReadOnly":true}"#
        let mount = try JSONDecoder().decode(ContainerMount.self, from: Data(old.utf8))
        #expect(mount == ContainerMount(.bind(source: "/a"), at: "/b", isReadOnly: true))
    }
}

@Suite struct `Capabilities of containers` {
    private let available: Set<Capability> = [.chown, .kill, .netAdmin, .sysAdmin, .setUserID]

    private func capabilities(add: [String] = [], drop: [String] = [], privileged: Bool = false) throws
        -> Set<Capability>
    {
        var options = ContainerOptions()
        options.addedCapabilities = add
        options.droppedCapabilities = drop
        options.isPrivileged = privileged
        return try options.capabilities(available: available)
    }

    @Test func `capabilities are added to docker's and dropped from them`() throws {
        let defaults = Capability.dockerDefaults
        #expect(try capabilities() == defaults)
        #expect(try capabilities(add: ["net_admin"]) == defaults.union([.netAdmin]))
        #expect(try capabilities(drop: ["CAP_CHOWN"]) == defaults.subtracting([.chown]))
        #expect(try capabilities(drop: ["ALL"]) == [])
        #expect(try capabilities(add: ["KILL"], drop: ["all"]) == [.kill])
        #expect(try capabilities(add: ["ALL"], drop: ["SYS_ADMIN"]) == available.subtracting([.sysAdmin]))
        #expect(try capabilities(privileged: true) == available)
        #expect(throws: ContainerError.unknownCapability("CAP_FLY")) { try capabilities(add: ["fly"]) }
    }

    @Test func `what a process may hand on is in its bounding set`() throws {
        #expect(try !Capability.available().isEmpty)
    }
}

@Suite struct `Networks of stores` {
    @Test func `stores in different directories have different bridges`() {
        let one = BridgeNetwork(root: "/var/lib/slipway")
        let other = BridgeNetwork(root: "/tmp/other")
        #expect(one.name != other.name && one.interface != other.interface && one.id != other.id)
        #expect(one.interface.utf8.count <= 15)
        #expect(one == BridgeNetwork(root: "/var/lib/slipway"))
    }

    @Test func `a subnet that another interface has a route to is avoided`() throws {
        let network = BridgeNetwork(root: "/var/lib/slipway")
        // As the kernel prints 10.92.0.0/15 on a machine with the low byte first.
        let half = try #require(HostRoute(line: "docker0 00005C0A 0 0 0 0 0 0000FEFF 0 0 0"))
        let moved = try #require(network.avoiding([half]))
        #expect(moved.subnet.hasPrefix("10.94.") || moved.subnet.hasPrefix("10.95."))
        #expect(moved.subnet.hasSuffix("/20") && moved.gateway.hasSuffix(".1"))
        let own = try #require(HostRoute(line: "\(network.interface) 00005C0A 0 0 0 0 0 0000FCFF 0 0 0"))
        #expect(network.avoiding([own]) == network)
        let everything = try #require(HostRoute(line: "vpn0 0000000A 0 0 0 0 0 000000FF 0 0 0"))
        #expect(network.avoiding([everything]) == nil)
        let gateway = try #require(HostRoute(line: "eth0 00000000 0100000A 3 0 0 0 00000000 0 0 0"))
        #expect(network.avoiding([gateway]) == network)
    }
}

@Suite struct `Signals by name` {
    @Test func `names with and without SIG, and numbers`() throws {
        #expect(try ContainerStore.signal(named: "SIGTERM") == .terminate)
        #expect(try ContainerStore.signal(named: "int") == .interrupt)
        #expect(try ContainerStore.signal(named: "9") == .kill)
        #expect(throws: ContainerError.invalidSignal("NOPE")) { try ContainerStore.signal(named: "NOPE") }
    }
}

@Suite struct `Log lines` {
    @Test func `a line is time, stream and text, partial or whole`() throws {
        let whole = try #require(ContainerLogLine(parsing: Array("2026-11-23T10:00:00.1+00:00 stderr F a b".utf8)[...]))
        #expect(whole.stream == 2)
        #expect(whole.bytes == "a b\n")
        let partial = try #require(ContainerLogLine(parsing: Array("2026-11-23T10:00:00.1+00:00 stdout P a".utf8)[...]))
        #expect(partial.bytes == "a")
    }
}
