package import HTTP
internal import LinuxSystem
package import SystemPackage
internal import Text

/// `slipway.toml`: how to reach registries, how much the build cache may have, and what network steps get.
///
/// Tables and keys have the names they have in `buildkitd.toml`.
package struct SlipwayConfiguration: Sendable, Hashable {
    /// One table `[registry."host"]`.
    package struct RegistryTable: Sendable, Hashable {
        /// `host[:port][/path]`, or with `http://` or `https://` before it; asked in their order before the registry itself.
        package var mirrors: [String] = []
        /// Plain HTTP instead of TLS; nil leaves the rule for loopback hosts in force.
        package var http: Bool?
        /// TLS without looking at the server's certificate.
        package var insecure = false
        /// PEM files of authorities that are trusted for this registry besides the system's.
        package var authorities: [FilePath] = []
        package var keyPairs: [TLSTrust.KeyPair] = []
        /// Hosts of token services that may get this registry's credentials although they belong to another domain.
        package var authHosts: [String] = []

        package init() {}
    }

    /// A number, or a text that means one: a size as `10GB` or `20%`, a duration as `48h`.
    package enum Quantity: Sendable, Hashable {
        case number(Int64)
        case text(String)
    }

    /// What is to be kept of the build cache, in a table `[worker.oci]` or in one `[[worker.oci.gcpolicy]]`.
    package struct CacheLimits: Sendable, Hashable {
        package var reservedSpace: Quantity?
        package var maxUsedSpace: Quantity?
        package var minFreeSpace: Quantity?

        package init() {}

        var isEmpty: Bool { self == CacheLimits() }
    }

    /// One table `[[worker.oci.gcpolicy]]`.
    package struct CachePolicyTable: Sendable, Hashable {
        package var limits = CacheLimits()
        package var all = false
        package var keepDuration: Quantity?
        package var filters: [String] = []

        package init() {}
    }

    /// The table `[worker.oci]`.
    package struct CacheTable: Sendable, Hashable {
        /// Whether the cache is looked after without being asked.
        package var collects = true
        package var limits = CacheLimits()
        /// Nil for the policies that are usual.
        package var policies: [CachePolicyTable]?

        package init() {}
    }

    /// The table `[cdi]`: the devices of the machine that steps may ask for.
    package struct DeviceTable: Sendable, Hashable {
        /// Nil is where they usually are.
        package var directories: [FilePath]?
        package var isDisabled = false
        /// Devices and classes that every build may have.
        package var autoAllowed: [String] = []

        package init() {}
    }

    /// The table `[history]`: how many builds are remembered.
    package struct HistoryTable: Sendable, Hashable {
        package var maxEntries: Int64?
        package var maxAge: Quantity?

        package init() {}
    }

    /// The table `[dns]`: lines of the `/etc/resolv.conf` of steps, in place of the host's.
    package struct NameServerTable: Sendable, Hashable {
        package var nameServers: [String] = []
        package var options: [String] = []
        package var searchDomains: [String] = []

        package init() {}
    }

    /// Where it was read, for messages.
    package private(set) var file = ""
    package var cache = CacheTable()
    package var devices = DeviceTable()
    /// What network the steps of builds get: `networkMode` of `[worker.oci]`.
    package var networkMode: String?
    package var dns = NameServerTable()
    /// When what is made in the store has to be on the disk: `durability` of `[store]`.
    package var durability: String?
    package var history = HistoryTable()
    /// What is said of the daemon.
    package var daemon = DaemonTable()

    /// By the host as image names spell it, for example `docker.io` or `localhost:5000`.
    package var registries: [String: RegistryTable] = [:]

    package init() {}

    /// Reads the file; one that does not exist is empty.
    /// - Throws: `SettingsError.invalid` naming file and key, `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init(reading path: FilePath) throws {
        try self.init(parsing: try contentsIfPresent(of: path, limit: 1 << 20) ?? [], file: path)
    }

    /// Reads the text of a configuration.
    /// - Throws: `SettingsError.invalid` naming file and key; a key that is not known is an error too.
    package init(parsing bytes: [UInt8], file: FilePath) throws(SettingsError) {
        let name = escapedForDisplay(file.bytes)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .invalid(file: name, key: nil, reason: "it is not UTF-8")
        }
        let root: [String: TOMLValue]
        do {
            root = try TOMLValue.table(parsing: text)
        } catch {
            throw .invalid(file: name, key: nil, reason: "\(error)")
        }
        let reader = TOMLReader(table: root, file: name, path: "")
        try reader.refuseOthers(than: Set(Self.tables.map(\.root)).union(DaemonTable.roots))
        daemon = try DaemonTable(reader, base: file.removingLastComponent())
        self.file = name
        if let worker = try reader.table("worker") {
            // Of BuildKit's other worker a file says at least that it is off.
            try worker.refuseOthers(than: ["oci", "containerd"])
            if let table = try worker.table("oci") {
                cache = try Self.cacheTable(table)
                networkMode = try table.string("networkMode")
            }
        }
        if let table = try reader.table("cdi") {
            devices = try Self.deviceTable(table, base: file.removingLastComponent())
        }
        if let table = try reader.table("store") {
            try table.refuseOthers(than: Self.storeKeys.keyNames)
            durability = try table.string("durability")
        }
        if let table = try reader.table("dns") { dns = try Self.nameServerTable(table) }
        if let table = try reader.table("history") { history = try Self.historyTable(table) }
        guard let registry = try reader.table("registry") else { return }
        for host in registry.keys {
            guard let table = try registry.table(host) else { continue }
            registries[host] = try Self.registryTable(table, host: host, base: file.removingLastComponent())
        }
    }

    private static func cacheTable(_ reader: TOMLReader) throws(SettingsError) -> CacheTable {
        try reader.refuseOthers(than: workerKeys.keyNames.union(DaemonTable.workerKeys))
        var table = CacheTable()
        table.collects = try reader.bool("gc") ?? true
        table.limits = try cacheLimits(reader)
        // What the first of the limits was called before.
        if table.limits.isEmpty { table.limits.reservedSpace = try reader.quantity("gckeepstorage") }
        guard reader.keys.contains("gcpolicy") else { return table }
        table.policies = []
        for policy in try reader.tables("gcpolicy") {
            try policy.refuseOthers(than: policyKeys.keyNames)
            var row = CachePolicyTable()
            row.limits = try cacheLimits(policy)
            if row.limits.isEmpty { row.limits.reservedSpace = try policy.quantity("keepBytes") }
            row.all = try policy.bool("all") ?? false
            row.keepDuration = try policy.quantity("keepDuration")
            row.filters = try policy.strings("filters")
            table.policies?.append(row)
        }
        return table
    }

    private static func deviceTable(_ reader: TOMLReader, base: FilePath) throws(SettingsError) -> DeviceTable {
        try reader.refuseOthers(than: deviceKeys.keyNames)
        var table = DeviceTable()
        table.isDisabled = try reader.bool("disabled") ?? false
        table.autoAllowed = try reader.strings("autoAllowed")
        if reader.keys.contains("specDirs") {
            table.directories = try reader.strings("specDirs").map { base.pushing(FilePath($0)) }
        }
        return table
    }

    private static func historyTable(_ reader: TOMLReader) throws(SettingsError) -> HistoryTable {
        try reader.refuseOthers(than: historyKeys.keyNames)
        var table = HistoryTable()
        table.maxAge = try reader.quantity("maxAge")
        switch try reader.quantity("maxEntries") {
        case nil: break
        case .number(let number) where number >= 0: table.maxEntries = number
        case .number, .text: throw reader.invalid("maxEntries", "expected a number of builds")
        }
        return table
    }

    private static func nameServerTable(_ reader: TOMLReader) throws(SettingsError) -> NameServerTable {
        try reader.refuseOthers(than: nameServerKeys.keyNames)
        var table = NameServerTable()
        table.nameServers = try reader.strings("nameservers")
        if let server = table.nameServers.first(where: { InternetAddress($0) == nil }) {
            throw reader.invalid("nameservers", "\"\(escapedForDisplay(Array(server.utf8)))\" is not an address")
        }
        table.options = try words("options", in: reader)
        table.searchDomains = try words("searchDomains", in: reader)
        return table
    }

    /// Texts that stand on one line of a file, with spaces between them.
    private static func words(_ key: String, in reader: TOMLReader) throws(SettingsError) -> [String] {
        let words = try reader.strings(key)
        guard let word = words.first(where: { $0.isEmpty || $0.contains(where: \.isWhitespace) }) else { return words }
        throw reader.invalid(key, "\"\(escapedForDisplay(Array(word.utf8)))\" is not one word")
    }

    private static func cacheLimits(_ reader: TOMLReader) throws(SettingsError) -> CacheLimits {
        var limits = CacheLimits()
        limits.reservedSpace = try reader.quantity("reservedSpace")
        limits.maxUsedSpace = try reader.quantity("maxUsedSpace")
        limits.minFreeSpace = try reader.quantity("minFreeSpace")
        return limits
    }

    private static func registryTable(
        _ reader: TOMLReader,
        host: String,
        base: FilePath
    ) throws(SettingsError) -> RegistryTable {
        try reader.refuseOthers(than: registryKeys.keyNames)
        guard Authority(parsing: host) != nil else {
            throw reader.invalid(nil, "expected a host with an optional port")
        }
        var table = RegistryTable()
        table.mirrors = try reader.strings("mirrors")
        for mirror in table.mirrors where MirrorAddress(parsing: mirror) == nil {
            throw reader.invalid("mirrors", "\"\(mirror)\" is not host[:port][/path]")
        }
        table.http = try reader.bool("http")
        table.insecure = try reader.bool("insecure") ?? false
        table.authorities = try reader.strings("ca").map { base.pushing(FilePath($0)) }
        table.authHosts = try reader.strings("auth_hosts").map { $0.lowercased() }
        for pair in try reader.tables("keypair") {
            try pair.refuseOthers(than: keyPairKeys.keyNames)
            guard let key = try pair.string("key"), let certificate = try pair.string("cert") else {
                throw pair.invalid(nil, "both key and cert are needed")
            }
            table.keyPairs.append(
                TLSTrust.KeyPair(certificate: base.pushing(FilePath(certificate)), key: base.pushing(FilePath(key)))
            )
        }
        return table
    }
}
