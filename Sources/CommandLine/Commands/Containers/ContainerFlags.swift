internal import Containers
internal import DockerObjects
internal import LinuxSystem
internal import OCI
internal import Terminal

/// What `run` and `create` are asked of the container they make.
struct ContainerFlags: Sendable {
    var keepsInput = false
    var hasTerminal = false
    var isRemoved = false
    var name: String?
    var environment: [[UInt8]] = []
    var environmentFiles: [[UInt8]] = []
    var mounts: [ContainerMount] = []
    var workingDirectory: String?
    var user: String?
    var ports: [PublishedPort] = []
    var publishesAll = false
    var entrypoint: String?
    var network: ContainerConfiguration.Network?
    var hostname: String?
    var labels: [[UInt8]] = []
    var platform: Platform?
    var pull: PullPolicy?
    var isQuiet = false
    var stopSignal: String?
    var stopTimeout: Int?
    var idFile: [UInt8]?
    var options = ContainerOptions()
    var attached: [String] = []
    var exposed: [String] = []
    var labelFiles: [[UInt8]] = []
    var volumesFrom: [VolumesFrom] = []
    /// Of flags that mean nothing here.
    var ignored = false
    var healthCommand: String?
    var healthcheck = Healthcheck()
    var hasNoHealthcheck = false

    enum PullPolicy: String, CaseIterable { case always, missing, never }

    static let flags: [Flag<ContainerFlags>] =
        general + files + confinement + limits + more + health + missingFlags

    private static let general: [Flag<ContainerFlags>] = [
        .bytes("cidfile", \.idFile, completion: .files, help: "Write the container ID to the file"),
        .text("entrypoint", \.entrypoint, help: "Overwrite the default ENTRYPOINT of the image"),
        .variables(\.environment),
        .variableFiles(\.environmentFiles),
        .text("hostname", short: "h", \.hostname, help: "Container host name"),
        .toggle(
            "init",
            \.options.usesInit,
            help: "Run an init inside the container that forwards signals and reaps processes"
        ),
        .toggle("interactive", short: "i", \.keepsInput, help: "Keep STDIN open even if not attached"),
        .values("label", short: "l", \.labels, placeholder: "list", help: "Set meta data on a container") {
            bytes throws(FlagValueError) in
            _ = try LabelText.pairs([bytes])
            return [bytes]
        },
        .text("name", \.name, help: "Assign a name to the container"),
        .value("platform", \.platform, placeholder: "string", help: "Set platform if server is multi-platform capable")
        {
            bytes throws(FlagValueError) in try platformValue(bytes)
        },
        .value(
            "pull",
            \.pull,
            placeholder: "string",
            defaultText: "\"missing\"",
            completion: .words(PullPolicy.allCases.map(\.rawValue)),
            help: "Pull image before running (\"always\", \"missing\", \"never\")"
        ) { bytes throws(FlagValueError) in
            let text = try FlagValues.text(bytes)
            guard let policy = PullPolicy(rawValue: text) else {
                throw FlagValueError(
                    "invalid pull option: '\(text)': must be one of \"always\", \"missing\" or \"never\""
                )
            }
            return policy
        },
        .toggle("quiet", short: "q", \.isQuiet, help: "Suppress the pull output"),
        .toggle(
            "rm",
            \.isRemoved,
            help: "Automatically remove the container and its associated anonymous volumes when it exits"
        ),
        .value("stop-signal", \.stopSignal, placeholder: "string", help: "Signal to stop the container") {
            bytes throws(FlagValueError) in
            let text = try FlagValues.text(bytes)
            try inWords { () throws(ContainerError) in _ = try ContainerStore.signal(named: text) }
            return text
        },
        .value(
            "stop-timeout",
            \.stopTimeout,
            placeholder: "int",
            help: "Timeout (in seconds) to stop a container",
            FlagValues.integer
        ),
        .toggle("tty", short: "t", \.hasTerminal, help: "Allocate a pseudo-TTY"),
        .text("user", short: "u", \.user, help: "Username or UID (format: <name|uid>[:<group|gid>])"),
        .value(
            "userns",
            \.options.userNamespace,
            placeholder: "string",
            completion: .words(UserNamespaceMode.allCases.map(\.rawValue)),
            help: "User namespace to use (\"host\": Slipway's own; \"keep-id\": one in which you keep your number)"
        ) { bytes throws(FlagValueError) in try ContainerFlagValues.userNamespace(bytes) },
        .text("workdir", short: "w", \.workingDirectory, help: "Working directory inside the container"),
    ]

    static let files: [Flag<ContainerFlags>] = [
        .values("mount", \.mounts, placeholder: "mount", help: "Attach a filesystem mount to the container") {
            bytes throws(FlagValueError) in [try ContainerFlagValues.mount(bytes)]
        },
        .values("tmpfs", \.mounts, placeholder: "list", help: "Mount a tmpfs directory") {
            bytes throws(FlagValueError) in
            let text = try FlagValues.text(bytes)
            return [try inWords { () throws(ContainerError) in try ContainerMount(parsingTemporary: text) }]
        },
        .values("volume", short: "v", \.mounts, placeholder: "list", help: "Bind mount a volume") {
            bytes throws(FlagValueError) in
            [try inWords { () throws(ContainerError) in try ContainerMount(parsingVolume: bytes) }]
        },
        .value(
            "shm-size",
            \.options.sharedMemorySize,
            placeholder: "bytes",
            help: "Size of /dev/shm"
        ) { bytes throws(FlagValueError) in
            // As for docker, no size is its default.
            let size = try FlagValues.size(bytes, allowsUnlimited: false)
            return size == 0 ? ContainerOptions.defaultSharedMemorySize : size
        },
        .toggle(
            "read-only",
            \.options.isRootReadOnly,
            help: "Mount the container's root filesystem as read only"
        ),
        .values(
            "add-host",
            \.options.hosts,
            placeholder: "list",
            help: "Add a custom host-to-IP mapping (host:ip)"
        ) { bytes throws(FlagValueError) in [try ContainerFlagValues.host(bytes)] },
        .values("dns", \.options.nameServers, placeholder: "list", help: "Set custom DNS servers") {
            bytes throws(FlagValueError) in [try ContainerFlagValues.address(bytes)]
        },
        .texts("dns-option", \.options.resolverOptions, help: "Set DNS options"),
        .values("dns-search", \.options.searchDomains, placeholder: "list", help: "Set custom DNS search domains") {
            bytes throws(FlagValueError) in [try ContainerFlagValues.searchDomain(bytes)]
        },
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
                throw FlagValueError(
                    "network \(text) not found: the networks are bridge, host and none"
                )
            }
            return network
        },
        .values("publish", short: "p", \.ports, placeholder: "list", help: "Publish a container's port(s) to the host")
        {
            bytes throws(FlagValueError) in
            let text = try FlagValues.text(bytes)
            return try inWords { () throws(ContainerError) in try PublishedPort.parse(text) }
        },
        .toggle("publish-all", short: "P", \.publishesAll, help: "Publish all exposed ports to random ports"),
    ]

    private static let confinement: [Flag<ContainerFlags>] = [
        .texts("cap-add", \.options.addedCapabilities, help: "Add Linux capabilities"),
        .texts("cap-drop", \.options.droppedCapabilities, help: "Drop Linux capabilities"),
        .texts("group-add", \.options.additionalGroups, help: "Add additional groups to join"),
        .toggle("privileged", \.options.isPrivileged, help: "Give extended privileges to this container"),
        .apply("security-opt", \.options, placeholder: "list", help: "Security Options") {
            (options, bytes) throws(FlagValueError) in
            try ContainerFlagValues.apply(securityOption: bytes, to: &options)
        },
        .values("ulimit", \.options.limits, placeholder: "ulimit", help: "Ulimit options") {
            bytes throws(FlagValueError) in [try ContainerFlagValues.limit(bytes)]
        },
    ]

    private static let limits: [Flag<ContainerFlags>] = [
        .value("memory", short: "m", \.options.resources.memory, placeholder: "bytes", help: "Memory limit") {
            bytes throws(FlagValueError) in
            try ContainerFlagValues.memory(try FlagValues.size(bytes, allowsUnlimited: false))
        },
        .value("cpus", \.options.resources.processors, placeholder: "decimal", help: "Number of CPUs") {
            bytes throws(FlagValueError) in
            try ContainerFlagValues.processors(try FlagValues.decimal(bytes))
        },
        .value(
            "pids-limit",
            \.options.resources.processes,
            placeholder: "int",
            help: "Tune container pids limit (set -1 for unlimited)"
        ) { bytes throws(FlagValueError) in
            let number = try FlagValues.integer(bytes)
            return number > 0 ? Int64(number) : nil
        },
    ]

    /// Says what a value is refused for in the words of who refused it.
    static func inWords<Value>(_ body: () throws(ContainerError) -> Value) throws(FlagValueError) -> Value {
        do throws(ContainerError) { return try body() } catch { throw FlagValueError("\(error)") }
    }
}
