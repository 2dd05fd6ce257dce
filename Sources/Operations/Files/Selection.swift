internal import DockerfileSyntax
package import LLB
internal import LinuxSystem
internal import SystemPackage
internal import Text

/// Which files of a tree an operation uses.
///
/// The same value tells what is digested for the key and what is copied.
package struct Selection: Hashable, Sendable {
    /// A path or pattern, from the root of the tree.
    package var path: [UInt8]
    package var allowsWildcards = false
    /// Whether a link that `path` itself names is followed.
    package var followsLinks = false
    /// Whether of a directory only its entries are used, not its name and attributes.
    package var takesDirectoryContents = false
    /// Relative to what `path` names.
    package var includePatterns: [[UInt8]] = []
    package var excludePatterns: [[UInt8]] = []
    package var requiredPaths: [[UInt8]] = []

    package init(path: [UInt8]) { self.path = path }

    /// What a copy uses of its source.
    package init(_ copy: FileCopy) {
        path = copy.source
        allowsWildcards = copy.allowsWildcards
        followsLinks = copy.followsLinks
        takesDirectoryContents = copy.copiesDirectoryContents
        includePatterns = copy.includePatterns
        excludePatterns = copy.excludePatterns
        requiredPaths = copy.requiredPaths
    }

    /// One file or directory that `path` names.
    struct Match {
        /// The name it has for whoever asked: the last component of the path before links are followed.
        let name: [UInt8]
        /// Where it is in the tree, links followed.
        let path: [UInt8]
        let status: FileStatus
    }

    /// What `path` names in a tree, in the order of names; nothing where a pattern matches nothing.
    /// - Throws: `OperationError.notFound` for a path without wildcards that is not there.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func matches(in tree: SourceTree) throws -> [Match] {
        let components = path.pathComponents
        let wild = allowsWildcards ? components.firstIndex(where: GlobPattern.isPattern) : nil
        // As in BuildKit a backslash means something only where there is a wildcard.
        guard let wild else { return [try match(path, in: tree)] }
        let prefix = components[..<wild]
        let base = try TreePath.resolve(
            [UInt8](components: prefix),
            in: tree.root,
            filter: tree.filter,
            followsLast: followsLinks
        )
        guard base.status?.type == .directory else {
            throw notFound([UInt8](components: prefix), in: tree)
        }
        var patterns: [GlobPattern] = []
        for component in components[wild...] {
            guard let pattern = GlobPattern(component) else { throw OperationError.invalidPattern(component) }
            patterns.append(pattern)
        }
        return try expand(patterns[...], below: base.resolved, in: tree).compactMap { path in
            try passingOverVanished(path, in: tree) { try match(path, in: tree) }
        }
    }

    /// Does something with a path; one that a pattern found and that has vanished since is passed over.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func passingOverVanished<Value>(
        _ path: [UInt8],
        in tree: SourceTree,
        _ body: () throws -> Value
    ) throws -> Value? {
        do { return try body() } catch OperationError.notFound where isPattern {
            if try tree.root.statusIfPresent(path.filePath) == nil { return nil }
            throw notFound(path, in: tree)
        }
    }

    private var isPattern: Bool { allowsWildcards && path.pathComponents.contains(where: GlobPattern.isPattern) }

    private func match(_ path: [UInt8], in tree: SourceTree) throws -> Match {
        let found = try TreePath.resolve(path, in: tree.root, filter: tree.filter, followsLast: followsLinks)
        guard let status = found.status else { throw notFound(path, in: tree) }
        if status.type == .directory, !tree.filter.judge(found.resolved).isIncluded,
            try !holdsIncluded(found.resolved, in: tree)
        {
            throw notFound(path, in: tree)
        }
        return Match(name: rootedPath(path).lastComponent, path: found.resolved, status: status)
    }

    /// The entries that a list of patterns, one for each level, matches.
    ///
    /// A link in the middle is not followed, as in Go's `filepath.Walk`.
    private func expand(
        _ patterns: ArraySlice<GlobPattern>,
        below directory: [UInt8],
        in tree: SourceTree
    ) throws -> [[UInt8]] {
        guard let pattern = patterns.first else { return [] }
        let opened = try ifPresent { () throws(SystemCallError) in
            try tree.root.open(directory.filePath, [.readOnly, .directory])
        }
        guard let open = opened else { return [] }
        var found: [[UInt8]] = []
        for name in try directoryEntries(of: open) where pattern.matches(name) {
            let path = directory.appending(component: name)
            guard let status = try open.entryStatus(named: name) else { continue }
            let judgement = tree.filter.judge(path)
            let isDirectory = status.type == .directory
            guard judgement.isIncluded || (isDirectory && judgement.mayHoldIncluded) else { continue }
            if patterns.count == 1 {
                if try judgement.isIncluded || holdsIncluded(path, in: tree) { found.append(path) }
            } else if isDirectory {
                found += try expand(patterns.dropFirst(), below: path, in: tree)
            }
        }
        return found
    }

    /// Whether an ignored directory holds something that was taken back in.
    private func holdsIncluded(_ path: [UInt8], in tree: SourceTree) throws -> Bool {
        var probe = ProbeVisitor()
        guard let status = try tree.root.statusIfPresent(path.filePath) else { return false }
        try TreeWalk(tree: tree, filter: .everything)
            .walk(Match(name: path.lastComponent, path: path, status: status), &probe)
        return probe.found
    }

    private func notFound(_ path: [UInt8], in tree: SourceTree) -> OperationError {
        let shown = [[UInt8].slash] + rootedPath(path)
        return .notFound(path: shown, in: tree.name, hint: hint(for: rootedPath(path), in: tree))
    }

    /// What was probably meant: best effort, for a message.
    private func hint(for path: [UInt8], in tree: SourceTree) -> OperationError.NotFoundHint? {
        if !tree.filter.isEverything,
            let unfiltered = try? TreePath.resolve(path, in: tree.root, followsLast: followsLinks), unfiltered.exists
        {
            return .ignored(by: tree.filter.excludes?.pattern(ignoring: unfiltered.resolved))
        }
        var parent = path
        var rest: [[UInt8]] = []
        // The first component that is missing is the one that is misspelt.
        while !parent.isEmpty {
            rest.insert(parent.lastComponent, at: 0)
            parent = parent.parentPath
            guard let directory = try? TreePath.resolve(parent, in: tree.root, filter: tree.filter, followsLast: true),
                directory.status?.type == .directory
            else { continue }
            let names = (try? tree.root.entries(of: directory.resolved.filePath)) ?? []
            let visible = names.filter { tree.filter.judge(directory.resolved.appending(component: $0)).isIncluded }
            guard let nearest = nearestName(to: rest[0], among: visible) else {
                return .present(visible.sorted { $0.lexicographicallyPrecedes($1) }, in: [[UInt8].slash] + parent)
            }
            let meant = parent.appending(component: nearest) + rest.dropFirst().flatMap { [[UInt8].slash] + $0 }
            return .didYouMean([[UInt8].slash] + meant)
        }
        return nil
    }

    private func nearestName(to name: [UInt8], among names: [[UInt8]]) -> [UInt8]? {
        let texts = names.compactMap { String(validating: $0, as: UTF8.self) }
        return suggestion(for: String(decoding: name, as: UTF8.self), among: texts, caseSensitive: false)
            .flatMap { found in texts.first { $0.lowercased() == found.lowercased() } }
            .map { Array($0.utf8) }
    }
}

/// Finds out whether a walk has anything to show.
private struct ProbeVisitor: TreeVisitor {
    var found = false

    mutating func enter(_ directory: TreeEntry) -> Bool {
        // The directory itself comes first and is no find.
        if !directory.relative.isEmpty { found = true }
        return !found
    }

    mutating func leave(_ directory: TreeEntry) {}

    mutating func visit(_ file: TreeEntry) { found = true }
}
