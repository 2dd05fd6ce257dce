internal import LinuxSystem
internal import SystemPackage
internal import Text

/// Finds what paths need of a tree besides themselves: the links on the way, and what these lead to.
///
/// As fsutil has it: a wildcard in the last component means all names that match it, and what is missing counts as itself.
struct LinkFollower {
    private let root: RootedDirectory
    /// Paths without links above them, as they are found; empty is the tree itself.
    private var found: Set<[UInt8]> = []

    init(_ root: RootedDirectory) { self.root = root }

    /// The patterns that select what the paths need, sorted; nil where they need everything.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func patterns(for paths: [[UInt8]], in root: RootedDirectory) throws(SystemCallError) -> [[UInt8]]? {
        var follower = LinkFollower(root)
        var pending = paths
        while let path = pending.popLast() { pending += try follower.follow(path) }
        if follower.found.contains([]) { return nil }
        return withoutCovered(follower.found.sorted { $0.lexicographicallyPrecedes($1) })
    }

    /// Leaves out what is below another one; the list is sorted.
    private static func withoutCovered(_ paths: [[UInt8]]) -> [[UInt8]] {
        paths.reduce(into: []) { kept, path in
            if let last = kept.last, path.starts(with: last + "/") { return }
            kept.append(path)
        }
    }

    /// Goes along a path to its end, or to the first link.
    /// - Returns: what is to be followed instead of what comes after the link.
    private mutating func follow(_ path: [UInt8]) throws(SystemCallError) -> [[UInt8]] {
        let components = cleanedPath("/" + path).split(separator: [UInt8].slash).map(Array.init)
        var current: [UInt8] = []
        for (index, component) in components.enumerated() {
            current = current.appending(component: component)
            guard let targets = try targets(of: current) else { continue }
            guard found.insert(current).inserted else { return [] }
            let rest = Array(components[(index + 1)...].joined(separator: "/".utf8))
            return targets.map { rest.isEmpty ? $0 : $0 + "/" + rest }
        }
        found.insert(current)
        return []
    }

    /// Where the links lead that a path means; nil where it means none.
    private func targets(of path: [UInt8]) throws(SystemCallError) -> [[UInt8]]? {
        let name = path.lastComponent
        guard GlobPattern.isPattern(name) else { return try target(of: path).map { [$0] } }
        guard let pattern = GlobPattern(name) else { return nil }
        let parent = path.parentPath
        var targets: [[UInt8]] = []
        for entry in try root.entriesIfPresent(of: parent.isEmpty ? "." : FilePath(bytes: parent))
        where pattern.matches(entry) {
            if let target = try target(of: parent.appending(component: entry)) { targets.append(target) }
        }
        return targets.isEmpty ? nil : targets
    }

    /// Where a link leads, as a path of the tree; nil for anything else.
    private func target(of path: [UInt8]) throws(SystemCallError) -> [UInt8]? {
        let place = FilePath(bytes: path)
        do throws(SystemCallError) {
            guard try root.statusIfPresent(place)?.type == .symbolicLink else { return nil }
            let link = try root.readLink(place)
            return link.first == "/" ? link : path.parentPath + "/" + link
        } catch {
            if error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory { return nil }
            throw error
        }
    }
}
