internal import GRDB
internal import LinuxSystem
package import OCI
package import SystemPackage
internal import Text

/// Something in the store that is not as it must be.
package enum StoreProblem: Hashable, Sendable, CustomStringConvertible {
    case database(String)
    /// What is recorded outside of the database is damaged, which does no harm as long as the database is sound.
    case records(String)
    /// The files of a layer are not those of its archive.
    case layerDamaged(layer: LayerID, expected: Digest, actual: Digest?, images: [String])
    case blobMissing(Digest)
    case blobSize(Digest, recorded: Int64, actual: Int64)
    case blobDamaged(Digest, actual: Digest)
    case snapshotMissing(layer: LayerID)
    /// A layer that is neither unpacked nor has a blob it could be unpacked from.
    case layerWithoutContent(layer: LayerID)
    case imageConfigurationMissing(image: String, names: [String])
    /// A file that nothing refers to, as a power cut may leave it.
    case orphan(FilePath)

    package var description: String {
        switch self {
        case .database(let reason): "database: \(reason)"
        case .records(let reason): "records of the database: \(reason)"
        case .layerDamaged(let layer, let expected, let actual, let images):
            "layer \(layer)\(images.isEmpty ? "" : " of \(images.joined(separator: ", "))"): its files are not those of "
                + "\(expected)" + (actual.map { ", but of \($0)" } ?? "")
        case .blobMissing(let digest): "blob \(digest): its file is missing"
        case .blobSize(let digest, let recorded, let actual):
            "blob \(digest): its file has \(actual) bytes instead of \(recorded)"
        case .blobDamaged(let digest, let actual): "blob \(digest): its file has the content of \(actual)"
        case .snapshotMissing(let layer): "layer \(layer): its files are missing"
        case .layerWithoutContent(let layer): "layer \(layer): it is not unpacked and has no blob"
        case .imageConfigurationMissing(let image, let names):
            "image \(image)\(names.isEmpty ? "" : " (\(names.joined(separator: ", ")))"): its configuration is missing"
        case .orphan(let path): "\(escapedForDisplay(path.bytes)): nothing refers to it"
        }
    }
}

/// What a check of the store looked at, and what it found.
package struct StoreCheck: Sendable {
    package var blobs = 0
    package var layers = 0
    package var images = 0
    package var problems: [StoreProblem] = []
}

extension Store {
    /// Compares the database with what is on disk.
    ///
    /// - Parameter full: also reads every blob and compares its content with its digest, and has SQLite check its file.
    /// - Returns: what was looked at, and every problem; none of them is mended.
    /// - Throws: an error if something cannot be read at all. What is damaged or missing is a problem that is returned.
    package func check(full: Bool = false) async throws -> StoreCheck {
        var result = try await onBlockingPool { try self.checkRows(integrity: full) }
        if full {
            let digests = try await database.read { db in
                try String.fetchAll(db, sql: "SELECT digest FROM blobs ORDER BY digest")
            }
            for text in digests {
                do {
                    try await blobs.verify(try Digest(parsing: text))
                } catch StorageError.blobDamaged(let digest, let actual, _) {
                    result.problems.append(.blobDamaged(digest, actual: actual))
                } catch StorageError.blobMissing {
                    // Removed by another process since, or reported by the first pass already.
                    continue
                }
            }
        }
        return result
    }

    /// Takes out of the store what a full check finds damaged or unreferenced, so that it is fetched or made again.
    ///
    /// - Returns: what was found, all of it before the repair, and what could not be had again, each as a sentence.
    package func repair() async throws -> (found: StoreCheck, losses: [String]) {
        let found = try await check(full: true)
        for problem in found.problems {
            switch problem {
            case .blobDamaged(let digest, _), .blobMissing(let digest), .blobSize(let digest, _, _):
                _ = try await blobs.removeIfDamaged(digest)
            case .snapshotMissing(let layer):
                try await database.write { db in
                    try db.execute(sql: "UPDATE layers SET unpacked = 0 WHERE id = ?", arguments: [layer])
                }
            case .records: try await onBlockingPool { try self.database.exclusively(self.database.recordEverything) }
            case .orphan, .database, .layerWithoutContent, .layerDamaged, .imageConfigurationMissing: continue
            }
        }
        return try await onBlockingPool {
            let losses = try self.database.write { db in try LostContent.remove(in: db) }
            try self.removeOrphans()
            return (found, losses)
        }
    }

    /// Takes the files of layers away that are not those of their archives: they are unpacked again, or what needs them is lost.
    /// - Returns: what could not be had again, each as a sentence.
    package func discardFiles(of layers: [LayerID]) async throws -> [String] {
        if layers.isEmpty { return [] }
        return try await onBlockingPool { [layout] in
            try whileDoing("setting aside damaged layers", in: layout.root) {
                try self.database.write { db in
                    for layer in layers {
                        try db.execute(sql: "UPDATE layers SET unpacked = 0 WHERE id = ?", arguments: [layer])
                        // A container that runs keeps the files that it has open.
                        if try HostFiles.status(of: layout.snapshot(layer)) != nil {
                            try Quarantine(layout: layout).take(layout.snapshot(layer))
                        }
                    }
                    return try LostContent.remove(in: db)
                }
            }
        }
    }

    /// The images that a layer is part of, by name where they have one.
    package func imageNames(with layer: LayerID) async throws -> [String] {
        try await database.read { db in
            try String.fetchAll(
                db,
                sql: """
                    SELECT COALESCE(name, image_layers.image_id) FROM image_layers
                    LEFT JOIN image_names ON image_names.image_id = image_layers.image_id WHERE layer_id = ? ORDER BY 1
                    """,
                arguments: [layer]
            )
        }
    }

    private func checkRows(integrity: Bool) throws -> StoreCheck {
        var result = StoreCheck()
        if integrity {
            result.problems += try database.integrityProblems().map(StoreProblem.database)
            switch try database.comparisonWithRecords() {
            case .agree, .behind: break
            case .damaged(let reason): result.problems.append(.records(reason))
            case .differ(let reason): result.problems.append(.database(reason))
            }
        }
        let (first, counts) = try database.read { db in
            (
                try problems(in: db),
                try Row.fetchOne(
                    db,
                    sql: """
                        SELECT (SELECT count(*) FROM blobs), (SELECT count(*) FROM layers), (SELECT count(*) FROM images)
                        """
                ).map { (($0[0] ?? 0) as Int, ($0[1] ?? 0) as Int, ($0[2] ?? 0) as Int) }
            )
        }
        (result.blobs, result.layers, result.images) = counts ?? (0, 0, 0)
        if !first.isEmpty {
            // Processes that are at work look inconsistent for a moment; with the write lock held nobody does.
            let second = try database.write { db in try problems(in: db) }
            result.problems += second.filter(Set(first).contains)
        }
        return result
    }

    private func problems(in db: Database) throws -> [StoreProblem] {
        var problems: [StoreProblem] = []
        let blobRows = try Row.fetchAll(db, sql: "SELECT digest, size FROM blobs ORDER BY digest")
        for row in blobRows {
            let text: String = row[0]
            let size: Int64 = row[1]
            guard let digest = try? Digest(parsing: text) else {
                problems.append(.database("blobs has a row for \"\(text)\", which is no digest"))
                continue
            }
            guard let status = try HostFiles.status(of: layout.blob(digest)) else {
                problems.append(.blobMissing(digest))
                continue
            }
            if status.size != size { problems.append(.blobSize(digest, recorded: size, actual: status.size)) }
        }
        for id in try LayerID.fetchAll(db, sql: "SELECT id FROM layers WHERE unpacked = 1 ORDER BY id")
        where try HostFiles.status(of: layout.snapshot(id)) == nil {
            problems.append(.snapshotMissing(layer: id))
        }
        let empty = """
            SELECT id FROM layers WHERE unpacked = 0 AND NOT EXISTS (SELECT 1 FROM layer_blobs WHERE layer_id = layers.id)
            ORDER BY id
            """
        problems += try LayerID.fetchAll(db, sql: empty).map { .layerWithoutContent(layer: $0) }
        let bare = "SELECT id FROM images WHERE NOT EXISTS (SELECT 1 FROM blobs WHERE digest = images.id) ORDER BY id"
        for image in try String.fetchAll(db, sql: bare) {
            let names = try String.fetchAll(
                db,
                sql: "SELECT name FROM image_names WHERE image_id = ? ORDER BY name",
                arguments: [image]
            )
            problems.append(.imageConfigurationMissing(image: image, names: names))
        }
        let orphans = try orphans(in: db)
        problems += orphans.all.map(StoreProblem.orphan)
        return problems
    }
}
