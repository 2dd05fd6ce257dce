import Proofs
import SystemPackage
import Testing
import Text

@testable import Sandboxes

/// `/etc/resolv.conf` in a network that is not the host's.
@Suite struct `The name servers of a sandbox` {
    private func resolver(_ host: String, _ lines: SandboxConfiguration.ResolverLines? = nil) -> String {
        var configuration = SandboxConfiguration(root: "/", arguments: [])
        configuration.network = .namespace("/")
        configuration.resolverLines = lines
        return String(decoding: NetworkFiles.resolver(configuration, host: Array(host.utf8)), as: UTF8.self)
    }

    @Test func `are the host's that can be reached from there`() {
        let host = "nameserver 127.0.0.1\nnameserver ::1\nnameserver 192.0.2.1\nnameserver 2001:db8::1\nsearch a.test\n"
        #expect(resolver(host) == "nameserver 192.0.2.1\nsearch a.test\n")
    }

    @Test func `are public ones where the host has none but its own`() {
        #expect(
            resolver("nameserver 127.0.1.1\noptions edns0\n")
                == "nameserver 8.8.8.8\nnameserver 8.8.4.4\noptions edns0\n"
        )
        #expect(resolver("") == "nameserver 8.8.8.8\nnameserver 8.8.4.4\n")
    }

    @Test func `are those that are asked for, whatever they are`() {
        let given = SandboxConfiguration.ResolverLines(["nameserver 127.0.0.1"], replacesNameServers: true)
        #expect(resolver("nameserver 192.0.2.1\nsearch a.test\n", given) == "nameserver 127.0.0.1\nsearch a.test\n")
    }
}

/// `/etc/hosts`.
@Suite struct `The hosts file of a sandbox` {
    private func hosts(_ change: (inout SandboxConfiguration) -> Void) -> String {
        var configuration = SandboxConfiguration(root: "/", arguments: [])
        configuration.hostname = "name"
        configuration.hosts = [("db", "192.0.2.7")]
        change(&configuration)
        return String(decoding: NetworkFiles.hosts(configuration), as: UTF8.self)
    }

    @Test(.proves("C19: a step's own name is 127.0.0.1")) func `gives a step's own name the address of localhost`() {
        let text = hosts { $0.purpose = .step }
        #expect(text == "127.0.0.1\tlocalhost name\n::1\tlocalhost ip6-localhost ip6-loopback\n192.0.2.7\tdb\n")
    }

    @Test func `names a container once`() {
        #expect(hosts { _ in }.hasSuffix("192.0.2.7\tdb\n127.0.1.1\tname\n"))
        #expect(hosts { $0.hosts = [("name", "192.0.2.8")] }.hasSuffix("allrouters\n192.0.2.8\tname\n"))
    }
}
