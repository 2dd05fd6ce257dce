internal import Text

/// Decides whether an entry may come next: after what sorts before it, in a directory that was sent, and once.
///
/// Entries come as a walk meets them that sorts each directory by the bytes of its names. Nothing here touches a file.
struct EntryOrder {
    private struct Level {
        let path: [UInt8]
        var last: [UInt8]?
    }

    /// The directories above the next entry, the root first.
    private var levels = [Level(path: [], last: nil)]
    private var count = 0
    private let limit: Int
    /// Hashes of the paths of all files, which take less room than the paths; a link's target is looked at once more.
    private var files: Set<Int> = []

    init(limit: Int) { self.limit = limit }

    /// Takes an entry.
    /// - Returns: how many directories are above it, the root left out.
    mutating func admit(_ entry: SentEntry) throws(FileSyncError) -> Int {
        guard count < limit else { throw .tooManyEntries(limit: limit) }
        count += 1
        let parent = entry.path.parentPath
        let name = entry.path.lastComponent
        guard let depth = levels.lastIndex(where: { $0.path == parent }) else { throw missingDirectory(of: entry.path) }
        levels.removeLast(levels.count - depth - 1)
        if let last = levels[depth].last {
            if last == name { throw .sentTwice(entry.path) }
            guard last.lexicographicallyPrecedes(name) else {
                throw .outOfOrder(entry.path, after: parent.appending(component: last))
            }
        }
        levels[depth].last = name
        switch entry.kind {
        case .directory: levels.append(Level(path: entry.path, last: nil))
        case .file: files.insert(Self.hash(entry.path))
        case .hardLink(let target):
            guard files.contains(Self.hash(target)) else { throw .unknownLinkTarget(entry.path, target: target) }
        case .symbolicLink, .fifo, .device: break
        }
        return depth
    }

    private func missingDirectory(of path: [UInt8]) -> FileSyncError {
        for level in levels {
            guard let last = level.last else { continue }
            let file = level.path.appending(component: last)
            if path.starts(with: file + "/"), !levels.contains(where: { $0.path == file }) {
                return .belowFile(path, file: file)
            }
        }
        return .directoryMissing(path)
    }

    private static func hash(_ path: [UInt8]) -> Int {
        var hasher = Hasher()
        path.withUnsafeBytes { hasher.combine(bytes: $0) }
        return hasher.finalize()
    }
}
