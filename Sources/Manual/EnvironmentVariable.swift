internal import Terminal
internal import Text

/// An environment variable that Slipway reads; `docs/reference/environment.md` is made of these.
///
/// Commands read variables through `SlipwayEnvironment.variable(_:)`, which takes nothing else. Targets below those
/// spell out the names; a test looks in their sources for names that are not declared here.
package struct EnvironmentVariable: Sendable {
    /// A heading of the reference.
    package enum Topic: String, Sendable, CaseIterable {
        case store = "Where things are"
        case network = "Registries and the network"
        case build = "Builds"
        case display = "What a build shows"
    }

    package let name: String
    package let topic: Topic
    package let summary: String
    /// What holds where the variable is not set.
    package let defaultText: String?
    /// The flag that means the same and wins over the variable.
    package let flag: String?
    /// The first spellings of the commands that read it; empty where every command may.
    package let commands: [String]

    private init(
        _ name: String,
        _ topic: Topic,
        _ summary: String,
        default defaultText: String? = nil,
        flag: String? = nil,
        commands: [String]? = nil
    ) {
        self.name = name
        self.topic = topic
        self.summary = summary
        self.defaultText = defaultText
        self.flag = flag
        self.commands = commands ?? (topic == .build || topic == .display ? ["build"] : [])
    }

    /// All of them, in the order of the reference.
    package static let all: [EnvironmentVariable] = [
        root, host, certificateDirectory, configurationFile, snapshotter, dataHome, runtimeDirectory, home, path,
        temporaryDirectory,
        dockerConfiguration, defaultPlatform, authorities, authorityDirectory, httpProxy, httpsProxy, allProxy, noProxy,
        sourceDate, agentSocket, gitLabels, gitChecksChanges, builder, noDefaultLoad, metadataProvenance,
        metadataWarnings,
        stepLogSize, stepLogSpeed, sourcePolicy, bucket, bucketRegion, accessKey, secretAccessKey, sessionToken,
        progress, noColor, colors, terminalLogLines, displayRate, noTruncation,
    ]
}

// MARK: Where things are

extension EnvironmentVariable {
    package static let root = EnvironmentVariable(
        "SLIPWAY_ROOT",
        .store,
        "Directory of images, containers and build cache.",
        default: "`/var/lib/slipway` for root, `$XDG_DATA_HOME/slipway` for other users",
        flag: "root"
    )
    package static let host = EnvironmentVariable(
        "SLIPWAY_HOST",
        .store,
        "The daemon that commands are sent to, as `unix://PATH` or `tcp://HOST:PORT`.",
        default: "none: commands do their work themselves",
        flag: "host"
    )
    package static let certificateDirectory = EnvironmentVariable(
        "SLIPWAY_CERT_PATH",
        .store,
        "Directory of `ca.pem`, `cert.pem` and `key.pem`, with which a daemon is called over TLS.",
        default: "no TLS",
        flag: "tlscacert"
    )
    package static let configurationFile = EnvironmentVariable(
        "SLIPWAY_CONFIG",
        .store,
        "The configuration file, slipway.toml.",
        default: "`/etc/slipway/slipway.toml`"
    )
    package static let snapshotter = EnvironmentVariable(
        "SLIPWAY_SNAPSHOTTER",
        .store,
        "How file trees are stacked: `overlayfs` mounts layers on top of each other, `copy` copies trees.",
        default: "`overlayfs` where the store's file system allows it, else `copy`"
    )
    package static let dataHome = EnvironmentVariable(
        "XDG_DATA_HOME",
        .store,
        "Directory for a user's data. The store of users other than root is below it.",
        default: "`~/.local/share`"
    )
    package static let runtimeDirectory = EnvironmentVariable(
        "XDG_RUNTIME_DIR",
        .store,
        "Directory for what a reboot may remove. Sockets and locks of users other than root are in `slipway` below it.",
        default: "`/run/user/UID` if it is the user's, else `/tmp/slipway-UID`"
    )
    package static let home = EnvironmentVariable(
        "HOME",
        .store,
        "The home directory.",
        default: "the one in the user database"
    )
    package static let temporaryDirectory = EnvironmentVariable(
        "TMPDIR",
        .store,
        "Directory for files that are sent to a daemon and not kept.",
        default: "`/tmp`"
    )
    package static let path = EnvironmentVariable(
        "PATH",
        .store,
        "Where Slipway looks for `crun`, `conmon`, `netavark`, `git` and credential helpers.",
        default: "`/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`"
    )
}

// MARK: Registries and the network

extension EnvironmentVariable {
    package static let dockerConfiguration = EnvironmentVariable(
        "DOCKER_CONFIG",
        .network,
        "Directory of `config.json`, which holds registry credentials and the proxies of builds and containers.",
        default: "`~/.docker`",
        flag: "config"
    )
    package static let defaultPlatform = EnvironmentVariable(
        "DOCKER_DEFAULT_PLATFORM",
        .network,
        "Platforms to build for. `pull`, `create` and `run` take the first.",
        default: "the platform of the machine",
        flag: "platform",
        commands: ["build", "create", "pull", "run"]
    )
    package static let authorities = EnvironmentVariable(
        "SSL_CERT_FILE",
        .network,
        "PEM file of certificate authorities to trust instead of the system's."
    )
    package static let authorityDirectory = EnvironmentVariable(
        "SSL_CERT_DIR",
        .network,
        "Directory of certificate authorities. Only git reads it.",
        commands: ["build"]
    )
    package static let httpProxy = EnvironmentVariable(
        "HTTP_PROXY",
        .network,
        "Proxy for `http://` addresses, as `http://[user:password@]host[:port]` or `socks5://…`."
            + " Also read in lower case, like the next ones."
    )
    package static let httpsProxy = EnvironmentVariable("HTTPS_PROXY", .network, "Proxy for `https://` addresses.")
    package static let allProxy = EnvironmentVariable(
        "ALL_PROXY",
        .network,
        "Proxy for addresses that have no other. Only git reads it.",
        commands: ["build"]
    )
    package static let noProxy = EnvironmentVariable(
        "NO_PROXY",
        .network,
        "Hosts, domains and networks to reach without a proxy, with commas between them."
    )
}

// MARK: Builds

extension EnvironmentVariable {
    package static let sourceDate = EnvironmentVariable(
        "SOURCE_DATE_EPOCH",
        .build,
        "Time of the image: seconds since 1970, `context`, or the name of a stage. With `rewrite-timestamp=true` in"
            + " `--output`, no file of it is newer. A build argument of this name wins over the variable."
    )
    package static let agentSocket = EnvironmentVariable(
        "SSH_AUTH_SOCK",
        .build,
        "Socket of the SSH agent that `--ssh default` offers to steps.",
        flag: "ssh"
    )
    package static let gitLabels = EnvironmentVariable(
        "BUILDX_GIT_LABELS",
        .build,
        "`1` or `full` labels the image with the commit, the remote repository and the path of the Dockerfile."
    )
    package static let gitChecksChanges = EnvironmentVariable(
        "BUILDX_GIT_CHECK_DIRTY",
        .build,
        "`1` adds `-dirty` to the commit in that label where the work tree has changes."
    )
    package static let builder = EnvironmentVariable(
        "BUILDX_BUILDER",
        .build,
        "Accepted for scripts written for buildx. A name other than `default` leads to a warning."
    )
    package static let noDefaultLoad = EnvironmentVariable(
        "BUILDX_NO_DEFAULT_LOAD",
        .build,
        "`1` keeps the result of a build without `--output`, `--load` and `--push` in the build cache only."
    )
    package static let metadataProvenance = EnvironmentVariable(
        "BUILDX_METADATA_PROVENANCE",
        .build,
        "How much provenance the file of `--metadata-file` has: `min`, `max` or `disabled`.",
        default: "`min`"
    )
    package static let metadataWarnings = EnvironmentVariable(
        "BUILDX_METADATA_WARNINGS",
        .build,
        "`1` writes warnings to the file of `--metadata-file`, too."
    )
    package static let sourcePolicy = EnvironmentVariable(
        "EXPERIMENTAL_BUILDKIT_SOURCE_POLICY",
        .build,
        "A file with rules for what builds may bring in from outside, and for what they bring in instead."
    )
    package static let stepLogSize = EnvironmentVariable(
        "BUILDKIT_STEP_LOG_MAX_SIZE",
        .build,
        "Most bytes of output to show of one step. `-1` is no limit.",
        default: "no limit"
    )
    package static let stepLogSpeed = EnvironmentVariable(
        "BUILDKIT_STEP_LOG_MAX_SPEED",
        .build,
        "Most bytes of output a second to show of one step. `-1` is no limit.",
        default: "no limit"
    )
    package static let bucket = EnvironmentVariable("AWS_BUCKET", .build, "Bucket of `type=s3` caches that name none.")
    package static let bucketRegion = EnvironmentVariable(
        "AWS_REGION",
        .build,
        "Region of `type=s3` caches that name none."
    )
    package static let accessKey = EnvironmentVariable(
        "AWS_ACCESS_KEY_ID",
        .build,
        "Access key for `type=s3` caches that name none."
    )
    package static let secretAccessKey = EnvironmentVariable(
        "AWS_SECRET_ACCESS_KEY",
        .build,
        "Secret key that belongs to `AWS_ACCESS_KEY_ID`."
    )
    package static let sessionToken = EnvironmentVariable(
        "AWS_SESSION_TOKEN",
        .build,
        "Session token that belongs to `AWS_ACCESS_KEY_ID`."
    )
}

// MARK: What a build shows

extension EnvironmentVariable {
    package static let progress = EnvironmentVariable(
        "BUILDKIT_PROGRESS",
        .display,
        "How progress is shown: `auto`, `none`, `plain`, `quiet`, `rawjson` or `tty`.",
        default: "`auto`",
        flag: "progress"
    )
    package static let noColor = EnvironmentVariable("NO_COLOR", .display, "Any text but an empty one: no colours.")
    package static let colors = EnvironmentVariable(
        "BUILDKIT_COLORS",
        .display,
        "Colours on a terminal, as `run=green:warning=yellow:error=light-red:cancel=255,0,255`."
    )
    package static let terminalLogLines = EnvironmentVariable(
        "BUILDKIT_TTY_LOG_LINES",
        .display,
        "Lines of output to show below each running step.",
        default: "`\(TerminalDisplay.defaultLogLines)`"
    )
    package static let displayRate = EnvironmentVariable(
        "TTY_DISPLAY_RATE",
        .display,
        "Milliseconds between two redraws of the terminal.",
        default: "`100`"
    )
    package static let noTruncation = EnvironmentVariable(
        "PROGRESS_NO_TRUNC",
        .display,
        "`0` cuts long names of steps in plain progress."
    )
}
