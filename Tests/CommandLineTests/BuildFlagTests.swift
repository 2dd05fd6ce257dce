import Proofs
import Terminal
import Testing

@testable import CommandLine

/// Each flag of `build` has a wrong value here with what is said to it, or a reason why no value is wrong before there is a request.
///
/// A flag that is added and has neither fails these tests.
@Suite struct `Flags of build` {
    private static let wrong: [(flag: String, value: String, reason: String)] = [
        ("add-host", "one", "invalid host one"), ("add-host", "a:1.2.3", "invalid host a:1.2.3"),
        ("allow", "root", "unknown entitlement root"),
        ("allow", "network.host=x", "unknown entitlement network.host=x"),
        ("annotation", "novalue", ""),
        ("attest", "type=x", "the attestation type \"x\" is neither provenance nor sbom"),
        ("build-arg", "=x", "invalid key-value pair \"=x\": empty key"),
        ("label", "", "invalid key-value pair \"\": empty key"),
        ("build-context", "a", "invalid context value: a, expected key=value"),
        ("build-context", "=x", "invalid context value: =x, expected key=value"),
        ("cache-from", "type=local,\"", ""), ("cache-to", "type=local,\"", ""),
        ("call", "check,format", "invalid print value: check,format"),
        ("call", "check,colour=red", "invalid print field: colour=red"),
        ("call", "check,ignorestatus=maybe", "invalid ignorestatus print value: maybe"),
        ("print", "a,b", "invalid print value: a,b"),
        ("cpu-period", "many", "it is not a whole number"), ("cpu-period", "-1", "it is negative"),
        ("cpu-quota", "many", "it is not a whole number"), ("cpu-shares", "many", "it is not a whole number"),
        ("cpu-shares", "-1", "it is negative"), ("cpuset-cpus", "a-b", "it is not a list such as 0-2,4"),
        ("cpuset-mems", "x", "it is not a list such as 0-2,4"), ("memory", "lots", "invalid size: 'lots'"),
        ("memory", "-1", "invalid size: '-1'"), ("memory-swap", "lots", "invalid size: 'lots'"),
        ("network", "mine", "network mode must be default, none or host"),
        ("no-cache-filter", "\"", "a quoted field has no end"),
        ("output", "type=zip", "the output type \"zip\" is not one of"),

        ("platform", "a/b/c/d/e", ""),
        ("profile", "build.txt", "it must end in .html, for a page, or in .json, for a Chrome trace"),
        ("progress", "fancy", "invalid progress mode fancy"),
        ("provenance", "mode=x\"", ""), ("sbom", "a=\"", ""),
        ("resource", "memory", "invalid resource memory, expected key=value"),
        ("resource", "disk=1g", "unknown resource disk"), ("resource", "cpu-shares=-1", "it is negative"),
        ("shm-size", "-1", "invalid size: '-1'"), ("shm-size", "9223372036854775808", "invalid size"),
        ("tag", "UPPER", "invalid reference format: repository name (UPPER) must be lowercase"),
        ("ulimit", "nofile", "invalid ulimit argument: nofile"), ("ulimit", "files=1", "invalid ulimit type: files"),
        ("ulimit", "nofile=2:1", "ulimit soft limit must be less than or equal to hard limit: 2 > 1"),
    ]

    /// Flags of which every value is taken as it stands.
    private static let takesAnything: [String: String] = [
        "target": "a stage that there is not is told by the frontend: `Stages > that cannot be found are explained`",
        "file": "a path; a missing file is told when it is read",
        "iidfile": "a path", "metadata-file": "a path",
        "cgroup-parent": "a path",
        "secret": "`What RUN gets from the client > a bad --secret is refused before anything is built`",
        "ssh": "`What RUN gets from the client > a bad --ssh is refused before anything is built`",
        "isolation": "taken with a warning", "security-opt": "taken with a warning", "builder": "taken with a warning",
    ]

    private func message(_ words: [String]) -> String? { failure(words)?.message }

    private func failure(_ words: [String]) -> UsageError? {
        var global = GlobalOptions()
        let line = (["build"] + words + ["."]).map { Array($0.utf8) }
        do throws(LocatedUsageError) {
            _ = try SlipwayProgram.understand(line, CommandTree(SlipwayCommands.all), &global)
            return nil
        } catch {
            return error.error
        }
    }

    @Test func `refuse a wrong value, each with its reason`() throws {
        let flags = Dictionary(uniqueKeysWithValues: BuildCommand.flags.map { ($0.description.name, $0.description) })
        for (name, value, reason) in Self.wrong {
            let flag = try #require(flags[name], "there is no --\(name)")
            let text = try #require(message(["--\(name)=\(value)"]), "--\(name)=\(value) is taken")
            #expect(text.hasPrefix("invalid argument \"\(value)\" for \"\(flag.spelling)\" flag: "), "\(text)")
            #expect(text.contains(reason), "--\(name)=\(value): \(text)")
            #expect(!text.hasSuffix("flag: "), "--\(name)=\(value) without a reason")
        }
    }

    // Docker's program reads numbers of bytes, limits and switches itself and ends with 125; the rest is buildx's, which ends with 1.
    @Test(.proves("Exit statuses")) func `end with docker's status where a value is wrong`() {
        for (name, value, _) in Self.wrong {
            let expected: Int32 = ["shm-size", "ulimit"].contains(name) ? 125 : 1
            #expect(failure(["--\(name)=\(value)"])?.exitStatus.rawValue == expected, "--\(name)=\(value)")
        }
        #expect(failure(["--pull=maybe"])?.exitStatus.rawValue == 125)
        #expect(failure(["--no-such-flag"])?.exitStatus.rawValue == 125)
    }

    @Test func `that are switches are on or off`() {
        for flag in BuildCommand.flags.map(\.description) where flag.bareValue == "true" && flag.placeholder.isEmpty {
            let text = message(["--\(flag.name)=maybe"])
            #expect(text?.contains("it is neither true nor false") == true, "--\(flag.name): \(text ?? "taken")")
        }
    }

    @Test func `are all in one of these lists`() {
        let known = Set(Self.wrong.map(\.flag)).union(Self.takesAnything.keys)
        let switches = BuildCommand.flags.map(\.description).filter { $0.bareValue != nil && $0.placeholder.isEmpty }
        let all = Set(BuildCommand.flags.map(\.description.name)).subtracting(switches.map(\.name))
        #expect(all.subtracting(known).isEmpty, "\(all.subtracting(known).sorted())")
        #expect(known.subtracting(all).isEmpty, "\(known.subtracting(all).sorted())")
    }

    /// Taken from buildx's sources.
    private static let refusesEmpty: Set<String> = [
        "tag", "build-arg", "label", "platform", "attest", "resource", "memory", "memory-swap", "cpu-shares",
        "cpu-period", "cpu-quota", "shm-size", "ulimit",
    ]

    @Test(.proves("C24: empty values of flags, an"))
    func `with an empty value are not given, or are refused as buildx refuses them`() {
        for flag in BuildCommand.flags.map(\.description) where flag.bareValue == nil {
            let text = message(["--\(flag.name)", ""])
            #expect((text != nil) == Self.refusesEmpty.contains(flag.name), "--\(flag.name) '': \(text ?? "taken")")
        }
    }

    @Test func `with an empty value leave the command as it is without them`() throws {
        let names = [
            "file", "target", "build-context", "output", "annotation", "network", "iidfile", "progress",
            "metadata-file", "profile",
            "cache-from", "cache-to", "add-host", "allow", "cgroup-parent", "secret", "ssh", "call",
        ]
        var command = BuildCommand()
        for flag in BuildCommand.flags where names.contains(flag.description.name) { try flag.set(&command, []) }
        #expect("\(command)" == "\(BuildCommand())")
    }

    @Test func `that need a value report that it is missing`() {
        for flag in BuildCommand.flags.map(\.description) where flag.bareValue == nil {
            var global = GlobalOptions()
            let line = ["build", "--\(flag.name)"].map { Array($0.utf8) }
            #expect(throws: LocatedUsageError.self, "--\(flag.name)") {
                _ = try SlipwayProgram.understand(line, CommandTree(SlipwayCommands.all), &global)
            }
        }
    }
}
