import Archive
import GRDB
import LinuxSystem
package import Storage
import Synchronization
package import SystemPackage

/// A tree that is being changed.
///
/// It exists only inside `LeasedSnapshots.withActiveSnapshot`.
package struct ActiveSnapshot: Sendable {
    /// The files, those of the layers below included; changes are written here.
    package let root: FilePath
    /// Where the changes are kept, in overlayfs form (the same as `root` where there is nothing below).
    package let upper: FilePath
    let restored: RestoredFiles

    package init(root: FilePath, upper: FilePath) {
        self.root = root
        self.upper = upper
        restored = RestoredFiles()
    }

    /// Remembers files of a copied tree that are as they were, although the kernel has noted a change of them: no layer has them.
    package func note(restored paths: [FilePath]) { restored.note(paths) }
}

/// Files that were taken out of a tree and put back.
final class RestoredFiles: Sendable {
    private let noted = Mutex<Set<[UInt8]>>([])

    /// From the root.
    var paths: Set<[UInt8]> { noted.withLock { $0 } }

    func note(_ paths: [FilePath]) {
        noted.withLock { $0.formUnion(paths.map { FilePath(root: nil, $0.components).bytes }) }
    }
}

extension LeasedSnapshots {
    /// Lends a writable view of a tree; what `body` changes becomes a layer when it returns, and nothing when it throws.
    ///
    /// - Returns: what `body` returned, and the new layer.
    package func withActiveSnapshot<Value>(
        on tree: FileTree,
        _ body: (ActiveSnapshot) async throws -> Value
    ) async throws -> (value: Value, layer: LayerID) {
        try await lease.hold(tree.layers.map { .layer($0) })
        try await unpack(tree.layers)
        let active = try await onCancellablePool { try snapshots.activate(tree, isCancelled: $0) }
        do {
            let view = ActiveSnapshot(root: active.mount.root, upper: active.upper)
            let value = try await body(view)
            try Task.checkCancellation()
            try await snapshots.seal(active)
            let restored = view.restored.paths
            let layer = try await onBlockingPool { try snapshots.commit(active, restored, above: tree, lease) }
            return (value, layer)
        } catch {
            // What is left goes with the process at the latest; the first error is the one that matters.
            await onBlockingPool {
                try? active.mount.unmount()
                try? removeTree(active.scratch)
            }
            throw snapshots.explained(error)
        }
    }
}

extension SnapshotStore {
    fileprivate struct Active: Sendable {
        var mount: TreeMount
        let scratch: FilePath
        /// Of what overlayfs writes.
        let form: LayerForm
        /// Of a copied tree: what it was.
        var imprint: TreeImprint?
        var upper: FilePath { scratch.appending(form.rawValue) }
        var work: FilePath { scratch.appending("work") }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    fileprivate func activate(_ tree: FileTree, isCancelled: @escaping @Sendable () -> Bool) throws -> Active {
        if let kept = keptTrees.take(tree) { return try reactivate(kept) }
        let scratch = try store.temporaryDirectory()
        var active = Active(mount: TreeMount(root: "", mountPoints: []), scratch: scratch, form: overlayForm)
        active.mount.root = active.upper
        do {
            try HostFiles.createNewDirectory(active.upper)
            guard let top = tree.layers.last else { return active }
            if try isCopied(tree) {
                try copyTree(tree, to: active.upper, links: .broken, isCancelled: isCancelled)
                active.imprint = try imprint(active.upper, scratch: scratch)
                return active
            }
            // The root directory itself belongs to every layer: it keeps what the layer below says of it.
            let below = try OpenFile.open(files(of: top), .pathOnly).status()
            let root = try OpenFile.open(active.upper, .pathOnly)
            try root.changeOwner(user: below.userID, group: below.groupID)
            try root.changeMode(UInt32(below.mode))
            try HostFiles.createNewDirectory(active.work)
            var lower = try lowerDirectories(of: tree, &active.mount)
            if let owners = try showOwners(of: tree, in: &lower, &active.mount) { try root.keep(owners) }
            let point = try store.mountPoint()
            var overlay = overlay(of: lower, writing: (active.upper, active.work))
            // A crash loses the whole snapshot anyway: programs' own fsync(2) need not wait. What is kept is flushed later.
            overlay.isVolatile = true
            try active.mount.attach(overlay, at: point)
            try root.setTimes(modified: below.modified)
            return active
        } catch {
            try? active.mount.unmount()
            try? removeTree(scratch)
            throw explained(error)
        }
    }

    /// Goes on with a tree that another step has left.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func reactivate(_ kept: KeptTrees.Tree) throws -> Active {
        try waitForChange(after: kept.imprint, scratch: kept.scratch)
        var active = Active(mount: TreeMount(root: "", mountPoints: []), scratch: kept.scratch, form: overlayForm)
        active.mount.root = active.upper
        active.imprint = kept.imprint
        return active
    }

    /// Takes the view down and makes sure that nobody can change the files any more.
    ///
    /// A process of the step may have passed a descriptor on to a process outside of it. While such a descriptor lives the
    /// kernel refuses to mount the same upper directory exclusively: an exact test.
    fileprivate func seal(_ active: Active) async throws {
        let isFree = try await onBlockingPool {
            try active.mount.unmount()
            return try active.mount.mountPoints.isEmpty || self.isFree(active)
        }
        if isFree { return }
        // A mount namespace that just ended gives its mounts back a moment later.
        for pause in [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] {
            try await Task.sleep(for: .milliseconds(pause))
            if try await onBlockingPool({ try self.isFree(active) }) { return }
        }
        throw SnapshotError.stillInUse
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func isFree(_ active: Active) throws -> Bool {
        let work = active.scratch.appending("probe")
        try HostFiles.createDirectory(work)
        let point = try store.mountPoint()
        defer { _ = try? HostFiles.removeDirectoryIfEmpty(point) }
        var claim = overlay(of: [try emptyLayer()], writing: (active.upper, work))
        claim.claimsUpperExclusively = true
        // Taking down a mount that is not volatile flushes the whole file system, whoever wrote to it.
        claim.isVolatile = true
        do throws(SystemCallError) {
            try claim.attach(at: point)
            try unmount(point)
        } catch {
            if error.errno == .resourceBusy { return false }
            // Other reasons say nothing about who holds the directory.
        }
        try removeTree(work)
        return true
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    fileprivate func commit(
        _ active: Active,
        _ restored: Set<[UInt8]>,
        above tree: FileTree,
        _ lease: Lease
    ) throws -> LayerID {
        if let imprint = active.imprint {
            let changed = try writeDifference(
                of: active.upper,
                from: imprint,
                without: restored,
                isKept: !level.mounts
            )
            let layer = try keep(changed.scratch, .marked, above: tree, lease)
            guard let imprint = changed.imprint else {
                try removeTree(active.scratch)
                return layer
            }
            let left = KeptTrees.Tree(scratch: active.scratch, imprint: imprint)
            if let unused = keptTrees.keep(left, of: tree.adding(layer)) { try removeTree(unused) }
            return layer
        }
        try removeTree(active.work)
        if level.mounts { return try keep(active.scratch, active.form, above: tree, lease) }
        try HostFiles.rename(active.upper, to: active.scratch.appending(LayerForm.plain.rawValue))
        return try keep(active.scratch, .plain, above: tree, lease)
    }

    /// Makes a layer of a finished directory.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func keep(
        _ scratch: FilePath,
        _ form: LayerForm,
        above tree: FileTree,
        _ lease: Lease
    ) throws -> LayerID {
        let files = scratch.appending(form.rawValue)
        let made = LayerFiles(root: try RootedDirectory(files), form: form)
        var archive = LayerArchive(made)
        var sums = FileSumRecorder()
        var measure = try archive.measure(notingIn: sums)
        if form.overlayAttributes != nil {
            measure.entries += try nameHidden(measure.opaqueDirectories, of: made, above: tree)
        }
        if form != .plain { try removeUntouched(&measure, sums, of: made, above: tree) }
        // Of a small layer the digest costs less now than a transaction of its own later.
        let digest = DigestingSink()
        let isSmall = measure.entries < 32 && measure.bytes < 1 << 20 && !measure.holdsReservedName
        if isSmall {
            let known = FileSumRecorder()
            archive.whenSummed = { known.note($0, $1) }
            try archive.write(to: digest)
            sums = known
        }
        try write(sums.sums, to: scratch)
        try makeDurableIfStrict(scratch)
        let lock = try FileLock.acquire(store.layout.collectionLock, .shared)
        defer { withExtendedLifetime(lock) {} }
        let layer = try placing(isReplaceable: false) { db, place in
            let now = currentFileTime()
            try db.execute(
                sql: """
                    INSERT INTO layers
                        (unpacked, size, entries, diff_id, archive_size, created, created_nanoseconds, last_used)
                    VALUES (1, ?, ?, ?, ?, ?, ?, ?)
                    """,
                arguments: [
                    measure.bytes, measure.entries, isSmall ? digest.digest : nil, isSmall ? digest.count : nil,
                    now.seconds, now.nanoseconds, now.seconds,
                ]
            )
            let layer = LayerID(rawValue: db.lastInsertedRowID)
            try place(scratch, layer)
            return layer
        }
        try lease.hold([.layer(layer)])
        return layer
    }
}
