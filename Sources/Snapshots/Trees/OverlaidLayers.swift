import Archive
import LinuxSystem
import SystemPackage
import Text

/// Looks up what layers show together, without a mount: making one costs milliseconds, a look-up microseconds a layer.
///
/// The rules are those of the kernel's Documentation/filesystems/overlayfs.rst; what is gone is marked in each layer's own form.
struct OverlaidLayers {
    /// A directory of one layer.
    struct Directory {
        let file: OpenFile
        let form: LayerForm
    }

    /// The highest first.
    private let roots: [Directory]

    /// - Parameter layers: the lowest first.
    /// - Throws: `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    init(_ layers: [LayerFiles]) throws(SystemCallError) {
        var roots: [Directory] = []
        for layer in layers.reversed() {
            roots.append(Directory(file: try layer.root.open("", [.pathOnly, .directory]), form: layer.form))
            if try layer.hidesEverything { break }
        }
        self.roots = roots
    }

    /// The directory whose owner, mode, times and attributes the view has at a path.
    /// - Returns: nil where the view has nothing there, or something else; also where the path leads through a link.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func directory(_ path: FilePath) throws(SystemCallError) -> OpenFile? {
        try directories(at: path).first?.file
    }

    /// What the view has in a directory, with whether it is a directory; nothing where there is none.
    ///
    /// Of layers in the forms of overlayfs.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func entries(of path: FilePath) throws -> [[UInt8]: Bool] {
        var seen: [[UInt8]: FileStatus] = [:]
        for directory in try directories(at: path) {
            // What stands higher hides what is below.
            for name in try directoryEntries(of: directory.file) where seen[name] == nil {
                seen[name] = try directory.file.entryStatus(named: name)
            }
        }
        return seen.filter { !$0.value.isWhiteout }.mapValues { $0.type == .directory }
    }

    /// The directories of a path that the view merges, the highest first.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func directories(at path: FilePath) throws(SystemCallError) -> [Directory] {
        var merged = roots
        for component in path.components {
            merged = try directories(named: FilePath(root: nil, [component]).bytes, in: merged)
        }
        return merged
    }

    /// The directories of one name that the view merges, the highest first.
    private func directories(named name: [UInt8], in parents: [Directory]) throws(SystemCallError) -> [Directory] {
        var found: [Directory] = []
        for parent in parents {
            if let status = try parent.file.entryStatus(named: name) {
                // A mark that the name is gone, or a file, hides what is below it.
                guard status.type == .directory else { break }
                let file = try parent.file.openEntry(named: name, [.pathOnly, .directory])
                found.append(Directory(file: file, form: parent.form))
                if try parent.form.isOpaque(file) { break }
            }
            if try parent.hides(name) { break }
        }
        return found
    }
}

extension OverlaidLayers.Directory {
    /// Whether a mark beside the name says that what the layers below have of it is gone.
    fileprivate func hides(_ name: [UInt8]) throws(SystemCallError) -> Bool {
        // No mark has room beside the longest names.
        guard form == .marked, name.count + Whiteout.prefix.count <= 255 else { return false }
        return try file.entryStatus(named: Whiteout.prefix + name) != nil
    }

    /// Of directories, the highest first, the one that has what is seen under a name, or the mark that it is gone.
    /// - Returns: nil where the name is not seen in them.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func holder(of name: [UInt8], in merged: [Self]) throws(SystemCallError) -> OpenFile? {
        for directory in merged {
            if try directory.file.entryStatus(named: name) != nil { return directory.file }
            if try directory.hides(name) { return nil }
        }
        return nil
    }
}
