package import GRDB
internal import OCI
internal import Snapshots
package import Storage

/// Images, their names, layers and members.
package enum ImageTable: TableOwner {
    package static let migrations = [
        Migration("images and containers", sql: images),
        Migration("images of several platforms", sql: members),
        Migration("attestations of images", sql: attestations),
    ]

    private static let images = """
        -- id is the digest of the configuration's bytes, which are a blob.
        CREATE TABLE images (
            id TEXT PRIMARY KEY NOT NULL,
            -- of the manifest as pulled or pushed, a blob too
            manifest_digest TEXT,
            manifest_media_type TEXT,
            -- the index the manifest was found in
            index_digest TEXT,
            -- from the configuration; NULL where it says nothing
            created INTEGER,
            -- JSON object of the configuration's labels
            labels TEXT NOT NULL DEFAULT '{}',
            os TEXT NOT NULL,
            architecture TEXT NOT NULL,
            variant TEXT,
            -- when it came into this store, and when it last got a name
            stored INTEGER NOT NULL,
            last_tagged INTEGER
        );
        CREATE INDEX images_manifest ON images(manifest_digest);
        CREATE INDEX images_index ON images(index_digest);

        -- Full names with tag: docker.io/library/python:3-alpine.
        CREATE TABLE image_names (
            name TEXT PRIMARY KEY NOT NULL,
            image_id TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
            tagged INTEGER NOT NULL
        ) WITHOUT ROWID;
        CREATE INDEX image_names_image ON image_names(image_id);

        -- Full names by digest: docker.io/library/python@sha256:….
        CREATE TABLE image_digests (
            repository TEXT NOT NULL,
            digest TEXT NOT NULL,
            image_id TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
            PRIMARY KEY (repository, digest)
        ) WITHOUT ROWID;
        CREATE INDEX image_digests_image ON image_digests(image_id);

        CREATE TABLE image_layers (
            image_id TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            layer_id INTEGER NOT NULL REFERENCES layers(id),
            PRIMARY KEY (image_id, position)
        ) WITHOUT ROWID;
        CREATE INDEX image_layers_layer ON image_layers(layer_id);
        """

    private static let members = """
        -- An image of several platforms is a row of images whose id is the digest of an index's bytes, a blob too; its other columns
        -- are those of the member taken by default, without a platform. These are its members.
        CREATE TABLE image_members (
            index_id TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            image_id TEXT NOT NULL REFERENCES images(id),
            -- what the index says of the member; its manifest is a blob
            manifest_digest TEXT NOT NULL,
            PRIMARY KEY (index_id, position)
        ) WITHOUT ROWID;
        CREATE INDEX image_members_image ON image_members(image_id);
        CREATE INDEX image_members_manifest ON image_members(manifest_digest);
        """

    private static let attestations = """
        -- The documents and statements about the images of an index: blobs that live as long as the index does.
        CREATE TABLE image_attestations (
            index_id TEXT NOT NULL REFERENCES images(id) ON DELETE CASCADE,
            blob_digest TEXT NOT NULL,
            PRIMARY KEY (index_id, blob_digest)
        ) WITHOUT ROWID;
        CREATE INDEX image_attestations_blob ON image_attestations(blob_digest);
        """

    package static let recordedTables = [
        "images", "image_names", "image_digests", "image_layers", "image_members", "image_attestations",
    ]
    .map { RecordedTable($0) }
    package static let countedTables = ["images"]
    package static let heldLayers = [ContentReference("image_layers", "layer_id")]
    package static let heldBlobs = [
        ContentReference("images", "id"), ContentReference("images", "manifest_digest"),
        ContentReference("images", "index_digest"), ContentReference("image_members", "manifest_digest"),
        ContentReference("image_attestations", "blob_digest"),
    ]

    package static func names(ofUsersOf layer: LayerID, in db: Database) throws -> [String] {
        try String.fetchAll(
            db,
            sql: """
                SELECT COALESCE(name, image_layers.image_id) FROM image_layers
                LEFT JOIN image_names ON image_names.image_id = image_layers.image_id WHERE layer_id = ? ORDER BY 1
                """,
            arguments: [layer]
        )
    }

    // MARK: Rows

    /// A row of `images`; its digests are as they stand there, which may be none.
    struct Image: Decodable, FetchableRecord {
        static let columns = """
            id, manifest_digest AS manifestDigest, manifest_media_type AS manifestMediaType, index_digest AS indexDigest,
            created, labels, os, architecture, variant, stored, last_tagged AS lastTagged
            """

        let id: String
        let manifestDigest: String?
        let manifestMediaType: String?
        let indexDigest: String?
        let created: Int64?
        /// A JSON object.
        let labels: String
        let os: String
        let architecture: String
        let variant: String?
        let stored: Int64
        let lastTagged: Int64?

        var platform: Platform { Platform(os: os, architecture: architecture, variant: variant) }
        var manifest: ManifestOrigin? {
            guard let digest = manifestDigest.flatMap({ try? Digest(parsing: $0) }), let manifestMediaType else {
                return nil
            }
            return ManifestOrigin(
                digest: digest,
                mediaType: MediaType(rawValue: manifestMediaType),
                index: indexDigest.flatMap { try? Digest(parsing: $0) }
            )
        }
    }

    /// A name of an image, with a tag or by digest.
    struct Name: Decodable, FetchableRecord {
        let image: String
        let name: String
    }

    /// A row of `image_members`.
    struct Member: Decodable, FetchableRecord {
        static let columns = "index_id AS \"index\", image_id AS image, manifest_digest AS manifest"

        let index: Digest
        let image: Digest
        let manifest: Digest
    }

    /// The layers of an image, the lowest first.
    static func layers(of image: Digest, in db: Database) throws -> [LayerID] {
        let statement = try db.cachedStatement(
            sql: "SELECT layer_id FROM image_layers WHERE image_id = ? ORDER BY position"
        )
        return try LayerID.fetchAll(statement, arguments: [image])
    }

    // MARK: Problems

    package static func problems(in db: Database, _ layout: StoreLayout) throws -> [StoreProblem] {
        try withoutConfiguration(in: db).map { .imageConfigurationMissing(image: $0, names: try names(of: $0, in: db)) }
    }

    /// The images whose configuration, or index, is not here, by id.
    private static func withoutConfiguration(in db: Database) throws -> [String] {
        try String.fetchAll(db, sql: "SELECT id FROM images ORDER BY id").filter { id in
            guard let digest = try? Digest(parsing: id) else { return true }
            return try !BlobTable.contains(digest, in: db)
        }
    }

    private static func names(of image: String, in db: Database) throws -> [String] {
        try String.fetchAll(
            db,
            sql: "SELECT name FROM image_names WHERE image_id = ? ORDER BY name",
            arguments: [image]
        )
    }

    /// Takes images whose configuration or layers are lost out of the database.
    package static func removeLost(_ lost: LostContent, in db: Database) throws -> [String] {
        try forgetMissingManifests(in: db)
        var gone = Set(try withoutConfiguration(in: db))
        let sql = "SELECT image_id FROM image_layers WHERE layer_id IN (SELECT value FROM json_each(?))"
        gone.formUnion(try String.fetchSet(db, sql: sql, arguments: [LayerID.json(lost.layers)]))
        // An image of several platforms goes with any of its images, and before them.
        let indexes = try Member.fetchAll(db, sql: "SELECT \(Member.columns) FROM image_members").filter { member in
            try gone.contains(member.index.description) || gone.contains(member.image.description)
                || !BlobTable.contains(member.manifest, in: db)
        }.map(\.index.description)
        let inOrder = Set(indexes).sorted() + gone.subtracting(indexes).sorted()
        return try inOrder.map { try removeLost($0, in: db) }
    }

    /// A manifest that is lost is made again.
    private static func forgetMissingManifests(in db: Database) throws {
        let sql = "SELECT DISTINCT manifest_digest FROM images WHERE manifest_digest IS NOT NULL"
        for manifest in try Digest.fetchAll(db, sql: sql) where try !BlobTable.contains(manifest, in: db) {
            try db.execute(
                sql: """
                    UPDATE images SET manifest_digest = NULL, manifest_media_type = NULL, index_digest = NULL
                    WHERE manifest_digest = ?
                    """,
                arguments: [manifest]
            )
        }
    }

    private static func removeLost(_ id: String, in db: Database) throws -> String {
        let names = try names(of: id, in: db)
        try db.execute(sql: "DELETE FROM images WHERE id = ?", arguments: [id])
        let named = names.isEmpty ? "" : " (\(names.joined(separator: ", ")))"
        return "image \(id)\(named): its content is lost; pull or build it again"
    }
}
