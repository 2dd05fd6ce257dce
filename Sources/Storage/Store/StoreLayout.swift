internal import LinuxSystem
package import OCI
package import SystemPackage

/// Where things are below a store's directory.
package struct StoreLayout: Sendable, Hashable {
    package let root: FilePath

    package var database: FilePath { root.appending("slipway.db") }
    /// What the database says, a second time: see `StoreRecords`.
    package var records: FilePath { root.appending("slipway.records") }
    /// Space that is given up when the disk is full, so that something can be removed.
    package var reserve: FilePath { root.appending("reserve") }
    /// Whose numbers the owners of files are: see `StoreIdentities`.
    package var identities: FilePath { root.appending("identities") }
    /// Which boot of the machine may not have everything on the disk: see `UnflushedContent`.
    package var boot: FilePath { root.appending("boot") }
    /// What nothing refers to and may yet be needed; kept for days.
    package var quarantine: FilePath { root.appending("quarantine") }
    /// `blobs/<algorithm>/<hex>`: complete, verified content.
    package var blobs: FilePath { root.appending("blobs") }
    /// `snapshots/<layer id>/`: the files of unpacked layers.
    package var snapshots: FilePath { root.appending("snapshots") }
    /// `containers/<id>/`: bundles, logs, exit statuses.
    package var containers: FilePath { root.appending("containers") }
    /// Blobs on their way in.
    package var ingest: FilePath { root.appending("ingest") }
    /// `cachemounts/<name>/`: the directories of cache mounts.
    package var cacheMounts: FilePath { root.appending("cachemounts") }
    /// `syncs/<name>/`: copies of clients' directories.
    package var syncs: FilePath { root.appending("syncs") }
    /// `mounts/<owner>/`: mount points of living processes.
    package var mounts: FilePath { root.appending("mounts") }
    /// `run/<owner>`: one locked file for each living process.
    package var run: FilePath { root.appending("run") }
    /// `tmp/<owner>/`: scratch of living processes.
    package var tmp: FilePath { root.appending("tmp") }
    /// What has happened, event by event: see `EventJournal`.
    package var events: FilePath { root.appending("events") }
    /// Held shared while something is being leased, exclusively while garbage is being chosen.
    package var collectionLock: FilePath { root.appending("collection.lock") }

    /// What is about to be removed with the whole store.
    var removed: FilePath { root.appending("slipway.removed") }

    /// Everything that a store has directly below its root, but `removed`; other names there are not the store's.
    var entries: [FilePath] {
        let files = ["", ".new"].map { FilePath(bytes: records.bytes + Array($0.utf8)) }
        let parts = (StoreDatabase.suffixes + ["-sums.new", ".lock"]).map { StoreDatabase.file($0, of: database) }
        // The last three are kept by those who make them: git sources, volumes, and the collection of garbage.
        let others = ["git", "volumes", "gc"].map { root.appending($0) }
        return files + parts + others + [
            reserve, identities, boot, quarantine, blobs, snapshots, containers, ingest, cacheMounts, syncs, mounts,
            run, tmp, events,
            collectionLock,
        ]
    }

    package init(root: FilePath) { self.root = root }

    /// Tells what the store makes outside of its directory, as network interfaces, from what others make.
    package var tag: String { String(Digest.sha256(of: root.bytes).hex.prefix(6)) }

    /// Where the content of a digest is, or would be.
    package func blob(_ digest: Digest) -> FilePath {
        blobs.appending(digest.algorithm.rawValue).appending(digest.hex)
    }

    /// The directory of a layer's files.
    package func snapshot(_ layer: LayerID) -> FilePath { snapshots.appending("\(layer)") }

    /// Creates the directories that are missing, readable by the owner alone.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func create() throws(SystemCallError) {
        // The last one made tells that all are there: opening a store that exists costs one stat(2). Its name is not one
        // that a directory has anyway, as `tmp` might be.
        let last = ingest
        if try HostFiles.status(of: last) != nil { return }
        try HostFiles.createDirectories(root, mode: 0o700)
        let below = [blobs, blobs.appending("sha256"), blobs.appending("sha384"), blobs.appending("sha512")]
        for directory in below + [snapshots, containers, mounts, run, tmp, last] {
            try HostFiles.createDirectory(directory, mode: 0o700)
        }
        try HostFiles.synchronizeDirectory(blobs)
        try HostFiles.synchronizeDirectory(root)
        let parent = root.removingLastComponent()
        try HostFiles.synchronizeDirectory(parent.isEmpty ? "." : parent)
    }
}
