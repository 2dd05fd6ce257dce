import Containers
import OCI
import Storage
import Testing

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
            try PublishedPort.parse("[::1]:53:5353/udp")
                == [.init(hostAddress: "::1", hostPort: 53, containerPort: 5353, transport: .udp)]
        )
        #expect(try PublishedPort.parse("8000-8001:80-81").map(\.hostPort) == [8000, 8001])
    }

    @Test(arguments: ["", "0", "x", "1:2:3:4", "80/ip", "8000-8001:80", "70000", "2-1"])
    func `what is no port is refused`(_ text: String) {
        #expect(throws: ContainerError.invalidPort(text)) { try PublishedPort.parse(text) }
    }
}

@Suite struct `Volumes` {
    @Test func `binds, named and anonymous volumes are told apart`() throws {
        #expect(
            try ContainerMount(parsingVolume: "/a:/b:ro")
                == ContainerMount(.bind(source: "/a"), at: "/b", isReadOnly: true)
        )
        #expect(
            try ContainerMount(parsingVolume: "data:/b")
                == ContainerMount(.volume(name: "data", isAnonymous: false), at: "/b")
        )
        #expect(
            try ContainerMount(parsingVolume: "/b", newVolumeName: { "x" })
                == ContainerMount(.volume(name: "x", isAnonymous: true), at: "/b")
        )
    }

    @Test(arguments: ["", "a:b", "/a:/b:wat", "../x:y", ".."]) func `what is no volume is refused`(_ text: String) {
        #expect(throws: ContainerError.invalidMount(text)) { try ContainerMount(parsingVolume: text) }
    }
}

@Suite struct `Signals by name` {
    @Test func `names with and without SIG, and numbers`() throws {
        #expect(try ContainerStore.signal(named: "SIGTERM") == 15)
        #expect(try ContainerStore.signal(named: "int") == 2)
        #expect(try ContainerStore.signal(named: "9") == 9)
        #expect(throws: ContainerError.invalidSignal("NOPE")) { try ContainerStore.signal(named: "NOPE") }
    }
}

@Suite struct `Log lines` {
    @Test func `a line is time, stream and text, partial or whole`() throws {
        let whole = try #require(ContainerLogLine(parsing: Array("2026-11-23T10:00:00.1+00:00 stderr F a b".utf8)[...]))
        #expect(whole.stream == 2)
        #expect(whole.bytes == Array("a b\n".utf8))
        let partial = try #require(ContainerLogLine(parsing: Array("2026-11-23T10:00:00.1+00:00 stdout P a".utf8)[...]))
        #expect(partial.bytes == Array("a".utf8))
    }
}
