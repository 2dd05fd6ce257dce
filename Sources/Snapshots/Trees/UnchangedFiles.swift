import Archive
import LinuxSystem
import SystemPackage

/// Compares files of a layer, which hides no directory as a whole, with those below them.
struct UnchangedFiles {
    let layer: LayerFiles
    let below: OverlaidLayers

    /// Removes those that the layers below show with the same owner, mode, time, attributes and contents.
    /// - Parameter candidates: paths of the layer, in the order of a walk.
    /// - Returns: those that were removed, with their sizes.
    /// - Throws: `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func remove(of candidates: [[UInt8]]) throws -> [(path: [UInt8], size: Int64)] {
        var removed: [(path: [UInt8], size: Int64)] = []
        let directories = Dictionary(grouping: candidates) { FilePath(bytes: $0).removingLastComponent() }
        for (path, files) in directories {
            let others = try below.directories(at: path)
            if others.isEmpty { continue }
            let directory = try layer.root.open(path, [.readOnly, .directory, .noFollow])
            for file in files {
                guard let name = FilePath(bytes: file).lastComponent.map({ FilePath(root: nil, [$0]).bytes }),
                    let mine = try directory.entryStatus(named: name),
                    let holder = try OverlaidLayers.Directory.holder(of: name, in: others),
                    try isSame(name, mine, in: directory, as: holder)
                else { continue }
                try layer.root.keepingTime(of: path) { try directory.removeEntry(named: name) }
                removed.append((file, mine.type == .regular ? mine.size : 0))
            }
        }
        return removed
    }

    private func isSame(
        _ name: [UInt8],
        _ mine: FileStatus,
        in directory: OpenFile,
        as holder: OpenFile
    ) throws(SystemCallError) -> Bool {
        guard let other = try holder.entryStatus(named: name),
            mine.type == other.type, mine.mode == other.mode, mine.size == other.size, mine.modified == other.modified,
            mine.userID == other.userID, mine.groupID == other.groupID,
            mine.deviceMajor == other.deviceMajor, mine.deviceMinor == other.deviceMinor
        else { return false }
        if mine.type == .symbolicLink {
            return try directory.readLink(named: name) == holder.readLink(named: name)
        }
        guard mine.type == .regular else { return false }
        let files = (
            try directory.openEntry(named: name, [.readOnly, .noFollow]),
            try holder.openEntry(named: name, [.readOnly, .noFollow])
        )
        guard try haveSameAttributes(files.0, files.1) else { return false }
        return try haveSameContents(files.0, files.1)
    }
}

/// Whether two files have the same attributes, of those that layers keep.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
func haveSameAttributes(_ one: OpenFile, _ other: OpenFile) throws(SystemCallError) -> Bool {
    let (mine, theirs) = (try copiedAttributes(of: one), try copiedAttributes(of: other))
    return mine.elementsEqual(theirs) { $0.name == $1.name && $0.value == $1.value }
}

@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
private func haveSameContents(_ one: OpenFile, _ other: OpenFile) throws(SystemCallError) -> Bool {
    let size = 1 << 18
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 2 * size, alignment: 4096)
    defer { buffer.deallocate() }
    let halves = (
        UnsafeMutableRawBufferPointer(rebasing: buffer[..<size]),
        UnsafeMutableRawBufferPointer(rebasing: buffer[size...])
    )
    while true {
        let counts = (try one.read(into: halves.0), try other.read(into: halves.1))
        guard counts.0 == counts.1, halves.0[..<counts.0].elementsEqual(halves.1[..<counts.1]) else { return false }
        if counts.0 == 0 { return true }
    }
}
