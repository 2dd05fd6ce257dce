internal import GRDB
internal import LinuxSystem
package import OCI
package import Storage

extension NewImageIndex {
    /// The index as it is kept, and its document.
    package func encoded() throws -> (index: ImageIndex, bytes: [UInt8]) {
        let members = members.map { member in
            ImageIndex.Member(
                image: Digest.sha256(of: member.image.configuration),
                platform: member.platform,
                manifest: Descriptor(
                    mediaType: member.mediaType,
                    digest: Digest.sha256(of: member.manifest),
                    size: Int64(member.manifest.count),
                    annotations: member.annotations,
                    platform: member.platform
                )
            )
        }
        let said = attestations.map(\.manifest)
        let document = Index(
            mediaType: mediaType,
            manifests: members.map(\.manifest) + said,
            annotations: annotations
        )
        let bytes = try StrictJSON.encode(document)
        var index = ImageIndex(id: Digest.sha256(of: bytes), members: members, annotations: annotations)
        index.mediaType = mediaType
        index.attestations = said
        return (index, bytes)
    }
}

/// Images of several platforms.
///
/// One is kept as an OCI index, by its digest, and the images that it names: a name leads to the index, and whoever needs one
/// image chooses by platform. Members are images like all others, but lists show them only where they have names of their own.
extension ImageStore {
    /// Keeps an image of several platforms with all its images.
    ///
    /// Crash-safe: all of it is there when this returns, and nothing of it if it throws.
    /// - Returns: the index, whose id is the image's.
    /// - Throws: as `add(_: NewImage)`.
    @discardableResult
    package func add(_ index: NewImageIndex) async throws -> ImageIndex {
        let checked = try index.members.map { try CheckedImage($0.image) }
        let (kept, bytes) = try index.encoded()
        let shown = checked.first { $0.id == kept.usual?.image }
        return try await store.withLease { lease in
            for content in index.members.flatMap({ [$0.image.configuration, $0.manifest] }) + [bytes] {
                _ = try await store.blobs.put(content, in: lease)
            }
            let said = index.attestations.flatMap(\.blobs)
            try await lease.hold(said.map { .blob($0) })
            let documents = kept.members.flatMap { [$0.image, $0.manifest.digest] } + [kept.id]
            try await flush(checked, with: documents + said + checked.flatMap { $0.image.manifest?.digests ?? [] })
            try await store.database.write { db in
                for image in checked { try Self.insert(image, in: db) }
                try Self.insert(kept, shownAs: shown, in: db)
                try Self.insert(said, of: kept.id, in: db)
                for name in index.names { try Self.setName(name, to: kept.id, at: currentTime(), in: db) }
            }
            return kept
        }
    }

    private static func insert(_ index: ImageIndex, shownAs image: CheckedImage?, in db: Database) throws {
        try image?.insertRow(id: index.id, at: currentTime(), in: db)
        let insert = try db.cachedStatement(sql: "INSERT INTO image_members VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING")
        for (position, member) in index.members.enumerated() {
            try insert.execute(arguments: [index.id, position, member.image, member.manifest.digest])
        }
    }

    /// Lets blobs live as long as an index does.
    private static func insert(_ blobs: [Digest], of index: Digest, in db: Database) throws {
        let insert = try db.cachedStatement(sql: "INSERT INTO image_attestations VALUES (?, ?) ON CONFLICT DO NOTHING")
        for blob in blobs { try insert.execute(arguments: [index, blob]) }
    }

    /// The image of several platforms that a name or an id leads to; nil where it leads to a single image.
    /// - Throws: `ImageError.noSuchImage` and the like.
    package func index(_ name: String) async throws -> ImageIndex? {
        let (id, rows) = try await store.database.read { db in
            let id = try Self.resolve(name, in: db)
            return (id, try Self.memberRows(of: id, in: db))
        }
        return try await index(id, rows)
    }

    static func memberRows(of index: Digest, in db: Database) throws -> [ImageTable.Member] {
        let statement = try db.cachedStatement(
            sql: "SELECT \(ImageTable.Member.columns) FROM image_members WHERE index_id = ? ORDER BY position"
        )
        return try ImageTable.Member.fetchAll(statement, arguments: [index])
    }

    /// Reads an index's document; nil where an image has no members.
    func index(_ id: Digest, _ rows: [ImageTable.Member]) async throws -> ImageIndex? {
        if rows.isEmpty { return nil }
        let bytes = try await store.blobs.read(id, limit: StrictJSON.maximumSize)
        let type = try Index.mediaType(of: bytes)
        let document = try Index(parsing: bytes, declaredAs: type)
        let descriptors = Dictionary(document.manifests.map { ($0.digest, $0) }) { first, _ in first }
        var index = ImageIndex(
            id: id,
            members: rows.compactMap { row in
                guard let descriptor = descriptors[row.manifest], let platform = descriptor.platform else { return nil }
                return ImageIndex.Member(image: row.image, platform: platform, manifest: descriptor)
            },
            annotations: document.annotations
        )
        index.mediaType = type
        index.attestations = document.manifests.filter { PlatformChoice.isAttestation($0) }
        return index
    }

    /// The index that an image is a member of, for messages; nil for none.
    static func owner(of image: Digest, in db: Database) throws -> Digest? {
        try Digest.fetchOne(
            db,
            sql: "SELECT index_id FROM image_members WHERE image_id = ? ORDER BY index_id LIMIT 1",
            arguments: [image]
        )
    }
}

extension ImageLayers {
    /// The manifest of an image with its layers as they are without compression: what archives hold, and local indexes name.
    package func plainManifest(of image: NewImage, in lease: Lease) async throws -> [UInt8] {
        let configuration = try ImageConfiguration(parsing: image.configuration)
        var descriptors: [Descriptor] = []
        for (layer, diffID) in zip(image.layers, configuration.rootFileSystem.diffIDs) {
            let size = try await archiveSize(of: layer, in: lease)
            descriptors.append(Descriptor(mediaType: .ociLayer, digest: diffID, size: size))
        }
        let manifest = Manifest(
            mediaType: .ociManifest,
            config: Descriptor(
                mediaType: .ociConfiguration,
                digest: Digest.sha256(of: image.configuration),
                size: Int64(image.configuration.count)
            ),
            layers: descriptors
        )
        return try StrictJSON.encode(manifest)
    }

    /// An image of several platforms made of these images.
    package func index(
        of images: [(image: NewImage, platform: Platform)],
        names: [ImageReference] = [],
        in lease: Lease
    ) async throws -> NewImageIndex {
        var members: [NewImageIndex.Member] = []
        for (image, platform) in images {
            let manifest = try await plainManifest(of: image, in: lease)
            members.append(NewImageIndex.Member(image: image, manifest: manifest, platform: platform))
        }
        return NewImageIndex(members: members, names: names)
    }
}
