package import Storage
package import Terminal

/// The options before the command: `slipway --root /srv/slipway images`.
package struct GlobalOptions: Sendable {
    /// Where the store is; nil leaves it to the environment.
    package var root: [UInt8]?
    /// The directory of client configuration, `~/.docker` by default.
    package var configuration: [UInt8]?
    /// The daemon that commands are sent to; nil leaves it to the environment.
    package var host: [UInt8]?
    package var authority: [UInt8]?
    package var certificate: [UInt8]?
    package var key: [UInt8]?
    /// When what is made in the store has to be on the disk; nil leaves it to the configuration.
    package var durability: Durability?
    package var isDebugging = false
    package var logLevel: LogLevel?
    package var showsVersion = false

    package enum LogLevel: String, Sendable, CaseIterable {
        case debug, info, warn, error, fatal
    }

    package init() {}

    static let flags: [Flag<GlobalOptions>] = [
        .bytes(
            "root",
            \.root,
            completion: .directories,
            help: "Directory of images, containers and build cache (overrides SLIPWAY_ROOT env var)"
        ),
        .bytes(
            "config",
            \.configuration,
            completion: .directories,
            help: "Directory of client configuration, with registry credentials (default \"~/.docker\")"
        ),
        .bytes(
            "host",
            short: "H",
            \.host,
            help: "Daemon to send the command to, as unix://PATH or tcp://HOST:PORT (overrides SLIPWAY_HOST env var)"
        ),
        .bytes(
            "tlscacert",
            \.authority,
            completion: .files,
            help: "Trust certificates of the daemon signed only by this CA"
        ),
        .bytes("tlscert", \.certificate, completion: .files, help: "Path to TLS certificate file"),
        .bytes("tlskey", \.key, completion: .files, help: "Path to TLS key file"),
        .value(
            "durability",
            \.durability,
            placeholder: "string",
            defaultText: "\"reported\"",
            completion: .words(Durability.allCases.map(\.rawValue)),
            help: "Wait for the disk before a result is reported, or in each step (\"reported\", \"strict\")"
        ) { bytes throws(FlagValueError) in
            guard let durability = Durability(rawValue: try FlagValues.text(bytes)) else {
                throw FlagValueError("it is neither \"reported\" nor \"strict\"")
            }
            return durability
        },
        .toggle("debug", short: "D", \.isDebugging, help: "Show what happens inside, and where errors come from"),
        .value(
            "log-level",
            short: "l",
            \.logLevel,
            placeholder: "string",
            defaultText: "\"info\"",
            completion: .words(LogLevel.allCases.map(\.rawValue)),
            help: "Least severe messages to show (\"debug\", \"info\", \"warn\", \"error\", \"fatal\")"
        ) { bytes throws(FlagValueError) in
            guard let level = LogLevel(rawValue: try FlagValues.text(bytes)) else {
                throw FlagValueError("unable to parse logging level")
            }
            return level
        },
        .toggle("version", short: "v", \.showsVersion, help: "Print version and quit"),
    ]
}

extension CommandTree where Environment == SlipwayEnvironment {
    /// A tree of Slipway's commands, with Slipway's global flags before them.
    package init(_ nodes: [CommandNode<SlipwayEnvironment>], width: Int = 80) {
        self.init(nodes, globalFlags: GlobalOptions.flags.map(\.description), width: width)
    }
}
