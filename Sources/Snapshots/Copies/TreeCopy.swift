import LinuxSystem
import SystemPackage

/// Makes one directory of what several layers show together, where they cannot be mounted.
///
/// Each directory is made of those that the layers have at its path, and each file is copied once: from the highest layer that has it.
struct TreeCopy {
    /// The layers, the lowest first.
    let layers: [LayerFiles]
    /// The namespace in which the copy has the owners of the tree; nil for this process's own.
    var identities: IdentityMaps?
    /// Asked for each entry; true ends the work with `CancellationError`.
    let isCancelled: @Sendable () -> Bool

    /// A directory of the tree.
    private struct Directory {
        /// From the root.
        let path: [UInt8]
        /// Of the highest layer that has it.
        let status: FileStatus
        /// The layers that have it and show through, the highest first, by their numbers.
        let layers: [Int]
    }

    /// What the tree has under one name.
    private struct Name {
        let name: [UInt8]
        let entry: LayerFiles.Entry
        /// The layer that it is of.
        let layer: Int
        /// Of a directory: the layers that show through.
        var layers: [Int]
        /// Whether lower layers have no say any more.
        var isClosed: Bool
    }

    /// Fills an empty directory; it gets the metadata of the topmost layer's root.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func make(at path: FilePath, links: EntryCopier.Links) throws {
        guard let top = layers.last else { return }
        let target = try RootedDirectory(path)
        let copier = EntryCopier(into: target, links: links, identities: identities)
        var visible: [Int] = []
        for number in layers.indices.reversed() {
            visible.append(number)
            if try layers[number].hidesEverything { break }
        }
        let root = try top.root.open("", [.readOnly, .directory])
        var pending = [Directory(path: [], status: try root.status(), layers: visible)]
        try copier.applyMetadata(root, pending[0].status, to: try target.open("", [.readOnly, .directory]))
        while let directory = pending.popLast() { pending += try fill(directory, target, copier) }
    }

    /// Fills a directory, and makes those that are in it, which are returned.
    private func fill(
        _ directory: Directory,
        _ target: RootedDirectory,
        _ copier: EntryCopier
    ) throws -> [Directory] {
        let path = FilePath(bytes: directory.path)
        let made = try target.open(path, [.readOnly, .directory, .noFollow])
        var sources: [Int: OpenFile] = [:]
        for number in directory.layers {
            sources[number] = try layers[number].root.open(path, [.readOnly, .directory, .noFollow])
        }
        var inner: [Directory] = []
        for name in try names(in: directory, sources) {
            if isCancelled() { throw CancellationError() }
            guard let source = sources[name.layer], !name.entry.isWhiteout else { continue }
            let (from, to) = (
                EntryCopier.Place(directory: source, name: name.name),
                EntryCopier.Place(directory: made, name: name.name)
            )
            let status = name.entry.status
            guard status.type == .directory else {
                try copier.copy(from, status, to: to, path: name.entry.bytes)
                continue
            }
            try copier.makeDirectory(to, like: try source.openEntry(named: name.name, [.readOnly, .directory]), status)
            inner.append(Directory(path: name.entry.bytes, status: status, layers: name.layers))
        }
        // Nothing more is made in it: its time stays.
        try made.setTimes(modified: directory.status.modified)
        return inner
    }

    /// What the layers together have in a directory, names that are gone included.
    private func names(in directory: Directory, _ sources: [Int: OpenFile]) throws -> [Name] {
        var names: [Name] = []
        var places: [[UInt8]: Int] = [:]
        let prefix = directory.path.isEmpty ? 0 : directory.path.count + 1
        for number in directory.layers {
            guard let source = sources[number] else { continue }
            for entry in try layers[number].entries(in: source, at: directory.path) {
                let name = Array(entry.bytes[prefix...])
                let isDirectory = !entry.isWhiteout && entry.status.type == .directory
                guard let place = places[name] else {
                    places[name] = names.count
                    let isClosed = !isDirectory || entry.isOpaque
                    names.append(Name(name: name, entry: entry, layer: number, layers: [number], isClosed: isClosed))
                    continue
                }
                if names[place].isClosed { continue }
                if isDirectory { names[place].layers.append(number) }
                names[place].isClosed = !isDirectory || entry.isOpaque
            }
        }
        return names
    }
}
