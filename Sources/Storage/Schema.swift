internal import GRDB

/// The tables of a store, as a list of named migrations that only ever grows.
///
/// Digests are text (`sha256:…`), points in time whole seconds since 1970 unless a column's name says otherwise, names and
/// paths that may be any bytes are blobs.
enum Schema {
    /// `PRAGMA user_version` of a store that has all migrations.
    static var currentVersion: Int { migrations.count }

    static func version(in db: Database) throws -> Int { try Int.fetchOne(db, sql: "PRAGMA user_version") ?? 0 }

    /// Applies what is missing, each migration in a transaction of its own.
    ///
    /// The caller holds the write lock.
    static func migrate(_ queue: DatabaseQueue) throws {
        var migrator = DatabaseMigrator()
        for (index, migration) in migrations.enumerated() {
            migrator.registerMigration(migration.name) { db in
                try db.execute(sql: migration.sql)
                if index + 1 == generationVersion { try identify(db) }
                // The triggers follow the tables, whatever columns they have now.
                if index + 1 == currentVersion { try RecordedTables.makeTriggers(in: db) }
                try db.execute(sql: "PRAGMA user_version = \(index + 1)")
            }
        }
        try migrator.migrate(queue)
    }

    private static func identify(_ db: Database) throws {
        try db.execute(
            sql: "INSERT INTO generation VALUES (1, ?, 1, ?, '')",
            arguments: [Generation.makeTag() + Generation.makeTag(), Generation.makeTag()]
        )
    }

    private static let migrations: [(name: String, sql: String)] = [
        ("blobs and layers", blobsAndLayers),
        ("images and containers", imagesAndContainers),
        ("build cache", buildCache),
        ("build history", buildHistory),
        ("downloads", downloads),
        ("images of several platforms", imageMembers),
        ("layers of remote caches", remoteLayers),
        ("forms of layers", layerForms),
        ("checked archives", checkedArchives),
        ("generations", generations),
    ]

    /// From this version on the database counts its commits.
    static let generationVersion = (migrations.firstIndex { $0.name == "generations" } ?? 0) + 1

    // MARK: Content

    private static let blobsAndLayers = """
        -- A blob whose row is here is in blobs/<algorithm>/<hex>, complete, verified and durable.
        CREATE TABLE blobs (
            digest TEXT PRIMARY KEY NOT NULL,
            size INTEGER NOT NULL,
            created INTEGER NOT NULL,
            last_used INTEGER NOT NULL
        ) WITHOUT ROWID;

        -- Rows were deleted, files are still to be: the second half of a two-phase removal. kind is blob or layer.
        CREATE TABLE tombstones (
            kind TEXT NOT NULL,
            name TEXT NOT NULL,
            PRIMARY KEY (kind, name)
        ) WITHOUT ROWID;

        -- Repositories (docker.io/library/python) known to hold a blob: mounted from there rather than uploaded.
        CREATE TABLE blob_sources (
            digest TEXT NOT NULL,
            repository TEXT NOT NULL,
            PRIMARY KEY (digest, repository)
        ) WITHOUT ROWID;

        -- One layer of file trees. unpacked: snapshots/<id>/ is there, complete and durable; it appears only inside the
        -- transaction that sets the flag. Ids are never used twice.
        CREATE TABLE layers (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            diff_id TEXT,
            unpacked INTEGER NOT NULL DEFAULT 0,
            -- bytes of the files, and how many there are; NULL while unknown
            size INTEGER,
            entries INTEGER,
            -- bytes of the uncompressed archive; NULL while unknown
            archive_size INTEGER,
            created INTEGER NOT NULL,
            last_used INTEGER NOT NULL,
            usage_count INTEGER NOT NULL DEFAULT 0
        );
        CREATE INDEX layers_diff_id ON layers(diff_id);

        -- The blobs a layer can be read from, fetched or not: as pulled, or as compressed once for a push. position 0 is preferred.
        CREATE TABLE layer_blobs (
            layer_id INTEGER NOT NULL REFERENCES layers(id) ON DELETE CASCADE,
            digest TEXT NOT NULL,
            media_type TEXT NOT NULL,
            size INTEGER NOT NULL,
            position INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (layer_id, digest)
        ) WITHOUT ROWID;
        CREATE INDEX layer_blobs_digest ON layer_blobs(digest);

        -- Digests of files of build contexts, valid as long as the other columns match.
        CREATE TABLE file_digests (
            device INTEGER NOT NULL,
            inode INTEGER NOT NULL,
            size INTEGER NOT NULL,
            mtime_ns INTEGER NOT NULL,
            ctime_ns INTEGER NOT NULL,
            digest BLOB NOT NULL,
            PRIMARY KEY (device, inode)
        ) WITHOUT ROWID;
        """

    private static let layerForms = """
        -- JSON object of what the layer's descriptor says besides; NULL for nothing.
        ALTER TABLE layer_blobs ADD COLUMN annotations TEXT;
        -- What it was compressed with here; NULL for a blob that came as it is.
        ALTER TABLE layer_blobs ADD COLUMN recipe TEXT;

        -- Layers that were made of others on their way out, and how: with other times, or in a form that adds to the archive.
        CREATE TABLE derived_layers (
            layer_id INTEGER NOT NULL REFERENCES layers(id) ON DELETE CASCADE,
            recipe TEXT NOT NULL,
            derived_id INTEGER NOT NULL REFERENCES layers(id) ON DELETE CASCADE,
            PRIMARY KEY (layer_id, recipe)
        ) WITHOUT ROWID;
        CREATE INDEX derived_layers_derived ON derived_layers(derived_id);
        """

    private static let checkedArchives = """
        -- Whether the blob is known to hold the layer: made here, read here, or unpacked. Of others an image or a cache says so.
        -- What older versions recorded is believed as it was then.
        ALTER TABLE layer_blobs ADD COLUMN checked INTEGER NOT NULL DEFAULT 1;
        """

    private static let generations = """
        -- Which store this is, how many commits it had, and words that say which the last two were: compared with the records
        -- outside of the database, they tell whether it is whole.
        CREATE TABLE generation (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            store TEXT NOT NULL,
            number INTEGER NOT NULL,
            tag TEXT NOT NULL,
            previous TEXT NOT NULL
        );

        -- What the transaction that runs has changed of recorded tables; empty outside of transactions.
        CREATE TABLE changes (
            id INTEGER PRIMARY KEY,
            line TEXT NOT NULL
        );
        """

    // MARK: Images

    private static let imagesAndContainers = """
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

        -- configuration and state are JSON documents of the code that runs containers.
        CREATE TABLE containers (
            id TEXT PRIMARY KEY NOT NULL,
            name TEXT NOT NULL UNIQUE,
            -- may be gone: a stopped container keeps its layers when its image is removed by force
            image_id TEXT,
            image_name TEXT NOT NULL,
            created INTEGER NOT NULL,
            running INTEGER NOT NULL DEFAULT 0,
            configuration TEXT NOT NULL,
            state TEXT NOT NULL
        );
        CREATE INDEX images_manifest ON images(manifest_digest);
        CREATE INDEX images_index ON images(index_digest);
        CREATE INDEX containers_image ON containers(image_id);

        CREATE TABLE container_layers (
            container_id TEXT NOT NULL REFERENCES containers(id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            layer_id INTEGER NOT NULL REFERENCES layers(id),
            PRIMARY KEY (container_id, position)
        ) WITHOUT ROWID;
        CREATE INDEX container_layers_layer ON container_layers(layer_id);
        """

    // MARK: Builds

    private static let buildCache = """
        -- The result of one vertex. slot is the stable identity of the Dockerfile step it came from, for explain; outputs,
        -- origin and reason are the engine's own documents: what the vertex gave, where it is from, why it ran.
        CREATE TABLE cache_records (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            canonical_key TEXT NOT NULL UNIQUE,
            slot TEXT,
            name TEXT NOT NULL DEFAULT '',
            origin TEXT,
            reason TEXT,
            outputs BLOB NOT NULL,
            created INTEGER NOT NULL,
            last_used INTEGER NOT NULL,
            usage_count INTEGER NOT NULL DEFAULT 0
        );
        CREATE INDEX cache_records_slot ON cache_records(slot, last_used);

        -- Every key under which a record is found: its definition key, its content keys.
        CREATE TABLE cache_keys (
            key TEXT PRIMARY KEY NOT NULL,
            record_id INTEGER NOT NULL REFERENCES cache_records(id) ON DELETE CASCADE
        ) WITHOUT ROWID;
        CREATE INDEX cache_keys_record ON cache_keys(record_id);

        -- The layers that a record's outputs are made of; they live as long as the record.
        CREATE TABLE cache_layers (
            record_id INTEGER NOT NULL REFERENCES cache_records(id) ON DELETE CASCADE,
            output INTEGER NOT NULL,
            position INTEGER NOT NULL,
            layer_id INTEGER NOT NULL REFERENCES layers(id),
            PRIMARY KEY (record_id, output, position)
        ) WITHOUT ROWID;
        CREATE INDEX cache_layers_layer ON cache_layers(layer_id);

        -- Blobs that a record's outputs need besides its layers.
        CREATE TABLE cache_blobs (
            record_id INTEGER NOT NULL REFERENCES cache_records(id) ON DELETE CASCADE,
            digest TEXT NOT NULL,
            PRIMARY KEY (record_id, digest)
        ) WITHOUT ROWID;
        CREATE INDEX cache_blobs_digest ON cache_blobs(digest);

        -- What the record's key was made of, part by part, so that explain can say what differs.
        CREATE TABLE cache_components (
            record_id INTEGER NOT NULL REFERENCES cache_records(id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            name TEXT NOT NULL,
            value BLOB NOT NULL,
            PRIMARY KEY (record_id, position)
        ) WITHOUT ROWID;

        -- The files behind a content key, packed by the engine; kept by the content's digest, so equal content is kept once.
        CREATE TABLE content_entries (
            digest TEXT PRIMARY KEY NOT NULL,
            entries BLOB NOT NULL
        ) WITHOUT ROWID;
        CREATE TABLE cache_contents (
            record_id INTEGER NOT NULL REFERENCES cache_records(id) ON DELETE CASCADE,
            input INTEGER NOT NULL,
            digest TEXT NOT NULL,
            PRIMARY KEY (record_id, input)
        ) WITHOUT ROWID;
        CREATE INDEX cache_contents_digest ON cache_contents(digest);
        """

    private static let buildHistory = """
        -- Finished and failed builds; record is a JSON document of the engine: steps, timings, reasons of cache misses.
        CREATE TABLE build_history (
            id TEXT PRIMARY KEY NOT NULL,
            started_ns INTEGER NOT NULL,
            completed_ns INTEGER,
            -- running, completed, failed, canceled
            status TEXT NOT NULL,
            -- identity of what was built (context and Dockerfile), so that explain compares like with like
            subject TEXT NOT NULL,
            name TEXT NOT NULL,
            image_id TEXT,
            record BLOB NOT NULL
        );
        CREATE INDEX build_history_started ON build_history(started_ns);
        CREATE INDEX build_history_subject ON build_history(subject, started_ns);
        """

    private static let downloads = """
        -- What a web server gave for a request, to ask it whether that is still right. request is a digest of the address and of
        -- what else decides the answer; the content is a blob, which may be gone.
        CREATE TABLE downloads (
            request TEXT PRIMARY KEY NOT NULL,
            digest TEXT NOT NULL,
            size INTEGER NOT NULL,
            etag TEXT,
            last_modified TEXT,
            -- the file name that the server gave
            name BLOB,
            checked INTEGER NOT NULL
        ) WITHOUT ROWID;
        """

    private static let remoteLayers = """
        -- Layers of which only a remote cache says that their blob is theirs: nobody but the records of that cache may use them until
        -- they are unpacked, and where the blob is not here only a build that names the cache can have it.
        CREATE TABLE remote_layers (
            layer_id INTEGER PRIMARY KEY NOT NULL REFERENCES layers(id) ON DELETE CASCADE,
            source TEXT NOT NULL
        );
        """

    // MARK: Images of several platforms

    private static let imageMembers = """
        -- An image of several platforms is a row of images whose id is the digest of an index's bytes, a blob too; its other columns
        -- are those of the member that is taken where nobody asks for a platform. These are its members.
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
}
