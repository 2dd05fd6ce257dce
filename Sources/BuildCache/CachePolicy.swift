import LinuxSystem
package import Storage
import SystemPackage

/// What of the build cache is to go: all that the filters match, the longest unused first, until the limits are kept.
package struct CachePolicy: Sendable {
    /// Also what images have too.
    package var all = false
    /// Each of them must match.
    package var filters: [CacheFilter] = []
    /// All filters of one of these must match; none means everything.
    package var alternatives: [[CacheFilter]] = []
    /// Only what nobody used for so many seconds.
    package var keepDuration: Double = 0
    /// As much as is always kept, in bytes.
    package var reservedSpace: Int64 = 0
    /// As much as may be kept; 0 is no limit.
    package var maxUsedSpace: Int64 = 0
    /// As much as is to be free on the disk.
    package var minFreeSpace: Int64 = 0

    package init() {}

    /// How many bytes of the cache are kept: as much as `maxUsedSpace` allows, less where `minFreeSpace` is not there, and never less
    /// than `reservedSpace`; 0 is no limit: everything goes.
    package func keptBytes(used: Int64, free: Int64) -> Int64 {
        var kept = maxUsedSpace
        let missing = minFreeSpace.subtractingReportingOverflow(free).partialValue
        if missing > 0 { kept = kept == 0 ? max(1, used - missing) : min(kept, max(1, used - missing)) }
        // Enough is free, and nobody said how much the cache may have.
        if kept == 0, minFreeSpace > 0 { return max(used, reservedSpace) }
        return max(kept, reservedSpace)
    }

    /// Which items go.
    /// - Parameters:
    ///   - items: everything that the cache keeps, the longest unused first.
    ///   - free: bytes of the disk.
    ///   - now: seconds since 1970.
    /// - Returns: the items that go, the longest unused first.
    package func doomed(among items: [CacheItem], free: Int64, now: Int64) -> [CacheItem] {
        var used = items.reduce(0) { $0 + $1.ownSize }
        let limit = keptBytes(used: used, free: free)
        var doomed: [CacheItem] = []
        for item in items where limit == 0 || used > limit {
            guard !item.isInUse, all || !item.isShared, Double(now - item.lastUsed) >= keepDuration,
                CacheFilter.allow(filters, item, now: now),
                alternatives.isEmpty || alternatives.contains(where: { CacheFilter.allow($0, item, now: now) })
            else { continue }
            used -= item.ownSize
            doomed.append(item)
        }
        return doomed
    }

    /// What is done where nobody says otherwise: BuildKit's rules for a disk of so many bytes.
    ///
    /// What can be made again most easily goes after two days, everything after sixty, and before that what is too much.
    package static func standard(
        diskBytes: Int64,
        reservedSpace: Int64? = nil,
        maxUsedSpace: Int64? = nil,
        minFreeSpace: Int64? = nil
    ) -> [CachePolicy] {
        var limits = CachePolicy()
        if reservedSpace == nil, maxUsedSpace == nil, minFreeSpace == nil {
            limits.reservedSpace = min(share(10, of: diskBytes), 10_000_000_000)
            limits.maxUsedSpace = min(share(80, of: diskBytes), 100_000_000_000)
            limits.minFreeSpace = share(20, of: diskBytes)
        } else {
            limits.reservedSpace = reservedSpace ?? 0
            limits.maxUsedSpace = maxUsedSpace ?? 0
            limits.minFreeSpace = minFreeSpace ?? 0
        }
        var cheap = CachePolicy()
        cheap.alternatives = [[.type("source.local")], [.type("exec.cachemount")], [.type("source.git.checkout")]]
        cheap.keepDuration = 48 * 3600
        cheap.maxUsedSpace = 512_000_000
        var old = limits
        old.keepDuration = 60 * 86_400
        var rest = limits
        rest.all = true
        return [cheap, old, limits, rest]
    }

    /// So many hundredths of a disk, as BuildKit counts them: whole gigabytes, rounded up.
    package static func share(_ percentage: Int64, of diskBytes: Int64) -> Int64 {
        if diskBytes == 0 { return 2_000_000_000 }
        return (diskBytes / 100 * percentage / (1 << 30) + 1) * 1_000_000_000
    }
}

extension Store {
    /// Carries out policies, one after the other.
    /// - Returns: the ids of what is gone, and the bytes that gives back.
    package func prune(_ policies: [CachePolicy]) async throws -> (ids: [String], bytes: Int64) {
        var gone: [String] = []
        var bytes: Int64 = 0
        for policy in policies {
            let space = try await onBlockingPool { [root] in try FileSystemSpace(at: root) }
            let doomed = policy.doomed(
                among: try await cacheItems(),
                free: Int64(clamping: space.availableBytes),
                now: currentTime()
            )
            if doomed.isEmpty { continue }
            let removed = try await remove(doomed)
            gone += removed.ids
            bytes += removed.bytes
        }
        return (gone, bytes)
    }
}
