import LinuxSystem
import Storage
import SystemPackage
import Text

/// Owners of links where directories keep them: see `KeptEntries`.
///
/// Of several directories that overlayfs merges it shows the attributes of the uppermost, which keeps the owners of its own layer's
/// links alone. What such a directory would have to keep is therefore laid over the layers: directories without files, which have
/// the owners of all links that are seen in them.
extension SnapshotStore {
    /// Puts a layer on top of others if owners of links would not be seen otherwise.
    /// - Parameters:
    ///   - tree: what the layers are of.
    ///   - lower: their directories, the topmost first.
    ///   - mount: it removes what is made here.
    /// - Returns: the owners of the links in the root directory, for an upper directory; nil where nothing is to be kept of any.
    /// - Throws: `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func showOwners(
        of tree: FileTree,
        in lower: inout [FilePath],
        _ mount: inout TreeMount
    ) throws -> KeptEntries? {
        guard level.mounts, !level.hasOtherUsers else { return nil }
        let paths = Set(try tree.layers.flatMap { try keepingDirectories(of: $0) })
        if paths.isEmpty { return nil }
        let layers = try OverlaidLayers(tree.layers.map(layerFiles))
        var wanted: [FilePath: KeptEntries] = [:]
        for path in paths {
            let merged = try layers.directories(at: path)
            guard let top = merged.first?.file else { continue }
            let owners = try Self.owners(in: merged)
            if try path.isEmpty || owners != top.keptEntries() { wanted[path] = owners }
        }
        if try wanted.keys.contains(where: { !$0.isEmpty }) || layers.rootHidesOwners(wanted[""]) {
            let made = try store.temporaryDirectory()
            mount.scratch = made
            try makeDirectories(wanted, like: layers, at: made)
            lower.insert(made, at: 0)
        }
        return wanted[""]
    }

    /// The owners of the links that directories show together, the highest first.
    private static func owners(in merged: [OverlaidLayers.Directory]) throws(SystemCallError) -> KeptEntries {
        var owners = KeptEntries(parsing: [])
        var names: Set<[UInt8]> = []
        for directory in merged { names.formUnion(try directory.file.keptEntries().names) }
        for name in names {
            guard let holder = try OverlaidLayers.Directory.holder(of: name, in: merged) else { continue }
            owners[name] = try holder.keptEntries()[name]
        }
        return owners
    }

    /// Makes directories, and those above them, as layers show them.
    private func makeDirectories(
        _ wanted: [FilePath: KeptEntries],
        like layers: OverlaidLayers,
        at place: FilePath
    ) throws {
        let target = try RootedDirectory(place)
        let copier = EntryCopier(into: target, links: .kept)
        var made: [(directory: OpenFile, time: FileTime)] = []
        var paths: Set<FilePath> = [""]
        for path in wanted.keys {
            var path = path
            while !path.isEmpty, paths.insert(path).inserted { path = path.removingLastComponent() }
        }
        // A directory comes before those in it.
        for path in paths.sorted(by: { $0.components.count < $1.components.count }) {
            guard let shown = try layers.directory(path) else { continue }
            let source = try shown.openEntry(named: ".", [.readOnly, .directory])
            let status = try source.status()
            let directory: OpenFile
            if let last = path.lastComponent {
                let parent = try target.open(path.removingLastComponent(), [.pathOnly, .directory])
                let own = EntryCopier.Place(directory: parent, name: FilePath(root: nil, [last]).bytes)
                directory = try copier.makeDirectory(own, like: source, status)
            } else {
                directory = try target.open("", [.readOnly, .directory])
                try copier.applyMetadata(source, status, to: directory)
            }
            try directory.keep(try wanted[path] ?? source.keptEntries())
            made.append((directory, status.modified))
        }
        for (directory, time) in made { try directory.setTimes(modified: time) }
    }

    /// The directories of a layer that keep owners of links.
    ///
    /// Looked for once, as most layers have none: an attribute of the layer's place remembers them, or that they are too many for it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func keepingDirectories(of layer: LayerID) throws -> [FilePath] {
        let place = try OpenFile.open(store.layout.snapshot(layer), [.readOnly, .directory])
        if let known = try place.extendedAttribute(Self.directoriesAttribute), known != Self.tooMany {
            return known.split(separator: 0, omittingEmptySubsequences: false).dropLast()
                .map { FilePath(bytes: Array($0)) }
        }
        let files = try layerFiles(of: layer)
        var found: [[UInt8]] = []
        if try !files.root.open("", [.readOnly, .directory]).keptEntries().isEmpty { found.append([]) }
        try files.walk { entry in
            guard entry.status.type == .directory else { return }
            if try !files.root.open(entry.path, [.readOnly, .directory, .noFollow]).keptEntries().isEmpty {
                found.append(entry.bytes)
            }
        }
        let text = Array(found.map { $0 + [0] }.joined())
        try place.setExtendedAttribute(Self.directoriesAttribute, text.count > 1024 ? Self.tooMany : text)
        return found.map { FilePath(bytes: $0) }
    }

    private static var directoriesAttribute: [UInt8] { KeptStatus.prefix + "directories".utf8 }
    private static var tooMany: [UInt8] { Array("*".utf8) }
}

extension OverlaidLayers {
    /// Whether the root directory of the uppermost layer does not keep these owners.
    fileprivate func rootHidesOwners(_ wanted: KeptEntries?) throws(SystemCallError) -> Bool {
        guard let wanted, let top = try directory("") else { return false }
        return try top.keptEntries() != wanted
    }
}
