package import BuildCache
internal import BuildKitService
internal import LinuxSystem
internal import Manual
internal import Settings
internal import Storage
internal import SystemPackage
internal import Terminal
internal import Text

extension SlipwayEnvironment {
    /// What the configuration says of the build cache, or else what is usual.
    func cachePolicies(of store: Store) async throws -> [CachePolicy] {
        let configuration = try await configuration()
        let space = try await onBlockingPool { [root = store.root] in try FileSystemSpace(at: root) }
        return try configuration.cachePolicies(diskBytes: Int64(clamping: space.totalBytes))
    }

    /// The file of `SLIPWAY_CONFIG`, else of `/etc/slipway`.
    var configurationFile: FilePath { variable(.configurationFile).map { path($0) } ?? "/etc/slipway/slipway.toml" }

    func configuration() async throws -> SlipwayConfiguration {
        let file = configurationFile
        return try await onBlockingPool { try SlipwayConfiguration(reading: file) }
    }

    /// Has the build cache looked after by a process of its own where it is time for that: nobody waits for it.
    func collectIfDue(_ store: Store) async {
        // The build is over and has succeeded: what goes wrong here is no business of whoever started it.
        guard (try? await store.takesTurnToCollect()) == true, let configuration = try? await configuration(),
            configuration.cache.collects
        else { return }
        var child = ChildProcessConfiguration(
            .path("/proc/self/exe"),
            ["--root", store.root.bytes]
                + ["builder", "prune", "--force", "--policies"].map { Array($0.utf8) }
        )
        child.name = "slipway"
        child.grouping = .ownSession
        child.diesWithParent = false
        child.environment = variables.map { $0.key + "=" + $0.value }
        child.workingDirectory = "/"
        _ = try? await ChildProcess.start(child)
    }
}

extension SlipwayConfiguration {
    /// The policies of the file for a disk of so many bytes.
    /// - Throws: `SettingsError.invalid` naming file and key.
    package func cachePolicies(diskBytes: Int64) throws -> [CachePolicy] {
        let limits = try Limits(cache.limits, key: "worker.oci", in: self, diskBytes)
        guard let tables = cache.policies else {
            return CachePolicy.standard(
                diskBytes: diskBytes,
                reservedSpace: limits.reserved,
                maxUsedSpace: limits.maximum,
                minFreeSpace: limits.free
            )
        }
        return try tables.enumerated().map { index, table in
            let key = "worker.oci.gcpolicy[\(index)]"
            let limits = try Limits(table.limits, key: key, in: self, diskBytes)
            var policy = CachePolicy()
            policy.all = table.all
            policy.reservedSpace = limits.reserved ?? 0
            policy.maxUsedSpace = limits.maximum ?? 0
            policy.minFreeSpace = limits.free ?? 0
            policy.keepDuration = try table.keepDuration.map { try duration($0, "\(key).keepDuration") } ?? 0
            policy.alternatives = try table.filters.map { try filters($0, "\(key).filters") }
            return policy
        }
    }

    /// How many builds are remembered, as the file says.
    /// - Throws: `SettingsError.invalid` naming file and key.
    package func historyLimits() throws -> BuildHistory.Limits {
        var limits = BuildHistory.Limits()
        if let entries = history.maxEntries { limits.entries = Int(clamping: entries) }
        if let age = history.maxAge { limits.age = try duration(age, "history.maxAge") }
        return limits
    }

    private struct Limits {
        let reserved: Int64?
        let maximum: Int64?
        let free: Int64?

        init(
            _ limits: CacheLimits,
            key: String,
            in configuration: SlipwayConfiguration,
            _ diskBytes: Int64
        ) throws {
            func bytes(_ quantity: Quantity?, _ name: String) throws -> Int64? {
                try quantity.map { try configuration.bytes($0, "\(key).\(name)", diskBytes) }
            }
            reserved = try bytes(limits.reservedSpace, "reservedSpace")
            maximum = try bytes(limits.maxUsedSpace, "maxUsedSpace")
            free = try bytes(limits.minFreeSpace, "minFreeSpace")
        }
    }

    private func invalid(_ key: String, _ reason: String) -> SettingsError {
        .invalid(file: file, key: key, reason: reason)
    }

    private func bytes(_ quantity: Quantity, _ key: String, _ diskBytes: Int64) throws -> Int64 {
        switch quantity {
        case .number(let number): return number
        case .text(let text):
            if text.hasSuffix("%"), let share = Int64(text.dropLast()), (0...100).contains(share) {
                return CachePolicy.share(share, of: diskBytes)
            }
            guard let size = parsedByteCount(text) else {
                throw invalid(key, "\"\(text)\" is not a size such as 10GB or 20%")
            }
            return size
        }
    }

    private func duration(_ quantity: Quantity, _ key: String) throws -> Double {
        switch quantity {
        case .number(let seconds): return Double(seconds)
        case .text(let text):
            guard let seconds = secondsOfDuration(text) ?? Int64(text).map(Double.init) else {
                throw invalid(key, "\"\(text)\" is not a duration such as 48h")
            }
            return seconds
        }
    }

    /// The filters of one text, with commas between them.
    private func filters(_ text: String, _ key: String) throws -> [CacheFilter] {
        try text.split(separator: ",").map { part in
            do throws(FlagValueError) { return try CacheFilter(text: String(part)) } catch {
                throw invalid(key, error.reason)
            }
        }
    }
}
