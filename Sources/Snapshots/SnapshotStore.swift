import Archive
import GRDB
package import LinuxSystem
package import OCI
package import Storage
import Synchronization
import SystemPackage
import Tasks

/// The layers of a store: known, unpacked, mounted, written and turned into archives.
///
/// A layer may be a blob that is not fetched yet, files in a directory, or both; it becomes what is needed when it is needed. Its files
/// are in `snapshots/<id>/<form>`, see `LayerForm`. Several processes may use one store: a layer's directory appears whole, in the
/// transaction that says it is there.
package final class SnapshotStore: Sendable {
    package let store: Store
    let blobProvider: any BlobProvider
    let limits: ArchiveLimits
    /// Layers being unpacked by this process.
    let unpacking = SharedWork<UnpackingKey, Void>()
    let keptTrees = KeptTrees()
    /// An empty directory of this process, made when it is first needed.
    private let emptyDirectory = Mutex<FilePath?>(nil)

    private let knownMeans: Mutex<SnapshotMeans?>
    /// What this process may do with file systems.
    package let level: PrivilegeLevel

    /// Trees are shown and changed by `means`; nil is what works best where the store is, and at this level.
    package init(
        store: Store,
        blobProvider: any BlobProvider = NoBlobProvider(),
        level: PrivilegeLevel = .root,
        means: SnapshotMeans? = nil
    ) {
        self.store = store
        self.blobProvider = blobProvider
        self.level = level
        limits = ArchiveLimits()
        knownMeans = Mutex(means)
    }

    // MARK: Layers

    /// The layer of a blob: the one the store has, else a new one that is neither fetched nor unpacked.
    ///
    /// - Parameters:
    ///   - diffID: the digest of the blob's uncompressed archive.
    ///   - blob: the archive.
    ///   - isChecked: whether somebody has read the archive and found the diff id. Otherwise that is done when the layer is unpacked, and a
    ///     layer that is known from elsewhere is not read from the blob.
    ///   - lease: what holds the layer.
    /// - Returns: the layer.
    /// - Throws: `StorageError`.
    package func layer(
        diffID: Digest,
        blob: Descriptor,
        isChecked: Bool,
        in lease: Lease
    ) async throws -> LayerID {
        let archive = LayerBlob(blob: blob, recipe: nil, isChecked: isChecked)
        return try await layer(diffID: diffID, archive: archive, in: lease)
    }

    func layer(diffID: Digest, archive: LayerBlob, in lease: Lease) async throws -> LayerID {
        try await onBlockingPool { [store] in
            // In the order in which garbage is collected: the lock of the collection, then the database's.
            let lock = try FileLock.acquire(store.layout.collectionLock, .shared)
            defer { withExtendedLifetime(lock) {} }
            let id = try store.database.writeLazily { db in
                let now = currentFileTime()
                let known = try LayerID.fetchOne(
                    db,
                    sql: """
                        SELECT id FROM layers WHERE diff_id = ? AND (unpacked OR NOT \(Self.isRemote) OR \(Self.hasBlob))
                        ORDER BY unpacked DESC, id LIMIT 1
                        """,
                    arguments: [diffID, archive.blob.digest]
                )
                let id: LayerID
                if let known {
                    id = known
                    // Somebody other than a remote cache says the same of the blob now.
                    try db.execute(sql: "DELETE FROM remote_layers WHERE layer_id = ?", arguments: [id])
                } else {
                    try db.execute(
                        sql:
                            "INSERT INTO layers (diff_id, created, created_nanoseconds, last_used) VALUES (?, ?, ?, ?)",
                        arguments: [diffID, now.seconds, now.nanoseconds, now.seconds]
                    )
                    id = LayerID(rawValue: db.lastInsertedRowID)
                }
                try Self.add(archive, to: id, in: db)
                return id
            }
            try lease.hold([.layer(id)])
            return id
        }
    }

    /// What the store knows of a layer without looking at its content.
    package struct LayerInfo: Sendable, Hashable {
        package let diffID: Digest?
        package let isUnpacked: Bool
        /// Bytes of its files; nil while it was never unpacked.
        package let size: Int64?
        package let created: FileTime
        /// The archives it can be read from, fetched or not, the preferred one first.
        package var blobs: [Descriptor] { readable.map(\.blob) }
        /// All that are said to be its archives, by whomever.
        let archives: [LayerBlob]

        /// Those of `archives` that are read: once something is known for certain, a mere claim counts no more.
        var readable: [LayerBlob] {
            let checked = archives.filter(\.isChecked)
            return isUnpacked || !checked.isEmpty ? checked : archives
        }

        /// Whether an image says that a blob holds this layer; the layer itself is read from it only if it is one of `blobs`.
        package func isSaid(toBeIn blob: Digest) -> Bool { archives.contains { $0.blob.digest == blob } }
    }

    /// One of the archives of a layer.
    struct LayerBlob: Sendable, Hashable {
        let blob: Descriptor
        /// What it was compressed with here; nil where it came as it is.
        let recipe: String?
        /// Whether it is known to hold the layer; of one that is not, an image or a cache says so.
        let isChecked: Bool

        init(blob: Descriptor, recipe: String?, isChecked: Bool) {
            self.blob = blob
            self.recipe = recipe
            self.isChecked = isChecked
        }

        init(_ row: LayerTable.Blob) throws {
            let annotations = try row.annotations.map {
                try StrictJSON.decode(
                    [String: String].self,
                    from: Array($0.utf8),
                    kind: "annotations",
                    fields: .map
                )
            }
            var blob = Descriptor(
                mediaType: MediaType(rawValue: row.mediaType),
                digest: row.digest,
                size: row.size,
                annotations: annotations
            )
            blob.urls = try row.urls.map {
                try StrictJSON.decode(Addresses.self, from: Array($0.utf8), kind: "addresses", fields: .manifest).urls
            }
            self.blob = blob
            recipe = row.recipe
            isChecked = row.isChecked
        }

        /// How the table has the addresses of a blob.
        fileprivate struct Addresses: Codable {
            let urls: [String]
        }
    }

    /// What the store knows of a layer.
    /// - Throws: `SnapshotError.unknownLayer`.
    package func info(of layer: LayerID) async throws -> LayerInfo {
        try await onBlockingPool { try self.infoBlocking(of: layer) }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func infoBlocking(of layer: LayerID) throws -> LayerInfo {
        try store.database.read { db in
            guard let row = try LayerTable.find(layer, in: db) else { throw SnapshotError.unknownLayer(layer) }
            return LayerInfo(
                diffID: row.diffID,
                isUnpacked: row.isUnpacked,
                size: row.size,
                created: FileTime(seconds: row.created, nanoseconds: row.nanoseconds),
                archives: try LayerTable.archives(of: layer, in: db).map { try LayerBlob($0) }
            )
        }
    }

    /// Adds an archive to those of a layer; one that is there may become a checked one.
    static func add(_ archive: LayerBlob, to layer: LayerID, in db: Database) throws {
        let blob = archive.blob
        let kept = (blob.annotations ?? [:]).filter { keptAnnotations.contains($0.key) }
        let annotations = kept.isEmpty ? nil : String(decoding: try StrictJSON.encode(kept), as: UTF8.self)
        let urls = try blob.urls.map { urls in
            String(decoding: try StrictJSON.encode(LayerBlob.Addresses(urls: urls)), as: UTF8.self)
        }
        let insert = try db.cachedStatement(
            sql: """
                INSERT INTO layer_blobs (layer_id, digest, media_type, size, annotations, urls, recipe, checked, position)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, (SELECT count(*) FROM layer_blobs WHERE layer_id = ?))
                ON CONFLICT (layer_id, digest)
                DO UPDATE SET checked = max(checked, excluded.checked), urls = coalesce(excluded.urls, urls)
                """
        )
        try insert.execute(
            arguments: [
                layer, blob.digest, blob.mediaType.rawValue, blob.size, annotations, urls, archive.recipe,
                archive.isChecked, layer,
            ]
        )
    }

    /// What a layer's descriptor says of its bytes, and would not find out again.
    private static let keptAnnotations: Set<String> = [
        EstargzSink.contentsDigestAnnotation, "io.containers.estargz.uncompressed-size",
    ]

    // MARK: Directories

    /// How trees are shown and changed here, found out when it is first asked.
    package var means: SnapshotMeans {
        get async throws { try await onBlockingPool { try self.meansBlocking() } }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func meansBlocking() throws -> SnapshotMeans {
        try knownMeans.withLock { known in
            if let known { return known }
            guard level.mounts else {
                known = .copying
                return .copying
            }
            let scratch = try store.temporaryDirectory()
            let point = try store.mountPoint()
            let found = try SnapshotMeans.probe(in: scratch, mountingAt: point, level.overlayAttributes)
            try HostFiles.removeDirectoryIfEmpty(point)
            try removeTree(scratch)
            known = found
            return found
        }
    }

    /// The form of what the overlayfs writes that this process mounts.
    var overlayForm: LayerForm { LayerForm(level.overlayAttributes) }

    /// Where a layer's files are once it is unpacked, in the form that this process mounts.
    func files(of layer: LayerID) -> FilePath { files(of: layer, overlayForm) }

    private func files(of layer: LayerID, _ form: LayerForm) -> FilePath {
        store.layout.snapshot(layer).appending(form.rawValue)
    }

    /// The files of an unpacked layer in the form that they have.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func layerFiles(of layer: LayerID) throws -> LayerFiles {
        for form in [overlayForm] + LayerForm.allCases.filter({ $0 != overlayForm }) {
            let place = files(of: layer, form)
            guard try HostFiles.status(of: place) != nil else { continue }
            // A process that cannot mount overlayfs is not shown its marks either, and would see what they hide.
            if !level.mounts, form == .overlay { throw SnapshotError.marksUnreadable(layer) }
            return LayerFiles(root: try RootedDirectory(place), form: form)
        }
        return LayerFiles(root: try RootedDirectory(files(of: layer)), form: overlayForm)
    }

    /// An empty directory, to stand where overlayfs asks for a layer.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func emptyLayer() throws -> FilePath {
        try emptyDirectory.withLock { path in
            if let path { return path }
            let made = try store.temporaryDirectory()
            path = made
            return made
        }
    }
}
