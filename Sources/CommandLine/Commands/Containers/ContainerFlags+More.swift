internal import Containers
internal import DockerObjects
internal import LinuxSystem
internal import OCI
internal import Terminal

extension ContainerFlags {
    /// Ports, labels and volumes that come from elsewhere, and flags that mean nothing here.
    static let more: [Flag<ContainerFlags>] = [
        .values(
            "attach",
            short: "a",
            \.attached,
            placeholder: "list",
            completion: .words(["stdin", "stdout", "stderr"]),
            help: "Attach to STDIN, STDOUT or STDERR"
        ) { bytes throws(FlagValueError) in
            let name = try FlagValues.text(bytes).lowercased()
            guard ["stdin", "stdout", "stderr"].contains(name) else {
                throw FlagValueError("valid streams are STDIN, STDOUT and STDERR")
            }
            return [name]
        },
        .values("expose", \.exposed, placeholder: "list", help: "Expose a port or a range of ports") {
            bytes throws(FlagValueError) in try exposedPorts(bytes)
        },
        .list("label-file", \.labelFiles, completion: .files, help: "Read in a line delimited file of labels"),
        .values(
            "volumes-from",
            \.volumesFrom,
            placeholder: "list",
            help: "Mount volumes from the specified container(s)"
        ) {
            bytes throws(FlagValueError) in [try VolumesFrom(bytes)]
        },
        .toggle("disable-content-trust", \.ignored, help: "Skip image verification").hidden,
        alias("net", of: "network"), alias("dns-opt", of: "dns-option"),
    ]

    /// What checks whether a container is healthy.
    static let health: [Flag<ContainerFlags>] = [
        .text("health-cmd", \.healthCommand, help: "Command to run to check health"),
        duration("health-interval", \.healthcheck.interval, help: "Time between running the check (ms|s|m|h)"),
        .value(
            "health-retries",
            \.healthcheck.retries,
            placeholder: "int",
            help: "Consecutive failures needed to report unhealthy"
        ) { bytes throws(FlagValueError) in
            let number = try FlagValues.integer(bytes)
            guard number >= 0 else { throw FlagValueError("--health-retries cannot be negative") }
            return number
        },
        duration(
            "health-start-interval",
            \.healthcheck.startInterval,
            help: "Time between running the check during the start period (ms|s|m|h)"
        ),
        duration(
            "health-start-period",
            \.healthcheck.startPeriod,
            help: "Start period for the container to initialize before starting health-retries countdown (ms|s|m|h)"
        ),
        duration("health-timeout", \.healthcheck.timeout, help: "Maximum time to allow one check to run (ms|s|m|h)"),
        .toggle("no-healthcheck", \.hasNoHealthcheck, help: "Disable any container-specified HEALTHCHECK"),
    ]

    private static func duration(
        _ name: String,
        _ path: any WritableKeyPath<ContainerFlags, Int64?> & Sendable,
        help: String
    ) -> Flag<ContainerFlags> {
        .value(name, path, placeholder: "duration", help: help) { bytes throws(FlagValueError) in
            let nanoseconds = Int64(try FlagValues.seconds(bytes) * 1e9)
            guard nanoseconds >= 0 else { throw FlagValueError("--\(name) cannot be negative") }
            guard nanoseconds == 0 || nanoseconds >= 1_000_000 else {
                throw FlagValueError("--\(name) cannot be less than 1ms")
            }
            return nanoseconds == 0 ? nil : nanoseconds
        }
    }

    /// A second spelling, which help does not list.
    private static func alias(_ name: String, of original: String) -> Flag<ContainerFlags> {
        guard let flag = files.first(where: { $0.description.name == original }) else {
            preconditionFailure("no flag is called \(original)")
        }
        return flag.named(name).hidden
    }

    /// `80`, `80-90/udp`: the ports as `inspect` shows them.
    private static func exposedPorts(_ bytes: [UInt8]) throws(FlagValueError) -> [String] {
        let text = try FlagValues.text(bytes)
        guard !text.contains(":") else { throw FlagValueError("invalid port format for --expose: \(text)") }
        do throws(ContainerError) {
            return try PublishedPort.parse(text).map(\.containerEndpoint)
        } catch {
            throw FlagValueError("invalid range format for --expose: \(text)")
        }
    }

    /// The streams that a command which runs the container has something to do with.
    func attachedStreams(isDetached: Bool) -> [String] {
        if isDetached { return [] }
        return attached.isEmpty ? (keepsInput ? ["stdin"] : []) + ["stdout", "stderr"] : attached
    }

    /// The same streams, without those that are not attached to.
    func attaching(_ streams: AttachedStreams) -> AttachedStreams {
        guard !attached.isEmpty else { return streams }
        var chosen = streams
        if !attached.contains("stdin") { chosen.input = nil }
        let names = attached
        chosen.write = { stream, bytes in
            if names.contains(stream == 2 ? "stderr" : "stdout") { try await streams.write(stream, bytes) }
        }
        return chosen
    }

    /// What the flags say of health checks; nil where they say nothing.
    func requestedHealthcheck() throws(CommandFailure) -> Healthcheck? {
        let isAsked = healthCommand != nil || healthcheck != Healthcheck()
        if hasNoHealthcheck {
            guard !isAsked else {
                throw CommandFailure("slipway: --no-healthcheck conflicts with --health-* options", status: .notRun)
            }
            return Healthcheck(test: ["NONE"])
        }
        guard isAsked else { return nil }
        var wanted = healthcheck
        if let healthCommand, !healthCommand.isEmpty { wanted.test = ["CMD-SHELL", healthCommand] }
        return wanted
    }

    /// The labels of files, and then those given: later ones win.
    func allLabels(_ environment: SlipwayEnvironment) async throws -> [String: String] {
        var lines: [[UInt8]] = []
        for file in labelFiles {
            let path = environment.path(file)
            let content = try await onBlockingPool { try OpenFile.open(path, .readOnly).readToEnd(limit: 1 << 20) }
            do throws(EnvironmentFileError) {
                lines += try EnvironmentFile.variables(content)
            } catch {
                throw ContainerCommandError.environmentFile(path, error)
            }
        }
        return try LabelText.pairs(lines + labels)
    }
}
