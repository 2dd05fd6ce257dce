internal import Containers
internal import OCI

extension RunCommand {
    static let flags: [Flag<RunCommand>] = [
        .toggle("detach", short: "d", \.isDetached, help: "Run container in background and print container ID"),
        .text("entrypoint", \.entrypoint, help: "Overwrite the default ENTRYPOINT of the image"),
        .list("env", short: "e", \.environment, help: "Set environment variables"),
        .list("env-file", \.environmentFiles, completion: .files, help: "Read in a file of environment variables"),
        .text("hostname", short: "h", \.hostname, help: "Container host name"),
        .toggle("interactive", short: "i", \.keepsInput, help: "Keep STDIN open even if not attached"),
        .list("label", short: "l", \.labels, help: "Set meta data on a container"),
        .values("mount", \.mounts, placeholder: "mount", help: "Attach a filesystem mount to the container") {
            bytes throws(FlagValueError) in [try mount(bytes)]
        },
        .text("name", \.name, help: "Assign a name to the container"),
        .value(
            "network",
            \.network,
            placeholder: "network",
            completion: .words(["bridge", "host", "none"]),
            help: "Connect a container to a network (\"bridge\", \"host\", \"none\")"
        ) { bytes throws(FlagValueError) in
            let text = try FlagValues.text(bytes)
            if text == "default" { return .bridge }
            guard let network = ContainerConfiguration.Network(rawValue: text) else {
                throw FlagValueError("there are the networks bridge, host and none")
            }
            return network
        },
        .value("platform", \.platform, placeholder: "string", help: "Use the image for this platform") {
            bytes throws(FlagValueError) in
            try platformValue(bytes)
        },
        .values("publish", short: "p", \.ports, placeholder: "list", help: "Publish a container's port(s) to the host")
        {
            bytes throws(FlagValueError) in
            let text = try FlagValues.text(bytes)
            do throws(ContainerError) { return try PublishedPort.parse(text) } catch {
                throw FlagValueError("\(error)")
            }
        },
        .toggle("publish-all", short: "P", \.publishesAll, help: "Publish all exposed ports to random ports"),
        .value(
            "pull",
            \.pull,
            placeholder: "string",
            defaultText: "\"missing\"",
            completion: .words(PullPolicy.allCases.map(\.rawValue)),
            help: "Pull image before running (\"always\", \"missing\", \"never\")"
        ) { bytes throws(FlagValueError) in
            guard let policy = PullPolicy(rawValue: try FlagValues.text(bytes)) else {
                throw FlagValueError("it is none of always, missing and never")
            }
            return policy
        },
        .toggle("quiet", short: "q", \.isQuiet, help: "Suppress the pull output"),
        .toggle("rm", \.isRemoved, help: "Remove the container and its anonymous volumes when it exits"),
        .text("stop-signal", \.stopSignal, help: "Signal to stop the container"),
        .value(
            "stop-timeout",
            \.stopTimeout,
            placeholder: "int",
            help: "Timeout (in seconds) to stop a container",
            FlagValues.integer
        ),
        .toggle("tty", short: "t", \.hasTerminal, help: "Allocate a pseudo-TTY"),
        .text("user", short: "u", \.user, help: "Username or UID (format: <name|uid>[:<group|gid>])"),
        .values("volume", short: "v", \.mounts, placeholder: "list", help: "Bind mount a volume") {
            bytes throws(FlagValueError) in
            let text = try FlagValues.text(bytes)
            do throws(ContainerError) {
                return [try ContainerMount(parsingVolume: text)]
            } catch {
                throw FlagValueError("\(error)")
            }
        },
        .text("workdir", short: "w", \.workingDirectory, help: "Working directory inside the container"),
    ]

    /// `type=bind,source=…,target=…,readonly`.
    private static func mount(_ bytes: [UInt8]) throws(FlagValueError) -> ContainerMount {
        var type = "volume"
        var source: String?
        var target: String?
        var isReadOnly = false
        var size: Int64?
        for (key, value) in try FlagValues.fields(bytes) {
            switch key {
            case "type": type = try FlagValues.text(value ?? [])
            case "source", "src": source = try FlagValues.text(value ?? [])
            case "target", "destination", "dst": target = try FlagValues.text(value ?? [])
            case "readonly", "ro":
                isReadOnly = try value.map { bytes throws(FlagValueError) in try FlagValues.boolean(bytes) } ?? true
            case "tmpfs-size": size = try FlagValues.size(value ?? [], allowsUnlimited: false)
            default: throw FlagValueError("unexpected key '\(key)'")
            }
        }
        guard let target, target.hasPrefix("/") else { throw FlagValueError("target is required, as an absolute path") }
        let kind: ContainerMount.Kind
        switch type {
        case "bind":
            guard let source else { throw FlagValueError("source is required") }
            kind = .bind(source: source)
        case "volume":
            kind = .volume(name: source ?? ContainerNames.makeID(), isAnonymous: source == nil)
        case "tmpfs": kind = .tmpfs(size: size)
        default: throw FlagValueError("mount type '\(type)' is none of bind, volume and tmpfs")
        }
        return ContainerMount(kind, at: target, isReadOnly: isReadOnly)
    }
}
