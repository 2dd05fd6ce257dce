internal import Archive
internal import BuildKitProto
internal import FoundationEssentials
internal import LinuxSystem
internal import SystemPackage
internal import Text

/// Walks a directory as file syncs send it: each directory sorted by the bytes of its names, entries before what is below.
///
/// A directory that is not selected itself goes along once something below it is. What vanishes meanwhile is passed over.
struct TreeReader {
    private struct Level {
        let path: [UInt8]
        let verdict: FileSelection.Verdict
        /// The directory itself, until it is sent.
        var unsent: Fsutil_Types_Stat?
        /// The names that are still to be looked at, the first last.
        var names: [[UInt8]]
    }

    private let root: RootedDirectory
    private let selection: FileSelection
    private let owners: FileOwners
    private var levels: [Level]
    /// The first path of each file that has several names.
    private var firstNames: [UInt64: [UInt8]] = [:]
    /// An open directory, for the many entries that follow each other in one.
    private var current: (path: [UInt8], handle: OpenFile)?

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    init(_ root: RootedDirectory, _ selection: FileSelection, _ owners: FileOwners) throws(SystemCallError) {
        self.root = root
        self.selection = selection
        self.owners = owners
        let names = try root.entries()
        levels = [Level(path: [], verdict: FileSelection.Verdict(), unsent: nil, names: names.reversed())]
    }

    /// Goes on with the walk.
    /// - Parameter count: how many names to look at before something is returned.
    /// - Returns: some of the entries that come next; none at the end.
    /// - Throws: `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    mutating func next(_ count: Int) throws(SystemCallError) -> [Fsutil_Types_Stat] {
        var entries: [Fsutil_Types_Stat] = []
        var looked = 0
        while let top = levels.indices.last, looked < count || entries.isEmpty {
            guard let name = levels[top].names.popLast() else {
                levels.removeLast()
                continue
            }
            looked += 1
            try visit(name, in: top, &entries)
        }
        return entries
    }

    private mutating func visit(
        _ name: [UInt8],
        in top: Int,
        _ entries: inout [Fsutil_Types_Stat]
    ) throws(SystemCallError) {
        let path = levels[top].path.appending(component: name)
        let verdict = selection.verdict(on: path, in: levels[top].verdict)
        guard verdict.isSelected || verdict.maySelectBelow, let directory = try handle(of: levels[top].path),
            let status = try directory.entryStatus(named: name), verdict.isSelected || status.type == .directory,
            var stat = try stat(of: name, path, status, in: directory)
        else { return }
        if verdict.isSelected {
            for level in levels.indices {
                if let unsent = levels[level].unsent.take() { entries.append(unsent) }
            }
            if status.type == .regular, status.linkCount > 1 { link(&stat, path, status) }
            entries.append(stat)
        }
        guard status.type == .directory, verdict.maySelectBelow else { return }
        let names = try root.entriesIfPresent(of: FilePath(bytes: path))
        levels.append(
            Level(path: path, verdict: verdict, unsent: verdict.isSelected ? nil : stat, names: names.reversed())
        )
    }

    /// Makes an entry a hard link where its file was sent under another name.
    private mutating func link(_ stat: inout Fsutil_Types_Stat, _ path: [UInt8], _ status: FileStatus) {
        if let first = firstNames[status.inode] {
            stat.linkname = Data(first)
            stat.size = 0
        } else {
            firstNames[status.inode] = path
        }
    }

    /// Nil for one that is gone.
    private mutating func handle(of path: [UInt8]) throws(SystemCallError) -> OpenFile? {
        if path.isEmpty { return root.directory }
        if let current, current.path == path { return current.handle }
        do throws(SystemCallError) {
            let handle = try root.open(FilePath(bytes: path), [.pathOnly, .directory, .noFollow])
            current = (path, handle)
            return handle
        } catch {
            if error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory { return nil }
            throw error
        }
    }

    private func stat(
        of name: [UInt8],
        _ path: [UInt8],
        _ status: FileStatus,
        in directory: OpenFile
    ) throws(SystemCallError) -> Fsutil_Types_Stat? {
        var stat = Fsutil_Types_Stat()
        stat.path = Data(path)
        // A socket goes as an empty file, as fsutil has it: archives have no sockets either.
        let type = status.type == .socket ? 0 : GoFileMode.bits(of: status.type)
        stat.mode = GoFileMode.bits(permissions: status.mode) | type
        (stat.uid, stat.gid) = owners.owner(user: status.userID, group: status.groupID)
        stat.modTime = status.modified.nanosecondsSince1970
        if status.type != .directory { stat.size = status.size }
        do throws(SystemCallError) {
            switch status.type {
            case .symbolicLink: stat.linkname = Data(try directory.readLink(named: name))
            case .characterDevice, .blockDevice:
                stat.devmajor = Int64(status.deviceMajor)
                stat.devminor = Int64(status.deviceMinor)
            case .regular, .directory:
                guard try directory.hasExtendedAttributes(entry: name) else { break }
                for (key, value) in try copiedAttributes(of: directory.openEntry(named: name, [.pathOnly])) {
                    if let key = String(validating: key, as: UTF8.self) { stat.xattrs[key] = Data(value) }
                }
            case .fifo, .socket: break
            }
        } catch {
            if error.errno == .noSuchFileOrDirectory { return nil }
            throw error
        }
        return stat
    }
}
