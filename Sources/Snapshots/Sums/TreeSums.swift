package import Archive
import LinuxSystem
import Storage
import Synchronization

/// Compares the files of a tree, as they are read, with what they were when their layers were made.
///
/// A file is the topmost layer's that has a regular file of its name: what any other layer above said of the name would hide it. The
/// sums of a layer are read once a file is looked for in it. What is read first of a file whose sum is not known yet counts from then on.
package final class TreeSums: Sendable {
    private struct Level {
        let layer: LayerID
        let sums: FileSums
        var noted: [(path: [UInt8], sum: FileSum)] = []
    }

    private struct State {
        /// The topmost first.
        var levels: [Level] = []
        /// Those below, whose sums have not been read.
        var rest: ArraySlice<LayerID>
    }

    private let snapshots: SnapshotStore
    private let state: Mutex<State>

    init(_ tree: FileTree, in snapshots: SnapshotStore) {
        self.snapshots = snapshots
        state = Mutex(State(rest: tree.layers.reversed()[...]))
    }

    /// Compares what was read of a file.
    /// - Parameters:
    ///   - path: from the root of the tree, without links and without a slash in front.
    ///   - sum: of all that was read.
    /// - Throws: `SnapshotError.fileDamaged` where the file was another one.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func compare(_ path: [UInt8], _ sum: FileSum) throws {
        guard let layer = try layerOfAnother(path, sum) else { return }
        throw SnapshotError.fileDamaged(layer, path: path, images: try snapshots.store.imageNamesBlocking(with: layer))
    }

    /// The layer that had something else in the file.
    private func layerOfAnother(_ path: [UInt8], _ sum: FileSum) throws -> LayerID? {
        try state.withLock { state in
            var index = 0
            while true {
                if index == state.levels.count {
                    guard let layer = state.rest.popFirst() else { return nil }
                    guard let sums = try snapshots.sums(of: layer) else {
                        // It may have any file, so that nothing can be said of those below.
                        state.rest = []
                        return nil
                    }
                    state.levels.append(Level(layer: layer, sums: sums))
                }
                switch state.levels[index].sums.answer(for: path) {
                case .absent: index += 1
                case .unknown:
                    state.levels[index].noted.append((path, sum))
                    return nil
                case .known(let known): return known == sum ? nil : state.levels[index].layer
                }
            }
        }
    }

    /// Keeps the sums of files that were read first.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func keep() throws {
        for level in state.withLock({ $0.levels }) where !level.noted.isEmpty {
            // Another process may have added to them.
            guard var sums = try snapshots.sums(of: level.layer) else { continue }
            for (path, sum) in level.noted { sums.fill(in: path, sum) }
            try snapshots.replaceSums(of: level.layer, by: sums)
        }
    }
}
