internal import GRDB
internal import LinuxSystem
package import OCI
internal import Snapshots
package import Storage

/// The images of a store: their names, configurations and layers.
///
/// Everything here is rows and small blobs; no layer is fetched, unpacked or compressed.
package final class ImageStore: Sendable {
    package let store: Store
    /// Tells which containers there are.
    let users: ImageUsers

    /// - Parameters:
    ///   - store: where images are kept.
    ///   - users: tells which containers there are.
    package init(store: Store, users: @escaping ImageUsers) {
        self.store = store
        self.users = users
    }

    // MARK: Keeping

    /// Keeps an image; one that is here already gets the new names, layers and digests in addition.
    ///
    /// Crash-safe: the image and all its names are there when this returns, and nothing of it if it throws. Who had one of the names before
    /// stays, without it.
    /// - Returns: the image's id.
    /// - Throws: `OCIError` for an invalid configuration, `ImageError.layersDoNotMatch`, `StorageError`.
    @discardableResult
    package func add(_ image: NewImage) async throws -> Digest {
        let checked = try CheckedImage(image)
        return try await store.withLease { lease in
            _ = try await store.blobs.put(image.configuration, in: lease)
            try await flush([checked], with: [checked.id] + (image.manifest?.digests ?? []))
            try await store.database.write { db in try Self.insert(checked, in: db) }
            return checked.id
        }
    }

    /// Makes durable what images need that are about to be there.
    func flush(_ images: [CheckedImage], with blobs: [Digest]) async throws {
        let layers = Set(images.flatMap(\.image.layers))
        let unflushed = try await store.database.read { db in try LayerTable.unflushed(of: layers, in: db) }
        try await store.flush(unflushed + blobs.map { .blob($0) })
    }

    /// A new image whose configuration can be read and fits its layers.
    struct CheckedImage: Sendable {
        let image: NewImage
        let id: Digest
        let configuration: ImageConfiguration
        /// As the database keeps them.
        let labels: String

        init(_ image: NewImage) throws {
            self.image = image
            configuration = try ImageConfiguration(parsing: image.configuration)
            id = Digest.sha256(of: image.configuration)
            let count = configuration.rootFileSystem.diffIDs.count
            guard count == image.layers.count else {
                let reason = "it names \(count) layers, the image has \(image.layers.count)"
                throw ImageError.layersDoNotMatch(image: id, reason: reason)
            }
            labels = String(decoding: try StrictJSON.encode(configuration.config?.labels ?? [:]), as: UTF8.self)
        }

        /// Writes the row of the image, or of an index that shows itself as this image.
        func insertRow(id: Digest, at time: Int64, in db: Database) throws {
            try db.execute(
                sql: """
                    INSERT INTO images (id, created, labels, os, architecture, variant, stored)
                    VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING
                    """,
                arguments: [
                    id, configuration.created.flatMap { FileTime(rfc3339: $0)?.seconds }, labels, configuration.os,
                    configuration.architecture, configuration.variant, time,
                ]
            )
        }
    }

    static func insert(_ checked: CheckedImage, in db: Database) throws {
        let (image, id, configuration) = (checked.image, checked.id, checked.configuration)
        let now = currentTime()
        try checked.insertRow(id: id, at: now, in: db)
        if let manifest = image.manifest {
            try db.execute(
                sql: "UPDATE images SET manifest_digest = ?, manifest_media_type = ?, index_digest = ? WHERE id = ?",
                arguments: [manifest.digest, manifest.mediaType.rawValue, manifest.index, id]
            )
        }
        let insert = try db.cachedStatement(
            sql: "INSERT INTO image_layers VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET layer_id = excluded.layer_id"
        )
        for (position, layer) in image.layers.enumerated() {
            let known = try LayerTable.diffID(of: layer, in: db)
            let wanted = configuration.rootFileSystem.diffIDs[position]
            if let known, known != wanted {
                throw ImageError.layersDoNotMatch(
                    image: id,
                    reason: "layer \(position + 1) is \(known), it names \(wanted)"
                )
            }
            try insert.execute(arguments: [id, position, layer])
        }
        for name in image.names { try setName(name, to: id, at: now, in: db) }
        for digest in image.repositoryDigests { try addRepositoryDigest(digest, to: id, in: db) }
    }

    /// Lets a name lead to an image, whatever it led to before.
    static func setName(_ name: ImageReference, to id: Digest, at time: Int64, in db: Database) throws {
        guard name.digest == nil else {
            throw ImageError.cannotTag(name.familiar, reason: "refusing to create a tag with a digest reference")
        }
        try db.execute(
            sql: """
                INSERT INTO image_names VALUES (?, ?, ?)
                ON CONFLICT (name) DO UPDATE SET image_id = excluded.image_id, tagged = excluded.tagged
                """,
            arguments: [name.withDefaultTag.description, id, time]
        )
        try db.execute(sql: "UPDATE images SET last_tagged = ? WHERE id = ?", arguments: [time, id])
    }

    static func addRepositoryDigest(_ reference: ImageReference, to id: Digest, in db: Database) throws {
        guard let digest = reference.digest else { return }
        try db.execute(
            sql: """
                INSERT INTO image_digests VALUES (?, ?, ?)
                ON CONFLICT (repository, digest) DO UPDATE SET image_id = excluded.image_id
                """,
            arguments: [reference.repository, digest, id]
        )
    }

    // MARK: Names

    /// Gives an image one more name, taking it from the image that had it.
    ///
    /// - Throws: `ImageError.noSuchImage`, `.cannotTag`, `OCIError.invalidReference`.
    package func tag(_ source: String, as target: String) async throws {
        let reference = try ImageReference(parsing: target)
        let id = try await store.database.write { db in
            let id = try Self.resolve(source, in: db)
            try Self.setName(reference, to: id, at: currentTime(), in: db)
            return id
        }
        await tell(.tag, of: id.description, name: reference.withDefaultTag.familiar)
    }

    /// Remembers under which manifest digests a registry has an image, after a pull or a push.
    package func addRepositoryDigests(_ references: [ImageReference], to id: Digest) async throws {
        try await store.database.write { db in
            for reference in references { try Self.addRepositoryDigest(reference, to: id, in: db) }
        }
    }
}
