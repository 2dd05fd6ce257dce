import LinuxSystem
import Terminal
import Testing
import Text

@testable import CommandLine

private func failure(_ line: [String]) throws -> LocatedUsageError {
    var global = GlobalOptions()
    let tree = CommandTree(SlipwayCommands.all)
    return try #require(throws: LocatedUsageError.self, "\(line)") {
        _ = try SlipwayProgram.understand(line.map { Array($0.utf8) }, tree, &global)
    }
}

private func isUnderstood(_ line: [String]) -> Bool {
    var global = GlobalOptions()
    let words = line.map { Array($0.utf8) }
    return (try? SlipwayProgram.understand(words, CommandTree(SlipwayCommands.all), &global)) != nil
}

/// What docker 29 says to the same mistakes, with its own name replaced.
@Suite struct `Wrong usage` {
    @Test(
        arguments: [
            ("run", "requires at least 1 argument"), ("create", "requires at least 1 argument"),
            ("exec", "requires at least 2 arguments"), ("exec c", "requires at least 2 arguments"),
            ("start", "requires at least 1 argument"), ("restart", "requires at least 1 argument"),
            ("stop", "requires at least 1 argument"), ("kill", "requires at least 1 argument"),
            ("rm", "requires at least 1 argument"), ("wait", "requires at least 1 argument"),
            ("inspect", "requires at least 1 argument"), ("top", "requires at least 1 argument"),
            ("rename a", "requires 2 arguments"), ("port", "requires at least 1 and at most 2 arguments"),
            ("port a b c", "requires at least 1 and at most 2 arguments"), ("logs", "requires 1 argument"),
            ("logs a b", "requires 1 argument"), ("cp a", "requires 2 arguments"), ("ps x", "accepts no arguments"),
            ("container prune x", "accepts no arguments"), ("container inspect", "requires at least 1 argument"),
            ("build", "requires 1 argument"), ("build a b", "requires 1 argument"),
            ("images a b", "requires at most 1 argument"), ("image inspect", "requires at least 1 argument"),
            ("image prune x", "accepts no arguments"), ("pull", "requires 1 argument"),
            ("push a b", "requires 1 argument"), ("tag a", "requires 2 arguments"),
            ("rmi", "requires at least 1 argument"), ("history", "requires 1 argument"),
            ("save", "requires at least 1 argument"), ("load x", "accepts no arguments"),
            ("import", "requires at least 1 and at most 2 arguments"), ("login a b", "requires at most 1 argument"),
            ("logout a b", "requires at most 1 argument"), ("system df x", "accepts no arguments"),
            ("system prune x", "accepts no arguments"), ("info x", "accepts no arguments"),
        ]
    )
    func `a wrong number of arguments is reported with the right one`(line: String, expectation: String) throws {
        let words = line.split(separator: " ").map(String.init)
        let error = try failure(words)
        let groups: Set<String> = ["container", "image", "system"]
        let name = words.prefix(groups.contains(words[0]) ? 2 : 1).joined(separator: " ")
        #expect(error.error.message == "slipway: 'slipway \(name)' \(expectation)")
        #expect(error.text.hasSuffix("\n\nRun 'slipway \(name) --help' for more information\n"))
        #expect(error.error.exitStatus.rawValue == 1)
    }

    @Test func `every command refuses a flag that it does not have`() throws {
        for path in `The command tree`.helpTopics {
            let error = try failure(path + ["--no-such-flag"])
            #expect(error.error.message == "unknown flag: --no-such-flag", "\(path)")
            #expect(error.error.exitStatus.rawValue == 125)
            #expect(error.text.contains("\n\nUsage:  slipway \(path.joined(separator: " "))"))
        }
    }

    @Test(
        arguments: [
            ("build --tagg x", "--tag"), ("build --platfrom x", "--platform"), ("run --detatch x", "--detach"),
            ("run --volum x", "--volume"), ("images --fliter x", "--filter"), ("ps --al", "--all"),
        ]
    )
    func `a mistyped flag gets a suggestion`(line: String, meant: String) throws {
        let error = try failure(line.split(separator: " ").map(String.init))
        #expect(error.error.message.hasSuffix("\n\nDid you mean this?\n\t\(meant)"))
    }

    /// The reasons are those of docker's own parsers (opts, go-connections, go-units) wherever it has one.
    @Test(
        arguments: [
            ("-p, --publish", "x", "invalid containerPort: x"),
            ("-p, --publish", "-1", "invalid containerPort: -1"),
            ("-p, --publish", "0", "invalid containerPort: 0"),
            ("-p, --publish", "2147483648:80", "invalid hostPort: 2147483648"),
            ("-p, --publish", "80/http", "invalid proto: http"),
            ("-p, --publish", "300.1.1.1:80:80", "invalid IP address: 300.1.1.1"),
            ("-p, --publish", "1-2:1-3", "invalid ranges specified for container and host Ports: 1-3 and 1-2"),
            ("-v, --volume", "", "invalid empty volume spec"),
            ("-v, --volume", "a:b:c:d", "invalid spec: a:b:c:d: too many colons"),
            ("-v, --volume", "/a::", "invalid spec: /a::: empty section between colons"),
            ("-v, --volume", "/a:/b:zz", "invalid mode: zz"),
            (
                "-v, --volume", "relative",
                "invalid volume specification: 'relative': mount path must be absolute"
            ),
            ("--mount", "", "value is empty"),
            ("--mount", "type", "invalid field 'type' must be a key=value pair"),
            ("--mount", "type=bind,target=/x", "source is required"),
            ("--mount", "type=volume,src=data", "target is required"),
            ("--mount", "type=weird,target=/x", "mount type 'weird' is not one of bind, volume and tmpfs"),
            ("--mount", "type=tmpfs,target=/x,tmpfs-size=many", "invalid value for tmpfs-size: many"),
            ("--mount", "type=tmpfs,target=/x,colour=red", "unknown option 'colour' in 'colour=red'"),
            ("--mount", "type=volume,dst=/x,ro=maybe", "invalid value for ro: maybe"),
            ("--tmpfs", "/x:fast", "Invalid tmpfs option [\"fast\"]"),
            ("--ulimit", "nofile", "invalid ulimit argument: nofile"),
            ("--ulimit", "files=1", "invalid ulimit type: files"),
            (
                "--ulimit", "nofile=2:1",
                "ulimit soft limit must be less than or equal to hard limit: 2 > 1"
            ),
            ("--ulimit", "nofile=9223372036854775808", "invalid ulimit value: 9223372036854775808"),
            ("--ulimit", "nofile=-2", "invalid ulimit value: -2"),
            ("--add-host", "nocolon", "bad format for add-host: \"nocolon\""),
            ("--add-host", "a:1.2.3", "invalid IP address in add-host: \"1.2.3\""),
            ("--dns", "one", "IP address is not correctly formatted: one"),
            ("-e, --env", "", "invalid environment variable: "),
            ("-e, --env", "=x", "invalid environment variable: =x"),
            (
                "--pull", "maybe",
                "invalid pull option: 'maybe': must be one of \"always\", \"missing\" or \"never\""
            ),
            ("--shm-size", "-1", "invalid size: '-1'"),
            ("--shm-size", "9223372036854775808", "invalid size: '9223372036854775808'"),
            ("-m, --memory", "1k", "Minimum memory limit allowed is 6MB"),
            ("-m, --memory", "lots", "invalid size: 'lots'"),
            (
                "--cpus", "-1",
                "range of CPUs is from 0.01 to \(availableProcessorCount()).00, "
                    + "as there are only \(availableProcessorCount()) CPUs available"
            ),
            ("--cpus", "many", "it is not a decimal number"),
            ("--stop-signal", "SIGNOPE", "Invalid signal: SIGNOPE"),
            ("--stop-timeout", "9223372036854775808", "it is not a whole number"),
            ("--security-opt", "what", "invalid --security-opt: \"what\""),
            (
                "--security-opt", "seccomp=/x",
                "the security option \"seccomp=/x\" is not supported by this version of Slipway"
            ),
            ("--network", "mine", "network mine not found: the networks are bridge, host and none"),
            ("--rm", "=maybe", "it is neither true nor false"),
        ]
    )
    func `a wrong value of run and create is refused with its reason`(
        spelling: String,
        value: String,
        reason: String
    ) throws {
        let flag = String(spelling.prefix { $0 != "," })
        for command in ["run", "create"] {
            let isJoined = value.hasPrefix("=m")
            let words = isJoined ? [flag + value] : [flag, value]
            let error = try failure([command] + words + ["busybox"])
            let shown = isJoined ? String(value.dropFirst()) : value
            #expect(error.error.message == "invalid argument \"\(shown)\" for \"\(spelling)\" flag: \(reason)")
            #expect(error.error.exitStatus.rawValue == 125)
        }
    }

    @Test(
        arguments: [
            ("-t, --tag", "UPPER", "invalid reference format: repository name (UPPER) must be lowercase"),
            ("-t, --tag", "a:b:c", "invalid reference format"),
            ("-t, --tag", "", "invalid reference format"),
            (
                "-o, --output", "type=zip",
                "the output type \"zip\" is not one of image, registry, local, tar, oci, docker and cacheonly"
            ),
            ("-o, --output", "dest=x,mode=copy", "type is required for output"),
            ("-o, --output", "type=local", "dest is required for local exporter"),
            (
                "-o, --output", "type=image,dest=x",
                "the output option \"dest\" is not supported by outputs of type image"
            ),
            ("--annotation", "a", "invalid annotation \"a\", expected key=value"),
            ("--allow", "buildx.local.delete=1", "buildx.local.delete does not accept a value"),
            (
                "--progress", "fancy",
                "invalid progress mode fancy: it is not one of auto, none, plain, quiet, rawjson and tty"
            ),
            ("--attest", "disabled=true", "attestation type not specified"),
            ("--attest", "type=x", "the attestation type \"x\" is neither provenance nor sbom"),
            ("--provenance", "mode=some", "invalid mode \"some\"; use min or max"),
            ("--provenance", "version=1", "invalid provenance SLSA version: 1; use v1 or v0.2"),
            ("--sbom", "generator=", "sbom generator cannot be empty"),
            ("--platform", "a/b/c/d", ""),
        ]
    )
    func `a wrong value of build is refused with its reason`(
        spelling: String,
        value: String,
        reason: String
    ) throws {
        let error = try failure(["build", String(spelling.prefix { $0 != "," }), value, "."])
        let message = "invalid argument \"\(value)\" for \"\(spelling)\" flag: \(reason)"
        #expect(error.error.message.hasPrefix(message), "\(error.error.message)")
        #expect(error.error.exitStatus.rawValue == 1)
    }

    @Test(arguments: ["-1", "0", "1", "2147483648", "9223372036854775807"])
    func `numbers at the edges are taken or refused, and never trap`(number: String) {
        for (command, flags, rest) in [
            ("run", ["--stop-timeout", "--pids-limit", "--memory", "--cpus", "--shm-size", "-p"], ["x"]),
            ("stop", ["-t"], ["x"]), ("restart", ["-t"], ["x"]), ("ps", ["-n"], []),
            ("logs", ["-n", "--since"], ["x"]),
        ] {
            for flag in flags { _ = isUnderstood([command, "\(flag)=\(number)"] + rest) }
        }
        #expect(isUnderstood(["stop", "-t", number, "x"]))
        #expect(isUnderstood(["ps", "-n", number]))
    }

    @Test func `durations beyond Go's range are refused`() {
        for text in ["99999999999999999999h", "9223372037s", "1e400s", "-9223372037s"] {
            #expect(secondsOfDuration(text) == nil, "\(text)")
        }
        #expect(secondsOfDuration("2562047h") != nil)
    }
}

@Suite struct `Environment files` {
    @Test func `names, values, comments and blank lines are told apart`() throws {
        let content = "\u{feff}A=1\r\n# comment\n\n  B=two words \nC\nD=a=b\n"
        let lines = try EnvironmentFile.variables(Array(content.utf8)).map { String(decoding: $0, as: UTF8.self) }
        #expect(lines == ["A=1", "B=two words ", "C", "D=a=b"])
    }

    @Test(
        arguments: [
            ("A=1\n=2\n", "no variable name on line '=2'"),
            ("A B=1\n", "variable 'A B' contains whitespaces"),
            ("A=1\nB=" + [0xff], "invalid utf8 bytes at line 2"),
        ] as [([UInt8], String)]
    )
    func `mistakes are reported in docker's words`(content: [UInt8], message: String) throws {
        let error = try #require(throws: EnvironmentFileError.self) { try EnvironmentFile.variables(content) }
        #expect("\(error)" == message)
    }
}

@Suite struct `Copying between containers and the host` {
    @Test(
        arguments: [
            ("name:/path", "name", "/path"), ("/a:b", nil, "/a:b"), ("./a:b", nil, "./a:b"), ("../a:b", nil, "../a:b"),
            ("plain", nil, "plain"), ("-", nil, "-"), ("name:", "name", ""), ("name:a:b", "name", "a:b"),
        ] as [(String, String?, String)]
    )
    func `an argument names a container or a path`(argument: String, container: String?, path: String) {
        let end = CopyCommand.end(Array(argument.utf8))
        #expect(end.container == container && end.path == Array(path.utf8))
    }
}
