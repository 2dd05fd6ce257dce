internal import LinuxSystem
package import SystemPackage
internal import TOMLKit

/// `slipway.toml`: how to reach registries, how much the build cache may have, and what network steps get.
///
/// Tables and keys have the names they have in `buildkitd.toml`.
package struct SlipwayConfiguration: Sendable, Hashable {
    /// A client certificate with its private key, both PEM files.
    package struct KeyPair: Sendable, Hashable {
        package var certificate: FilePath
        package var key: FilePath

        package init(certificate: FilePath, key: FilePath) {
            self.certificate = certificate
            self.key = key
        }
    }

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
        package var keyPairs: [KeyPair] = []
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

    /// By the host as image names spell it, for example `docker.io` or `localhost:5000`.
    package var registries: [String: RegistryTable] = [:]

    package init() {}

    /// Reads the file; one that does not exist is empty.
    /// - Throws: `RegistryError.invalidConfiguration` naming file and key, `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init(reading path: FilePath) throws {
        try self.init(parsing: try contentsIfPresent(of: path, limit: 1 << 20) ?? [], file: path)
    }

    /// Reads the text of a configuration.
    /// - Throws: `RegistryError.invalidConfiguration` naming file and key; a key that is not known is an error too.
    package init(parsing bytes: [UInt8], file: FilePath) throws(RegistryError) {
        let name = escapedForDisplay(file.bytes)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .invalidConfiguration(file: name, key: nil, reason: "it is not UTF-8")
        }
        let root: TOMLTable
        do {
            root = try TOMLTable(string: text)
        } catch let error as TOMLParseError {
            let place = "line \(error.source.begin.line), column \(error.source.begin.column)"
            throw .invalidConfiguration(file: name, key: nil, reason: "\(place): \(error.description)")
        } catch {
            throw .invalidConfiguration(file: name, key: nil, reason: "\(error)")
        }
        let reader = TableReader(table: root, file: name, path: "")
        try reader.refuseOthers(than: Set(Self.tables.map(\.root)))
        self.file = name
        if let worker = try reader.table("worker") {
            try worker.refuseOthers(than: ["oci"])
            if let table = try worker.table("oci") {
                cache = try Self.cacheTable(table)
                networkMode = try table.string("networkMode")
            }
        }
        if let table = try reader.table("cdi") {
            devices = try Self.deviceTable(table, base: file.removingLastComponent())
        }
        if let table = try reader.table("dns") { dns = try Self.nameServerTable(table) }
        guard let registry = try reader.table("registry") else { return }
        for host in registry.keys {
            guard let table = try registry.table(host) else { continue }
            registries[host] = try Self.registryTable(table, host: host, base: file.removingLastComponent())
        }
    }

    private static func cacheTable(_ reader: TableReader) throws(RegistryError) -> CacheTable {
        try reader.refuseOthers(than: workerKeys.keyNames)
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

    private static func deviceTable(_ reader: TableReader, base: FilePath) throws(RegistryError) -> DeviceTable {
        try reader.refuseOthers(than: deviceKeys.keyNames)
        var table = DeviceTable()
        table.isDisabled = try reader.bool("disabled") ?? false
        table.autoAllowed = try reader.strings("autoAllowed")
        if reader.keys.contains("specDirs") {
            table.directories = try reader.strings("specDirs").map { base.pushing(FilePath($0)) }
        }
        return table
    }

    private static func nameServerTable(_ reader: TableReader) throws(RegistryError) -> NameServerTable {
        try reader.refuseOthers(than: nameServerKeys.keyNames)
        var table = NameServerTable()
        table.nameServers = try reader.strings("nameservers")
        if let server = table.nameServers.first(where: { !isInternetAddress($0) }) {
            throw reader.invalid("nameservers", "\"\(escapedForDisplay(Array(server.utf8)))\" is no address")
        }
        table.options = try words("options", in: reader)
        table.searchDomains = try words("searchDomains", in: reader)
        return table
    }

    /// Texts that stand on one line of a file, with spaces between them.
    private static func words(_ key: String, in reader: TableReader) throws(RegistryError) -> [String] {
        let words = try reader.strings(key)
        guard let word = words.first(where: { $0.isEmpty || $0.contains(where: \.isWhitespace) }) else { return words }
        throw reader.invalid(key, "\"\(escapedForDisplay(Array(word.utf8)))\" is not one word")
    }

    private static func cacheLimits(_ reader: TableReader) throws(RegistryError) -> CacheLimits {
        var limits = CacheLimits()
        limits.reservedSpace = try reader.quantity("reservedSpace")
        limits.maxUsedSpace = try reader.quantity("maxUsedSpace")
        limits.minFreeSpace = try reader.quantity("minFreeSpace")
        return limits
    }

    private static func registryTable(
        _ reader: TableReader,
        host: String,
        base: FilePath
    ) throws(RegistryError) -> RegistryTable {
        try reader.refuseOthers(than: registryKeys.keyNames)
        guard Authority(parsing: host) != nil else {
            throw reader.invalid(nil, "expected a host with an optional port")
        }
        var table = RegistryTable()
        table.mirrors = try reader.strings("mirrors")
        for mirror in table.mirrors where MirrorAddress(parsing: mirror) == nil {
            throw reader.invalid("mirrors", "\"\(mirror)\" is no host[:port][/path]")
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
                KeyPair(certificate: base.pushing(FilePath(certificate)), key: base.pushing(FilePath(key)))
            )
        }
        return table
    }
}

/// A mirror as the configuration spells it: a host, perhaps a scheme before it and a path prefix after it.
package struct MirrorAddress: Hashable, Sendable {
    package let scheme: HTTPURL.Scheme?
    /// `host` or `host:port`, which is also the name of its own table.
    package let host: String
    /// Repositories of the mirrored registry lie below this path; empty or without slashes at the ends.
    package let path: String

    package init?(parsing text: String) {
        var rest = text[...]
        var scheme: HTTPURL.Scheme?
        for candidate in [HTTPURL.Scheme.https, .http] where rest.hasPrefix("\(candidate.rawValue)://") {
            scheme = candidate
            rest = rest.dropFirst(candidate.rawValue.count + 3)
            break
        }
        let host = rest.prefix { $0 != "/" }
        let components = rest.dropFirst(host.count).split(separator: "/")
        let isPath = components.allSatisfy { component in
            component != "." && component != ".."
                && component.utf8.allSatisfy {
                    (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20) || (0x30...0x39).contains($0)
                        || "._-".utf8.contains($0)
                }
        }
        guard Authority(parsing: host) != nil, isPath else { return nil }
        self.scheme = scheme
        self.host = String(host)
        path = components.joined(separator: "/")
    }
}

/// Reads typed values of a TOML table; errors name the file and the key in full.
private struct TableReader {
    let table: TOMLTable
    let file: String
    let path: String

    var keys: [String] { table.keys.sorted() }

    func invalid(_ key: String?, _ reason: String) -> RegistryError {
        .invalidConfiguration(file: file, key: key.map(full) ?? path, reason: reason)
    }

    func refuseOthers(than known: Set<String>) throws(RegistryError) {
        if let key = keys.first(where: { !known.contains($0) }) {
            throw invalid(key, "unknown key; known here: \(known.sorted().joined(separator: ", "))")
        }
    }

    func table(_ key: String) throws(RegistryError) -> TableReader? {
        guard let value = table[key] else { return nil }
        guard let inner = value.table else { throw invalid(key, "expected a table") }
        return TableReader(table: inner, file: file, path: full(key))
    }

    func tables(_ key: String) throws(RegistryError) -> [TableReader] {
        guard let value = table[key] else { return [] }
        guard let array = value.array else { throw invalid(key, "expected an array of tables") }
        var result: [TableReader] = []
        for (index, element) in array.enumerated() {
            guard let inner = element.table else { throw invalid(key, "expected an array of tables") }
            result.append(TableReader(table: inner, file: file, path: "\(full(key))[\(index)]"))
        }
        return result
    }

    func bool(_ key: String) throws(RegistryError) -> Bool? {
        guard let value = table[key] else { return nil }
        guard let result = value.bool else { throw invalid(key, "expected true or false") }
        return result
    }

    func string(_ key: String) throws(RegistryError) -> String? {
        guard let value = table[key] else { return nil }
        guard let result = value.string else { throw invalid(key, "expected a string") }
        return result
    }

    func quantity(_ key: String) throws(RegistryError) -> SlipwayConfiguration.Quantity? {
        guard let value = table[key] else { return nil }
        if let number = value.int { return .number(Int64(number)) }
        guard let text = value.string else { throw invalid(key, "expected a number or a string") }
        return .text(text)
    }

    func strings(_ key: String) throws(RegistryError) -> [String] {
        guard let value = table[key] else { return [] }
        guard let array = value.array else { throw invalid(key, "expected an array of strings") }
        var result: [String] = []
        for element in array {
            guard let text = element.string else { throw invalid(key, "expected an array of strings") }
            result.append(text)
        }
        return result
    }

    private func full(_ key: String) -> String {
        let isBare = key.utf8.allSatisfy {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains($0 | 0x20) || (0x30...0x39).contains($0) || $0 == 0x5f
                || $0 == 0x2d
        }
        return (path.isEmpty ? "" : path + ".") + (isBare ? key : "\"\(key)\"")
    }
}
