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
    /// The files of a layer are not those of its archive, if one was ever made, or of which the sums are known; some of them by name.
    case layerDamaged(layer: LayerID, expected: Digest?, actual: Digest?, files: [[UInt8]], images: [String])
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
        case .layerDamaged(let layer, let expected, let actual, let files, let images):
            "layer \(layer)\(images.isEmpty ? "" : " of \(images.joined(separator: ", "))"): its files are not "
                + (expected.map { "those of \($0)" } ?? "what they were when it was made")
                + (expected == nil ? "" : actual.map { ", but of \($0)" } ?? "") + Self.list(files)
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

    private static func list(_ files: [[UInt8]]) -> String {
        if files.isEmpty { return "" }
        let shown = files.prefix(3).map { escapedForDisplay("/" + $0) }.joined(separator: ", ")
        return " (\(shown)\(files.count > 3 ? " and \(files.count - 3) more" : ""))"
    }
}

/// What a check of the store looked at, and what it found.
package struct StoreCheck: Sendable {
    /// How many rows the tables have that people count.
    package var counts: [String: Int] = [:]
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
                try await database.write { [tables = database.tables] db in try tables.forgetFiles(of: layer, in: db) }
            case .records:
                try await onBlockingPool {
                    try self.database.settle()
                    try self.database.exclusively(self.database.recordEverything)
                }
            case .orphan, .database, .layerWithoutContent, .layerDamaged, .imageConfigurationMissing: continue
            }
        }
        return try await onBlockingPool {
            let losses = try self.database.write { db in try self.database.tables.removeLost(in: db) }
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
                        try self.database.tables.forgetFiles(of: layer, in: db)
                        // A container that runs keeps the files that it has open.
                        if try HostFiles.status(of: layout.snapshot(layer)) != nil {
                            try Quarantine(layout: layout).take(layout.snapshot(layer))
                        }
                    }
                    return try self.database.tables.removeLost(in: db)
                }
            }
        }
    }

    /// The images that a layer is part of, by name where they have one.
    package func imageNames(with layer: LayerID) async throws -> [String] {
        try await onBlockingPool { try self.imageNamesBlocking(with: layer) }
    }

    /// The images that a layer is part of, by name where they have one.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func imageNamesBlocking(with layer: LayerID) throws -> [String] {
        try database.read { [tables = database.tables] db in try tables.names(ofUsersOf: layer, in: db) }
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
                try database.tables.counts(in: db)
            )
        }
        result.counts = counts
        if !first.isEmpty {
            // Processes that are at work look inconsistent for a moment; with the write lock held nobody does.
            let second = try database.write { db in try problems(in: db) }
            result.problems += second.filter(Set(first).contains)
        }
        return result
    }

    private func problems(in db: Database) throws -> [StoreProblem] {
        let problems = try database.tables.problems(in: db, layout)
        let orphans = try orphans(in: db)
        return problems + orphans.all.map(StoreProblem.orphan)
    }
}
