internal import GRDB
internal import OCI
internal import Snapshots
internal import Storage
internal import Text

extension ImageStore {
    /// The images that a filter lets through, newest first as docker lists them.
    ///
    /// With a `reference` filter only the names that match are shown.
    /// - Throws: `ImageError.noSuchImage` for a `before` or `since` image that is not here.
    package func list(_ filter: ImageFilter = ImageFilter()) async throws -> [ImageSummary] {
        let patterns = try filter.references.map { text throws(ImageError) in try ImageFilter.pattern(text) }
        return try await store.database.read { [users] db in
            var before = filter.until
            for name in filter.before {
                let created = try Self.created(of: name, in: db)
                before = min(before ?? created, created)
            }
            var since: Int64?
            for name in filter.since { since = max(since ?? .min, try Self.created(of: name, in: db)) }
            return try Self.summaries(in: db, users: try users(db)).compactMap { image in
                if let before, image.created.map({ $0 >= before }) ?? true { return nil }
                if let since, image.created.map({ $0 <= since }) ?? true { return nil }
                guard filter.labels.allSatisfy({ $0.matches(image.labels) }),
                    !filter.excludedLabels.contains(where: { $0.matches(image.labels) })
                else { return nil }
                if let dangling = filter.dangling, image.isDangling != dangling { return nil }
                return patterns.isEmpty
                    ? image : image.keepingNames { name in patterns.contains { $0.matches(Array(name.utf8)) } }
            }
        }
    }

    private static func created(of name: String, in db: Database) throws -> Int64 {
        let sql = "SELECT COALESCE(created, 0) FROM images WHERE id = ?"
        return try Int64.fetchOne(db, sql: sql, arguments: [try resolve(name, in: db)]) ?? 0
    }

    /// All images, read with a handful of queries however many there are.
    static func summaries(in db: Database, users: [ImageUser]) throws -> [ImageSummary] {
        let names = try references("SELECT image_id AS image, name FROM image_names ORDER BY name", in: db)
        let digests = try references(
            """
            SELECT image_id AS image, repository || '@' || digest AS name FROM image_digests ORDER BY repository, digest
            """,
            in: db
        )
        let sizes = try sizes(in: db)
        let containers = try containerCounts(users, in: db)
        // Docker sorts by the time of creation alone; what was stored or tagged last comes first among equals.
        let imageSQL = """
            SELECT \(ImageTable.Image.columns) FROM images WHERE id NOT IN (\(hiddenMembers))
            ORDER BY COALESCE(created, 0) DESC, COALESCE(last_tagged, stored) DESC, id
            """
        let platforms = try memberPlatforms(in: db)
        return try ImageTable.Image.fetchAll(db, sql: imageSQL).compactMap { image in
            guard let id = try? Digest(parsing: image.id) else { return nil }
            return ImageSummary(
                id: id,
                names: names[image.id] ?? [],
                repositoryDigests: digests[image.id] ?? [],
                created: image.created,
                stored: image.stored,
                size: sizes[image.id]?.all ?? 0,
                sharedSize: sizes[image.id]?.shared ?? 0,
                containers: containers[image.id] ?? 0,
                labels: try labels(image.labels),
                platform: image.platform,
                platforms: platforms[image.id] ?? [image.platform]
            )
        }
    }

    /// The names of all images, by id.
    private static func references(_ sql: String, in db: Database) throws -> [String: [ImageReference]] {
        try ImageTable.Name.fetchAll(db, sql: sql).reduce(into: [:]) { references, row in
            references[row.image, default: []].append(try ImageReference(parsing: row.name))
        }
    }

    private static func labels(_ text: String) throws -> [String: String] {
        if text == "{}" { return [:] }
        return try StrictJSON.decode([String: String].self, from: Array(text.utf8), kind: "labels", fields: .map)
    }

    /// A layer of an image, or of a member of it.
    private struct Part: Decodable, FetchableRecord {
        let image: String
        let layer: LayerID
        /// Whether other images have it, too.
        let isShared: Bool
    }

    /// The bytes of each image that is listed, and of those the bytes that others have too.
    private static func sizes(in db: Database) throws -> [String: (all: Int64, shared: Int64)] {
        let sql = """
            WITH parts AS (
                    SELECT image_id, layer_id FROM image_layers WHERE image_id NOT IN (\(hiddenMembers))
                    UNION SELECT index_id, layer_id FROM image_members JOIN image_layers USING (image_id)
                ),
                used AS (SELECT layer_id, count(*) AS images FROM parts GROUP BY layer_id)
            SELECT image_id AS image, layer_id AS layer, images > 1 AS isShared FROM parts JOIN used USING (layer_id)
            """
        let parts = try Part.fetchAll(db, sql: sql)
        let bytes = try LayerTable.sizes(of: Set(parts.map(\.layer)), in: db)
        return parts.reduce(into: [:]) { sizes, part in
            let size = bytes[part.layer] ?? 0
            sizes[part.image, default: (0, 0)].all += size
            if part.isShared { sizes[part.image, default: (0, 0)].shared += size }
        }
    }

    /// How many containers were made of each image, or of a member of it.
    private static func containerCounts(_ users: [ImageUser], in db: Database) throws -> [String: Int] {
        if users.isEmpty { return [:] }
        var owners: [Digest: Set<Digest>] = [:]
        for member in try ImageTable.Member.fetchAll(
            db,
            sql: "SELECT \(ImageTable.Member.columns) FROM image_members"
        ) {
            owners[member.image, default: []].insert(member.index)
        }
        return users.compactMap(\.image).reduce(into: [:]) { counts, image in
            for id in (owners[image] ?? []).union([image]) { counts[id.description, default: 0] += 1 }
        }
    }

    /// SQL for the ids of images that are there only as members of an image of several platforms.
    private static let hiddenMembers = """
        SELECT image_id FROM image_members
        WHERE image_id NOT IN (SELECT image_id FROM image_names) AND image_id NOT IN (SELECT image_id FROM image_digests)
        """

    private struct MemberPlatform: Decodable, FetchableRecord {
        let index: String
        let os: String
        let architecture: String
        let variant: String?
    }

    private static func memberPlatforms(in db: Database) throws -> [String: [Platform]] {
        let sql = """
            SELECT index_id AS "index", os, architecture, variant FROM image_members JOIN images ON images.id = image_id
            ORDER BY index_id, position
            """
        return try MemberPlatform.fetchAll(db, sql: sql).reduce(into: [:]) { platforms, row in
            let platform = Platform(os: row.os, architecture: row.architecture, variant: row.variant)
            platforms[row.index, default: []].append(platform)
        }
    }
}

extension ImageSummary {
    /// The image with only those names that match in one of their spellings; nil if none does.
    fileprivate func keepingNames(_ matches: (String) -> Bool) -> ImageSummary? {
        func isMatch(_ name: ImageReference) -> Bool {
            [name.familiar, name.familiarRepository, name.description, name.repository].contains(where: matches)
        }
        let names = names.filter(isMatch)
        let digests = repositoryDigests.filter(isMatch)
        if names.isEmpty && digests.isEmpty { return nil }
        return ImageSummary(
            id: id,
            names: names,
            repositoryDigests: digests,
            created: created,
            stored: stored,
            size: size,
            sharedSize: sharedSize,
            containers: containers,
            labels: labels,
            platform: platform,
            platforms: platforms
        )
    }
}
