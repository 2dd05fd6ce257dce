import Archive
import LinuxSystem
import SystemPackage
import Text

/// How a layer's directory says that something of the layers below is gone.
enum LayerForm: String, Sendable, CaseIterable {
    /// As overlayfs: a removed name is a 0:0 character device, a directory that hides what is below has `trusted.overlay.opaque`.
    case overlay = "fs"
    /// As an overlayfs that a user namespace mounts: the attribute is `user.overlay.opaque`.
    case userOverlay = "userfs"
    /// As in archives, for file systems that keep neither: `.wh.<name>` and `.wh..wh..opq`, empty files.
    ///
    /// Beside `.wh.<name>` the layer may have a `<name>` of its own: a directory that hides the one below, or a file.
    case marked = "marked"
    /// Nothing is gone, for nothing is below: what was made from nothing by a process that sees none of overlayfs's marks.
    case plain = "plain"

    /// What overlayfs writes with these attributes.
    init(_ attributes: OverlayAttributes) {
        switch attributes {
        case .trusted: self = .overlay
        case .user: self = .userOverlay
        }
    }

    /// Where overlayfs keeps its marks; nil for a form that it does not know.
    var overlayAttributes: OverlayAttributes? {
        switch self {
        case .overlay: .trusted
        case .userOverlay: .user
        case .marked, .plain: nil
        }
    }

    /// Whether a directory of a layer in this form hides what the layers below have in it.
    func isOpaque(_ directory: OpenFile) throws(SystemCallError) -> Bool {
        guard let attributes = overlayAttributes else {
            if self == .plain { return false }
            return try directory.entryStatus(named: Whiteout.opaque) != nil
        }
        return try directory.extendedAttribute(attributes.opaque) == "y"
    }

    /// What unpacks archives into this form; as archives may have marks, not into the plain one.
    var extraction: LayerExtractor.Mode {
        switch self {
        case .overlay: .overlay
        case .userOverlay: .userOverlay
        case .marked, .plain: .marked
        }
    }
}

/// The files of a layer in the directory that holds them.
struct LayerFiles {
    let root: RootedDirectory
    let form: LayerForm
    /// Whether others may add and remove files at this moment: what has vanished when its turn comes is left out.
    var isLiving = false

    /// What a layer says of one name.
    struct Entry {
        /// From the root.
        var bytes: [UInt8]
        var path: FilePath { FilePath(bytes: bytes) }
        /// Of the mark where the name is gone.
        var status: FileStatus
        /// Whether the name is gone.
        var isWhiteout = false
        /// Whether a directory hides what the layers below have in it.
        var isOpaque = false
    }

    /// Whether nothing of the layers below is left.
    var hidesEverything: Bool {
        get throws(SystemCallError) { try isOpaque(try root.open("", [.pathOnly, .directory])) }
    }

    /// Visits everything below the root, sorted, a directory before its entries.
    ///
    /// Depth costs no stack.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func walk(_ visit: (Entry) throws -> Void) throws {
        var pending = Array(try entries(of: []).reversed())
        while let entry = pending.popLast() {
            try visit(entry)
            if entry.status.type == .directory {
                pending += try ignoringVanished { try entries(of: entry.bytes).reversed() } ?? []
            }
        }
    }

    /// The value, or nil where files may vanish and the one that was asked for has.
    func ignoringVanished<Value>(_ body: () throws -> Value) throws -> Value? {
        do {
            return try body()
        } catch let error as SystemCallError where isLiving {
            guard error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory else { throw error }
            return nil
        }
    }

    func isOpaque(_ directory: OpenFile) throws(SystemCallError) -> Bool { try form.isOpaque(directory) }

    private func entries(of path: [UInt8]) throws -> [Entry] {
        try entries(in: try root.open(FilePath(bytes: path), [.readOnly, .directory, .noFollow]), at: path)
    }

    /// What the layer says of the names in one of its directories, sorted.
    /// - Parameters:
    ///   - directory: the directory, open for reading.
    ///   - path: where it is, from the root.
    /// - Returns: an entry for each name, also for one that is gone.
    /// - Throws: `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func entries(in directory: OpenFile, at path: [UInt8]) throws -> [Entry] {
        let prefix = path.isEmpty ? [] : path + "/"
        var hidden: Set<[UInt8]> = []
        var entries: [(name: [UInt8], entry: Entry)] = []
        for name in try directoryEntries(of: directory) {
            if form == .marked, name == Whiteout.opaque { continue }
            if form == .marked, name.starts(with: Whiteout.prefix) {
                let real = Array(name.dropFirst(Whiteout.prefix.count))
                hidden.insert(real)
                if try directory.entryStatus(named: real) != nil { continue }
                let status = try status(of: name, in: directory)
                entries.append((real, Entry(bytes: prefix + real, status: status, isWhiteout: true)))
                continue
            }
            guard let status = try ignoringVanished({ try status(of: name, in: directory) }) else { continue }
            var entry = Entry(bytes: prefix + name, status: status)
            if !isLiving {
                entry.isWhiteout = form.overlayAttributes != nil && status.isWhiteout
                if status.type == .directory {
                    entry.isOpaque = try isOpaque(directory.openEntry(named: name, [.pathOnly, .directory]))
                }
            }
            entries.append((name, entry))
        }
        for index in entries.indices where entries[index].entry.status.type == .directory {
            if hidden.contains(entries[index].name) { entries[index].entry.isOpaque = true }
        }
        return entries.sorted { $0.name.lexicographicallyPrecedes($1.name) }.map(\.entry)
    }

    private func status(of name: [UInt8], in directory: OpenFile) throws(SystemCallError) -> FileStatus {
        if let status = try directory.entryStatus(named: name) { return status }
        throw SystemCallError(
            "fstatat",
            path: directory.path.appending(name: name),
            errno: .noSuchFileOrDirectory
        )
    }
}

extension FileStatus {
    /// How overlayfs marks a name that is gone.
    var isWhiteout: Bool { type == .characterDevice && deviceMajor == 0 && deviceMinor == 0 }
}
