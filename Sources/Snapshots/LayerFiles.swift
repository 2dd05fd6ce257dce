import Archive
import Glibc
import LinuxSystem
import SystemPackage

/// How a layer's directory says that something of the layers below is gone.
enum LayerForm: String, Sendable, CaseIterable {
    /// As overlayfs: a removed name is a 0:0 character device, a directory that hides what is below has `trusted.overlay.opaque`.
    case overlay = "fs"
    /// As in archives, for file systems that keep neither: `.wh.<name>` and `.wh..wh..opq`, empty files.
    ///
    /// Beside `.wh.<name>` the layer may have a `<name>` of its own: a directory that hides the one below, or a file.
    case marked = "marked"
}

/// The files of a layer in the directory that holds them.
struct LayerFiles {
    let root: RootedDirectory
    let form: LayerForm

    /// What a layer says of one name.
    struct Entry {
        var path: FilePath
        /// Of the mark where the name is gone.
        var status: FileStatus
        /// Whether the name is gone.
        var isWhiteout = false
        /// Whether a directory hides what the layers below have in it.
        var isOpaque = false
    }

    static let opaqueAttribute = Array("trusted.overlay.opaque".utf8)

    /// Whether nothing of the layers below is left.
    var hidesEverything: Bool {
        get throws(SystemCallError) { try isOpaque("") }
    }

    /// Visits everything below the root, sorted, a directory before its entries.
    ///
    /// Depth costs no stack.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func walk(_ visit: (Entry) throws -> Void) throws {
        var pending = Array(try entries(of: "").reversed())
        while let entry = pending.popLast() {
            try visit(entry)
            if entry.status.type == .directory { pending += try entries(of: entry.path).reversed() }
        }
    }

    private func isOpaque(_ directory: FilePath) throws(SystemCallError) -> Bool {
        switch form {
        case .overlay:
            let opened = try root.open(directory, O_PATH | O_DIRECTORY)
            return try opened.extendedAttribute(Self.opaqueAttribute) == [UInt8(ascii: "y")]
        case .marked:
            return try root.statusIfPresent(directory.appending(FilePath(bytes: Whiteout.opaque).components)) != nil
        }
    }

    private func entries(of directory: FilePath) throws -> [Entry] {
        let names = try root.entries(of: directory)
        var hidden: Set<[UInt8]> = []
        var entries: [(name: [UInt8], entry: Entry)] = []
        for name in names {
            let path = directory.appending(FilePath(bytes: name).components)
            if form == .marked, name == Whiteout.opaque { continue }
            if form == .marked, name.starts(with: Whiteout.prefix) {
                let real = Array(name.dropFirst(Whiteout.prefix.count))
                hidden.insert(real)
                if try root.statusIfPresent(directory.appending(FilePath(bytes: real).components)) != nil { continue }
                let gone = directory.appending(FilePath(bytes: real).components)
                entries.append((real, Entry(path: gone, status: try root.status(path), isWhiteout: true)))
                continue
            }
            let status = try root.status(path)
            var entry = Entry(path: path, status: status)
            entry.isWhiteout = form == .overlay && status.isWhiteout
            if status.type == .directory { entry.isOpaque = try isOpaque(path) }
            entries.append((name, entry))
        }
        for index in entries.indices where entries[index].entry.status.type == .directory {
            if hidden.contains(entries[index].name) { entries[index].entry.isOpaque = true }
        }
        return entries.sorted { $0.name.lexicographicallyPrecedes($1.name) }.map(\.entry)
    }
}

extension FileStatus {
    /// How overlayfs marks a name that is gone.
    var isWhiteout: Bool { type == .characterDevice && deviceMajor == 0 && deviceMinor == 0 }
}
