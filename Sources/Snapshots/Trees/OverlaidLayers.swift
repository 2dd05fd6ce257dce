import LinuxSystem
import SystemPackage
import Text

/// Looks directories up as overlayfs shows them, without a mount: making one costs milliseconds, a look-up microseconds a layer.
///
/// The rules are those of the kernel's Documentation/filesystems/overlayfs.rst for layers in the forms of overlayfs.
struct OverlaidLayers {
    /// The highest first.
    private let roots: [OpenFile]
    private let attributes: OverlayAttributes

    /// - Parameter layers: the lowest first.
    /// - Throws: `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    init(_ layers: [LayerFiles]) throws(SystemCallError) {
        var roots: [OpenFile] = []
        for layer in layers.reversed() {
            roots.append(try layer.root.open("", [.pathOnly, .directory]))
            if try layer.hidesEverything { break }
        }
        self.roots = roots
        attributes = layers.last?.form.overlayAttributes ?? .trusted
    }

    /// The directory whose owner, mode, times and attributes the view has at a path.
    /// - Returns: nil where the view has nothing there, or something else; also where the path leads through a link.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func directory(_ path: FilePath) throws(SystemCallError) -> OpenFile? {
        try directories(at: path).first
    }

    /// What the view has in a directory, with whether it is a directory; nothing where there is none.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func entries(of path: FilePath) throws -> [[UInt8]: Bool] {
        var seen: [[UInt8]: FileStatus] = [:]
        for directory in try directories(at: path) {
            // What stands higher hides what is below.
            for name in try directoryEntries(of: directory) where seen[name] == nil {
                seen[name] = try directory.entryStatus(named: name)
            }
        }
        return seen.filter { !$0.value.isWhiteout }.mapValues { $0.type == .directory }
    }

    /// The directories of a path that the view merges, the highest first.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func directories(at path: FilePath) throws(SystemCallError) -> [OpenFile] {
        var merged = roots
        for component in path.components {
            merged = try directories(named: FilePath(root: nil, [component]).bytes, in: merged)
        }
        return merged
    }

    /// The directories of one name that the view merges, the highest first.
    private func directories(named name: [UInt8], in parents: [OpenFile]) throws(SystemCallError) -> [OpenFile] {
        var found: [OpenFile] = []
        for parent in parents {
            guard let status = try parent.entryStatus(named: name) else { continue }
            // A mark that the name is gone, or a file, hides what is below it.
            guard status.type == .directory else { break }
            let directory = try parent.openEntry(named: name, [.pathOnly, .directory])
            found.append(directory)
            if try directory.extendedAttribute(attributes.opaque) == "y" { break }
        }
        return found
    }
}
