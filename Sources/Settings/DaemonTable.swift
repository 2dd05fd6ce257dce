package import SystemPackage

extension SlipwayConfiguration {
    /// What the file says of the daemon, under the names of `buildkitd.toml`.
    package struct DaemonTable: Sendable, Hashable {
        /// The store; nil where nothing is said.
        package var root: FilePath?
        /// What builds may be allowed to do.
        package var entitlements: [String] = []
        /// Where the daemon listens.
        package var addresses: [String] = []
        /// The number of the group that may connect.
        package var group: Int64?
        package var certificate: FilePath?
        package var key: FilePath?
        package var clientAuthority: FilePath?
        /// The directory of what provenance tells besides, as JSON documents; nil where it usually is.
        package var provenanceDirectory: FilePath?
        /// Labels of the worker.
        package var labels: [String: String] = [:]
        /// Keys of the file that mean nothing to this daemon: it says so when it starts.
        package var unusedKeys: [String] = []

        package init() {}

        /// The keys at the top of the file.
        static let roots: Set<String> = [
            "root", "debug", "trace", "insecure-entitlements", "provenanceEnvDir", "log", "grpc", "otel", "system",
            "frontend",
        ]

        /// The keys of `[worker.oci]` that are about the daemon alone.
        static let workerKeys: Set<String> = [
            "enabled", "labels", "platforms", "snapshotter", "rootless", "noProcessSandbox", "binary",
            "proxySnapshotterPath",
            "cniPoolSize", "cniConfigPath", "cniBinaryPath", "bridgeName", "bridgeSubnet", "apparmor-profile",
            "selinux",
            "max-parallelism", "cgroupParent", "userRemapUnsupported", "stargzSnapshotter", "namespace", "address",
        ]

        /// The keys that mean something here.
        private static let used: Set<String> = ["root", "insecure-entitlements", "grpc", "debug", "provenanceEnvDir"]

        /// Reads the keys of the daemon out of the whole file.
        init(_ reader: TOMLReader, base: FilePath) throws(SettingsError) {
            root = try reader.string("root").map { FilePath($0) }
            entitlements = try reader.strings("insecure-entitlements")
            provenanceDirectory = try reader.string("provenanceEnvDir").map { base.pushing(FilePath($0)) }
            unusedKeys = reader.keys.filter { Self.roots.contains($0) && !Self.used.contains($0) }.sorted()
            if let grpc = try reader.table("grpc") {
                try grpc.refuseOthers(than: ["address", "debugAddress", "uid", "gid", "tls", "securityDescriptor"])
                addresses = try grpc.strings("address")
                if case .number(let number)? = try grpc.quantity("gid") { group = number }
                if let tls = try grpc.table("tls") {
                    try tls.refuseOthers(than: ["cert", "key", "ca"])
                    certificate = try tls.string("cert").map { base.pushing(FilePath($0)) }
                    key = try tls.string("key").map { base.pushing(FilePath($0)) }
                    clientAuthority = try tls.string("ca").map { base.pushing(FilePath($0)) }
                }
                unusedKeys += ["debugAddress", "uid"].filter { grpc.keys.contains($0) }.map { "grpc.\($0)" }
            }
            let workers = try reader.table("worker")
            if let other = try workers?.table("containerd"), try other.bool("enabled") != false {
                unusedKeys.append("worker.containerd")
            }
            guard let worker = try workers?.table("oci") else { return }
            if let table = try worker.table("labels") {
                for name in table.keys { labels[name] = try table.string(name) ?? "" }
            }
            let quiet: Set<String> = ["enabled", "labels"]
            unusedKeys += worker.keys.filter { Self.workerKeys.contains($0) && !quiet.contains($0) }.sorted()
                .map { "worker.oci.\($0)" }
        }
    }
}
