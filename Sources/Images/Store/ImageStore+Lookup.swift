internal import GRDB
package import OCI
internal import Snapshots
internal import Storage

extension ImageStore {
    /// Finds an image by what a user types: a name with or without a tag, a name by digest, an id, or the beginning of one.
    ///
    /// - Parameters:
    ///   - name: as typed.
    ///   - platform: which of an image of several platforms (nil takes this machine's, else the first); a single image for another
    ///     platform is refused.
    /// - Returns: the image, by its own id; the index that it is part of stands in its record.
    /// - Throws: `ImageError.noSuchImage`, `.ambiguousPrefix`, `.otherPlatform`, `.noSuchPlatform`, `OCIError.invalidReference`.
    package func image(_ name: String, platform: Platform? = nil) async throws -> ImageRecord {
        let row = try await store.database.read { db in
            try Self.row(of: try Self.resolve(name, in: db), in: db)
        }
        return try await record(row, platform, as: name)
    }

    /// The image of an id; of an image of several platforms this machine's, else the first.
    ///
    /// Nil if it is not here.
    package func image(id: Digest) async throws -> ImageRecord? {
        let row = try await store.database.read { db in try Self.rowIfPresent(of: id, in: db) }
        guard let row else { return nil }
        return try await record(row, nil, as: id.description)
    }

    /// The id that a reference leads to, by its digest if it has one, else by its tag; nil if nothing has that name.
    package func id(of reference: ImageReference) async throws -> Digest? {
        try await store.database.read { db in try Self.id(of: reference, in: db) }
    }

    /// All names with a tag in a repository (`docker.io/library/python`), sorted.
    package func names(inRepository repository: String) async throws -> [ImageReference] {
        try await store.database.read { db in
            // `;` is the character after `:`.
            try String.fetchAll(
                db,
                sql: "SELECT name FROM image_names WHERE name > ? AND name < ? ORDER BY name",
                arguments: ["\(repository):", "\(repository);"]
            ).map { try ImageReference(parsing: $0) }
        }
    }

    // MARK: Resolution

    static func resolve(_ name: String, in db: Database) throws -> Digest {
        let hex = name.hasPrefix("sha256:") ? String(name.dropFirst(7)) : name
        if hex.utf8.count == 64, let id = try? Digest(parsing: "sha256:\(hex)") {
            if try Self.exists(id, in: db) { return id }
            throw ImageError.noSuchImage(name)
        }
        // `sha256:1234` has the form of a name, too.
        let reference: ImageReference
        do throws(OCIError) {
            reference = try ImageReference(parsing: name)
        } catch {
            if let id = try idByPrefix(hex, in: db) { return id }
            throw error
        }
        if let id = try id(of: reference, in: db) { return id }
        if let id = try idByPrefix(hex, in: db) { return id }
        throw ImageError.noSuchImage(hex == name ? reference.withDefaultTag.familiar : name)
    }

    static func id(of reference: ImageReference, in db: Database) throws -> Digest? {
        if let digest = reference.digest {
            let statement = try db.cachedStatement(
                sql: "SELECT image_id FROM image_digests WHERE repository = ? AND digest = ?"
            )
            return try Digest.fetchOne(statement, arguments: [reference.repository, digest])
        }
        let statement = try db.cachedStatement(sql: "SELECT image_id FROM image_names WHERE name = ?")
        return try Digest.fetchOne(statement, arguments: [reference.withDefaultTag.description])
    }

    private static func exists(_ id: Digest, in db: Database) throws -> Bool {
        try Bool.fetchOne(db, sql: "SELECT EXISTS (SELECT 1 FROM images WHERE id = ?)", arguments: [id]) ?? false
    }

    private static func idByPrefix(_ prefix: String, in db: Database) throws -> Digest? {
        let isHex = prefix.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
        guard isHex, !prefix.isEmpty else { return nil }
        let matches = try Digest.fetchAll(
            db,
            sql: "SELECT id FROM images WHERE id >= ? AND id < ? ORDER BY id LIMIT 4",
            arguments: ["sha256:\(prefix)", "sha256:\(prefix)g"]
        )
        if matches.count > 1 { throw ImageError.ambiguousPrefix(prefix, matches: matches) }
        return matches.first
    }

    // MARK: Records

    struct RecordRow: Sendable {
        var id: Digest
        var created: Int64?
        var stored: Int64
        var lastTagged: Int64?
        var manifest: ManifestOrigin?
        var names: [ImageReference]
        var digests: [ImageReference]
        var layers: [LayerID]
        var size: Int64
        /// Of an image of several platforms.
        var members: [ImageTable.Member]
    }

    static func row(of id: Digest, in db: Database) throws -> RecordRow {
        guard let row = try rowIfPresent(of: id, in: db) else { throw ImageError.noSuchImage(id.description) }
        return row
    }

    static func rowIfPresent(of id: Digest, in db: Database) throws -> RecordRow? {
        let statement = try db.cachedStatement(sql: "SELECT \(ImageTable.Image.columns) FROM images WHERE id = ?")
        guard let image = try ImageTable.Image.fetchOne(statement, arguments: [id]) else { return nil }
        let layers = try ImageTable.layers(of: id, in: db)
        let sizes = try LayerTable.sizes(of: Set(layers), in: db)
        return RecordRow(
            id: id,
            created: image.created,
            stored: image.stored,
            lastTagged: image.lastTagged,
            manifest: image.manifest,
            names: try names(of: id, in: db),
            digests: try repositoryDigests(of: id, in: db),
            layers: layers,
            size: layers.reduce(0) { $0 + (sizes[$1] ?? 0) },
            members: try memberRows(of: id, in: db)
        )
    }

    static func names(of id: Digest, in db: Database) throws -> [ImageReference] {
        let sql = "SELECT name FROM image_names WHERE image_id = ? ORDER BY name"
        return try String.fetchAll(db, sql: sql, arguments: [id]).map { try ImageReference(parsing: $0) }
    }

    static func repositoryDigests(of id: Digest, in db: Database) throws -> [ImageReference] {
        let sql = "SELECT repository || '@' || digest FROM image_digests WHERE image_id = ? ORDER BY repository, digest"
        return try String.fetchAll(db, sql: sql, arguments: [id]).map { try ImageReference(parsing: $0) }
    }

    /// The image of a row, or the one for a platform of several.
    private func record(_ row: RecordRow, _ platform: Platform?, as name: String) async throws -> ImageRecord {
        guard let index = try await index(row.id, row.members) else {
            let record = try await record(row, as: row, index: nil)
            if let platform, !platform.accepts(record.configuration.platform) {
                throw ImageError.otherPlatform(name, found: record.configuration.platform, wanted: platform)
            }
            return record
        }
        guard let member = platform.map({ index.member(for: $0) }) ?? index.usual else {
            let available = index.members.map(\.platform)
            throw ImageError.noSuchPlatform(name, available: available, wanted: platform ?? .current)
        }
        let image = try await store.database.read { db in try Self.row(of: member.image, in: db) }
        return try await record(image, as: row, index: index)
    }

    /// Completes a row from its configuration; the names are those of `named`, which is the index where there is one.
    private func record(_ row: RecordRow, as named: RecordRow, index: ImageIndex?) async throws -> ImageRecord {
        let bytes = try await store.blobs.read(row.id, limit: StrictJSON.maximumSize)
        return ImageRecord(
            id: row.id,
            configuration: try ImageConfiguration(parsing: bytes),
            layers: row.layers,
            names: named.names,
            repositoryDigests: named.digests,
            created: row.created,
            stored: named.stored,
            lastTagged: named.lastTagged,
            size: row.size,
            manifest: row.manifest,
            index: index
        )
    }
}
