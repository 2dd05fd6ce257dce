/// One key of `slipway.toml`.
package struct ConfigurationKey: Sendable {
    /// What may be its value, as the reference says it.
    package enum Kind: String, Sendable {
        case truth = "true or false"
        case text = "string"
        case texts = "array of strings"
        case size = "number of bytes, or string as \"10GB\" or \"20%\" (of the disk)"
        case count = "number"
        case duration = "number of seconds, or string as \"48h\""
        case tables = "array of tables"
    }

    package let name: String
    package let kind: Kind
    package let summary: String
    /// What holds where the key is missing.
    package let defaultText: String?

    init(_ name: String, _ kind: Kind, _ summary: String, default defaultText: String? = nil) {
        self.name = name
        self.kind = kind
        self.summary = summary
        self.defaultText = defaultText
    }
}

/// A table of `slipway.toml`, with the keys it may have; `docs/reference/configuration.md` is made of these.
package struct ConfigurationTable: Sendable {
    /// The header as it is written, as `[worker.oci]`.
    package let header: String
    package let summary: String
    package let keys: [ConfigurationKey]
    /// Lines worth copying.
    package let example: String

    var keyNames: Set<String> { Set(keys.map(\.name)) }

    /// The first word of the header.
    var root: String { String(header.drop { $0 == "[" }.prefix { $0 != "." && $0 != "]" }) }
}

extension SlipwayConfiguration {
    /// Everything that the file may have, in the order of the reference.
    package static let tables = [
        registryKeys, keyPairKeys, storeKeys, workerKeys, policyKeys, historyKeys, nameServerKeys, deviceKeys,
    ]

    static let registryKeys = ConfigurationTable(
        header: "[registry.\"HOST\"]",
        summary: "How to reach one registry. HOST is the host as image names have it: `docker.io`, `localhost:5000`.",
        keys: [
            ConfigurationKey(
                "mirrors",
                .texts,
                "Hosts to ask before the registry itself, in this order, as `[scheme://]host[:port][/path]`."
            ),
            ConfigurationKey(
                "http",
                .truth,
                "Plain HTTP instead of TLS.",
                default: "true for the machine itself, else false"
            ),
            ConfigurationKey("insecure", .truth, "TLS without checking the server's certificate.", default: "false"),
            ConfigurationKey("ca", .texts, "PEM files of certificate authorities to trust besides the system's."),
            ConfigurationKey(
                "auth_hosts",
                .texts,
                "Token servers of another domain that may get the credentials of this registry."
            ),
            ConfigurationKey("keypair", .tables, "Client certificates: see `[[registry.\"HOST\".keypair]]`."),
        ],
        example: """
            [registry."docker.io"]
            mirrors = ["mirror.example.com/hub"]

            [registry."registry.example.com:5000"]
            ca = ["/etc/slipway/example-ca.pem"]
            """
    )

    static let keyPairKeys = ConfigurationTable(
        header: "[[registry.\"HOST\".keypair]]",
        summary: "A client certificate to show to the registry. Both keys are required.",
        keys: [
            ConfigurationKey("key", .text, "PEM file of the private key."),
            ConfigurationKey("cert", .text, "PEM file of the certificate."),
        ],
        example: """
            [[registry."registry.example.com".keypair]]
            key = "client-key.pem"
            cert = "client.pem"
            """
    )

    /// - Parameter defaults: what holds where none of the three keys is there.
    /// - Returns: the keys of three sizes.
    private static func limitKeys(defaults: (reserved: String, used: String, free: String)?) -> [ConfigurationKey] {
        [
            ConfigurationKey(
                "reservedSpace",
                .size,
                "Size up to which the build cache is left alone.",
                default: defaults?.reserved
            ),
            ConfigurationKey("maxUsedSpace", .size, "Most that the build cache may take.", default: defaults?.used),
            ConfigurationKey("minFreeSpace", .size, "Free space to leave on the disk.", default: defaults?.free),
        ]
    }

    static let storeKeys = ConfigurationTable(
        header: "[store]",
        summary: "How the store is written.",
        keys: [
            ConfigurationKey(
                "durability",
                .text,
                "`reported`: what is reported, as an image, is on the disk, and a build waits for that once, at its end; "
                    + "`strict`: each step waits for its own.",
                default: "`reported`"
            )
        ],
        example: """
            [store]
            durability = "strict"
            """
    )

    static let workerKeys = ConfigurationTable(
        header: "[worker.oci]",
        summary:
            "The build cache, and the network of RUN steps. The three sizes have their defaults where none is set;"
            + " a file that sets one leaves the others without a limit.",
        keys: [
            ConfigurationKey(
                "gc",
                .truth,
                "Whether builds start a collection of the cache that is due.",
                default: "true"
            )
        ]
            + limitKeys(
                defaults: (
                    "10 % of the disk, at most 10 GB", "80 % of the disk, at most 100 GB", "20 % of the disk"
                )
            ) + [
                ConfigurationKey("gckeepstorage", .size, "Former name of `reservedSpace`."),
                ConfigurationKey(
                    "gcpolicy",
                    .tables,
                    "What to keep, in detail: see `[[worker.oci.gcpolicy]]`.",
                    default: "BuildKit's four policies, with the sizes above"
                ),
                ConfigurationKey(
                    "networkMode",
                    .text,
                    "`bridge` (a network for each step), `host`, `none`, or `auto`: `bridge` where possible, else `host`.",
                    default: "`auto`"
                ),
            ],
        example: """
            [worker.oci]
            maxUsedSpace = "50GB"
            minFreeSpace = "10%"
            networkMode = "bridge"
            """
    )

    static let policyKeys = ConfigurationTable(
        header: "[[worker.oci.gcpolicy]]",
        summary: "One policy of collection. Policies apply one after the other, the first one first.",
        keys: limitKeys(defaults: nil) + [
            ConfigurationKey("keepBytes", .size, "Former name of `reservedSpace`."),
            ConfigurationKey(
                "all",
                .truth,
                "Whether images' layers may be removed from the cache, too.",
                default: "false"
            ),
            ConfigurationKey("keepDuration", .duration, "Records that were used within this time stay."),
            ConfigurationKey(
                "filters",
                .texts,
                "Records to remove: each text holds filters as `slipway builder prune --filter` takes them, with commas"
                    + " between those that must all match; a record must match one of the texts."
            ),
        ],
        example: """
            [[worker.oci.gcpolicy]]
            filters = ["type==exec.cachemount"]
            keepDuration = "48h"
            maxUsedSpace = "5GB"
            """
    )

    static let historyKeys = ConfigurationTable(
        header: "[history]",
        summary: "How many builds are remembered. Those stay that either key lets stay, but never more than 1,000.",
        keys: [
            ConfigurationKey("maxEntries", .count, "So many builds stay, however old they are.", default: "50"),
            ConfigurationKey("maxAge", .duration, "Younger builds stay, too.", default: "`48h`"),
        ],
        example: """
            [history]
            maxEntries = 200
            maxAge = "168h"
            """
    )

    static let nameServerKeys = ConfigurationTable(
        header: "[dns]",
        summary: "Lines for `/etc/resolv.conf` in RUN steps, in place of the host's.",
        keys: [
            ConfigurationKey("nameservers", .texts, "Addresses of name servers."),
            ConfigurationKey("options", .texts, "Words of the `options` line."),
            ConfigurationKey("searchDomains", .texts, "Words of the `search` line."),
        ],
        example: """
            [dns]
            nameservers = ["10.0.0.53"]
            searchDomains = ["example.com"]
            """
    )

    static let deviceKeys = ConfigurationTable(
        header: "[cdi]",
        summary: "Devices of the machine for `RUN --device`, described as the Container Device Interface says.",
        keys: [
            ConfigurationKey(
                "specDirs",
                .texts,
                "Directories of device descriptions.",
                default: "`/etc/cdi`, `/var/run/cdi`, `/etc/buildkit/cdi`"
            ),
            ConfigurationKey("disabled", .truth, "No devices.", default: "false"),
            ConfigurationKey("autoAllowed", .texts, "Devices and classes that builds get without `--allow device`."),
        ],
        example: """
            [cdi]
            autoAllowed = ["vendor.example/net=card0"]
            """
    )
}
