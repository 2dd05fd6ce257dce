internal import LinuxSystem
internal import SystemPackage
internal import Text

/// What a path leads to in a tree, with the tree's root as `/`.
struct TreePath {
    /// The path without links, `.` and `..`.
    var resolved: [UInt8]
    /// Nil where nothing is there; the rest of `resolved` is then taken as it was written.
    var status: FileStatus?

    var exists: Bool { status != nil }

    /// Follows a path through the links of a tree; in a filtered tree, what does not take part is not there.
    ///
    /// A link that the path itself names is followed if `followsLast`. Throws `OperationError.tooManyLinks` and `.fileSystem`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func resolve(
        _ path: [UInt8],
        in root: RootedDirectory,
        filter: PathFilter = .everything,
        followsLast: Bool
    ) throws(OperationError) -> TreePath {
        guard !path.contains(0) else { throw .invalidPath(path, reason: "it holds a NUL byte") }
        do throws(SystemCallError) {
            // Most paths have no link in them; one call tells.
            if !followsLast, filter.isEverything, path.pathComponents.count <= 1 {
                let plain = rootedPath(path)
                return TreePath(resolved: plain, status: try root.statusIfPresent(plain.filePath))
            }
            var pending: [[UInt8]] = path.pathComponents.reversed()
            var resolved: [[UInt8]] = []
            var status: FileStatus? = try root.status(".")
            var links = 0
            while let component = pending.popLast() {
                if component == ".." {
                    _ = resolved.popLast()
                    status = try root.statusIfPresent([UInt8](components: resolved).filePath)
                    continue
                }
                resolved.append(component)
                guard status?.type == .directory else {
                    status = nil
                    continue
                }
                let candidate = [UInt8](components: resolved)
                status = try root.statusIfPresent(candidate.filePath)
                if let found = status, !filter.isEverything, !isVisible(candidate, found, filter) { status = nil }
                guard status?.type == .symbolicLink, followsLast || !pending.isEmpty else { continue }
                links += 1
                if links > 255 { throw SystemCallError("open", path: path.filePath, errno: .tooManySymbolicLinkLevels) }
                let link = try ifPresent { () throws(SystemCallError) in try root.readLink(candidate.filePath) }
                guard let target = link else {
                    // Gone, or no link any more, since it was looked at.
                    status = nil
                    continue
                }
                if target.first == [UInt8].slash { resolved = [] } else { resolved.removeLast() }
                status = try root.statusIfPresent([UInt8](components: resolved).filePath)
                pending += target.pathComponents.reversed()
            }
            return TreePath(resolved: [UInt8](components: resolved), status: status)
        } catch {
            if error.errno == .tooManySymbolicLinkLevels { throw .tooManyLinks(path) }
            throw .fileSystem(error, path: path)
        }
    }

    private static func isVisible(_ path: [UInt8], _ status: FileStatus, _ filter: PathFilter) -> Bool {
        let judgement = filter.judge(path)
        return judgement.isIncluded || (status.type == .directory && judgement.mayHoldIncluded)
    }
}
