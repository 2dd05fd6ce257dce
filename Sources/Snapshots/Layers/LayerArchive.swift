import Archive
import LinuxSystem
import SystemPackage
import Text

/// What times the entries of an archive have.
enum ArchiveTimes: Sendable, Hashable {
    /// Those of the files.
    case own
    /// Those of the files, but none later; directories that a step left undated are of that time.
    case notAfter(FileTime)
    case all(FileTime)

    /// Of the files that stand for what was removed: BuildKit's have none, and layers of our own keep the digests that they have.
    var whiteoutMode: UInt16 {
        switch self {
        case .own, .all: 0o644
        case .notAfter: 0
        }
    }

    func time(of modified: FileTime, isDirectory: Bool) -> FileTime {
        switch self {
        case .own: modified
        // BuildKit makes such a directory at the time of the build.
        case .notAfter(let latest): isDirectory && modified == .undated ? latest : min(modified, latest)
        case .all(let time): time
        }
    }
}

/// The archive of a layer, made from its files: the same files always give the same bytes, whatever form the marks have.
///
/// Entries come sorted by name in each directory, a directory before what is in it. A whiteout becomes `.wh.<name>`, a directory
/// that hides what is below it is followed by `.wh..wh..opq`. See the OCI image specification, layer.md. Of extended
/// attributes only those that mean the same elsewhere are kept; sockets cannot be in an archive.
struct LayerArchive {
    private let files: LayerFiles
    private var root: RootedDirectory { files.root }
    /// In front of all names; empty, or ending in a slash.
    private let prefix: [UInt8]
    var times = ArchiveTimes.own
    /// Is told the sum of each regular file, under each of its names in the layer, once it is written.
    var whenSummed: (_ path: [UInt8], FileSum) throws -> Void = { _, _ in }
    /// Whether the archive is files for people rather than a layer: then all names are names, and it has access control lists too.
    var isOutput = false

    /// - Parameters:
    ///   - files: what is archived.
    ///   - directory: where in the archive it is; empty for the top.
    init(_ files: LayerFiles, below directory: [UInt8] = []) {
        self.files = files
        prefix = directory.isEmpty ? [] : directory + "/"
    }

    private struct Inode: Hashable {
        let device: UInt64
        let number: UInt64
    }

    /// Counts the entries and the bytes of their contents.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func measure(notingIn sums: FileSumRecorder? = nil) throws -> Measure {
        var measure = Measure()
        var seen: Set<Inode> = []
        /// The directory visited last, while nothing of it has been.
        var entered: [UInt8]?
        try files.walk { entry in
            let status = entry.status
            measure.entries += 1
            if let directory = entered, !entry.bytes.starts(with: directory + "/") {
                measure.emptyDirectories.append(directory)
            }
            entered = status.type == .directory && !entry.isOpaque ? entry.bytes : nil
            if entry.isOpaque { measure.opaqueDirectories.append(entry.bytes) }
            if entry.isWhiteout || status.type == .socket { return }
            if Whiteout.isMark(entry.bytes) { measure.holdsReservedName = true }
            // Copying a file up changes its status, and leaves the time of its contents.
            if status.type != .directory, status.linkCount == 1, status.modified < status.changed {
                measure.touchedFiles.append(entry.bytes)
            }
            guard status.type == .regular else { return }
            sums?.note(entry.bytes, nil)
            if status.linkCount > 1, !seen.insert(Inode(device: status.device, number: status.inode)).inserted {
                return
            }
            measure.bytes += status.size
        }
        if let entered { measure.emptyDirectories.append(entered) }
        return measure
    }

    /// Writes the whole archive with its end; the sink is not finished.
    ///
    /// `isCancelled` is asked for each entry; true ends the work with `CancellationError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func write(to sink: any ByteSink, isCancelled: @Sendable () -> Bool = { false }) throws {
        let writer = TarWriter(sink)
        try writeEntries(to: writer, isCancelled: isCancelled)
        try writer.finish()
    }

    /// Writes the entries.
    ///
    /// A file that a layer would not say as it is is refused: `ArchiveError.refused`.
    /// `isCancelled` is asked for each; true ends the work with `CancellationError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func writeEntries(to writer: TarWriter, isCancelled: @Sendable () -> Bool) throws {
        var firstNames: [Inode: [UInt8]] = [:]
        var firstSums: [Inode: FileSum] = [:]
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 4096)
        defer { buffer.deallocate() }
        try files.walk { file in
            if isCancelled() { throw CancellationError() }
            let status = file.status
            if status.type == .socket { return }
            let name = prefix + file.bytes
            let base = name.lastIndex(of: "/").map { $0 + 1 } ?? 0
            if file.isWhiteout {
                let mark = name[..<base] + Whiteout.prefix + name[base...]
                return try writer.begin(TarEntry(path: Array(mark), kind: .regular, mode: times.whiteoutMode))
            }
            if !isOutput, Whiteout.isMark(name) {
                let reason = "in a layer this name would mean that a file was removed"
                throw ArchiveError.refused(entry: name, reason: reason)
            }
            let inode = Inode(device: status.device, number: status.inode)
            var entry = TarEntry(
                path: name,
                kind: .regular,
                mode: status.mode,
                userID: status.userID,
                groupID: status.groupID,
                modified: times.time(of: status.modified, isDirectory: status.type == .directory)
            )
            if status.type != .directory, status.linkCount > 1 {
                if let first = firstNames[inode] {
                    entry.kind = .hardLink(target: first)
                    try writer.begin(entry)
                    if let sum = firstSums[inode] { try whenSummed(file.bytes, sum) }
                    return
                }
                firstNames[inode] = name
            }
            // What is no regular file is not opened: a FIFO would wait for somebody to write.
            let options: OpenOptions = status.type == .regular ? .nonBlocking : .pathOnly
            guard let opened = try files.ignoringVanished({ try root.open(file.path, options.union(.noFollow)) }) else {
                return firstNames[inode] = nil
            }
            let attributes = try isOutput ? copiedAttributes(of: opened) : portableAttributes(of: opened)
            entry.attributes = attributes.map { .init(name: $0.name, value: $0.value) }
            switch status.type {
            case .regular:
                guard try opened.status().type == .regular else { throw ArchiveError.sizeChanged(entry: name) }
                let sum = try writer.append(entry, contentOf: opened, through: buffer)
                if status.linkCount > 1 { firstSums[inode] = sum }
                try whenSummed(file.bytes, sum)
            case .directory:
                entry.kind = .directory
                try writer.begin(entry)
                if file.isOpaque {
                    let mark = name + "/" + Whiteout.opaque
                    try writer.begin(TarEntry(path: mark, kind: .regular, mode: times.whiteoutMode))
                }
            case .symbolicLink:
                entry.kind = .symbolicLink(target: try root.readLink(file.path))
                entry.mode = 0o777
                try writer.begin(entry)
            case .characterDevice:
                entry.kind = .characterDevice(major: status.deviceMajor, minor: status.deviceMinor)
                try writer.begin(entry)
            case .blockDevice:
                entry.kind = .blockDevice(major: status.deviceMajor, minor: status.deviceMinor)
                try writer.begin(entry)
            case .fifo:
                entry.kind = .fifo
                try writer.begin(entry)
            case .socket: return
            }
        }
    }
}
