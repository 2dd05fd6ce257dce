import CommandLine
import LinuxSystem
import Proofs
import Sandboxes
import Settings
import SystemPackage
import Testing

@Suite struct `Networks in the configuration` {
    private func networks(_ text: String, _ level: PrivilegeLevel = .root) throws -> SandboxNetworks {
        let configuration = try SlipwayConfiguration(parsing: Array(text.utf8), file: "/etc/slipway/slipway.toml")
        return try configuration.networks(tag: "abcdef", level: level)
    }

    @Test(.proves("Networks (networkMode of [worker.oci], [dns])")) func `have the names of buildkitd's`() throws {
        #expect(try networks("").mode == .automatic)
        #expect(try networks("").resolverLines == nil)
        #expect(try networks("", .confined(isSuperuser: true)).mode == .host)
        for mode in SandboxNetworks.Mode.allCases {
            #expect(try networks("[worker.oci]\nnetworkMode = \"\(mode.rawValue)\"\n").mode == mode)
        }
        let some = try networks("[dns]\noptions = [\"edns0\", \"ndots:1\"]\n").resolverLines
        #expect(some == .init(["options edns0 ndots:1"], replacesNameServers: false))
        let all = try networks("[dns]\nnameservers = [\"::1\"]\nsearchDomains = [\"a.test\"]\n").resolverLines
        #expect(all == .init(["nameserver ::1", "search a.test"], replacesNameServers: true))
    }

    @Test(arguments: [
        ("[worker.oci]\nnetworkMode = \"cni\"\n", "worker.oci.networkMode", "is not one of auto, bridge, host, none"),
        ("[worker.oci]\nnetworkMode = 1\n", "worker.oci.networkMode", "expected a string"),
        ("[dns]\nnameservers = [\"example.com\"]\n", "dns.nameservers", "is not an address"),
        ("[dns]\nsearchDomains = [\"a\\nnameserver 1.2.3.4\"]\n", "dns.searchDomains", "is not one word"),
        ("[dns]\nservers = []\n", "dns.servers", "unknown key"),
    ])
    func `that mean nothing are refused with their key`(text: String, key: String, reason: String) {
        let error = #expect(throws: SettingsError.self) { try networks(text) }
        #expect(
            error?.description.contains(key) == true && error?.description.contains(reason) == true,
            "\(error as Any)"
        )
    }
}
