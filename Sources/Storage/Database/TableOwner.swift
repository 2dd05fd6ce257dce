package import GRDB

/// A part of Slipway that keeps tables in the store's database.
///
/// Only the owner of a table speaks SQL to it. The store opens with the owners of all its tables, and knows of the tables only
/// what this contract says. What an owner does not need has a default.
package protocol TableOwner: Sendable {
    /// How the tables came to be, in order; the list only ever grows.
    static var migrations: [Migration] { get }
    /// The tables that are recorded beside the database because nothing else could tell their rows again, in the order in
    /// which the rows refer to each other.
    static var recordedTables: [RecordedTable] { get }
    /// The tables whose rows a check and a repair count.
    static var countedTables: [String] { get }
    /// Where the tables name layers that must stay.
    static var heldLayers: [ContentReference] { get }
    /// Where the tables name blobs that must stay.
    static var heldBlobs: [ContentReference] { get }

    /// Deletes the rows that nothing needs; one step of the transaction that chooses garbage.
    static func collect(keeping held: HeldContent, into garbage: inout CollectedGarbage, in db: Database) throws

    /// The layers whose files are in the store.
    static func layersWithFiles(in db: Database) throws -> Set<LayerID>
    /// Notes that the files of a layer are gone.
    static func forgetFiles(of layer: LayerID, in db: Database) throws
    /// What an image or the like with this layer is called, for messages.
    static func names(ofUsersOf layer: LayerID, in db: Database) throws -> [String]

    /// What is wrong with the rows, by themselves or compared with the files.
    static func problems(in db: Database, _ layout: StoreLayout) throws -> [StoreProblem]
    /// The layers that can no longer be had: they are neither here nor known to be anywhere.
    static func lostLayers(in db: Database) throws -> [LayerID]
    /// Deletes what cannot be without lost content and was never reported to anybody.
    static func removeUnreported(_ lost: LostContent, in db: Database) throws
    /// Deletes what cannot be without lost content.
    /// - Returns: what was lost, each as a sentence.
    static func removeLost(_ lost: LostContent, in db: Database) throws -> [String]
    /// Completes rows that were made from records with what the files tell.
    static func restore(_ recorded: RecordedIDs, from layout: StoreLayout, in db: Database) throws
}

extension TableOwner {
    package static var recordedTables: [RecordedTable] { [] }
    package static var countedTables: [String] { [] }
    package static var heldLayers: [ContentReference] { [] }
    package static var heldBlobs: [ContentReference] { [] }

    package static func collect(
        keeping held: HeldContent,
        into garbage: inout CollectedGarbage,
        in db: Database
    ) throws {}
    package static func layersWithFiles(in db: Database) throws -> Set<LayerID> { [] }
    package static func forgetFiles(of layer: LayerID, in db: Database) throws {}
    package static func names(ofUsersOf layer: LayerID, in db: Database) throws -> [String] { [] }
    package static func problems(in db: Database, _ layout: StoreLayout) throws -> [StoreProblem] { [] }
    package static func lostLayers(in db: Database) throws -> [LayerID] { [] }
    package static func removeUnreported(_ lost: LostContent, in db: Database) throws {}
    package static func removeLost(_ lost: LostContent, in db: Database) throws -> [String] { [] }
    package static func restore(_ recorded: RecordedIDs, from layout: StoreLayout, in db: Database) throws {}
}

/// One step in the history of an owner's tables.
///
/// The first versions of Slipway made tables of several owners in one migration: those owners give their part the same name.
/// A new migration has a name of its own, which begins with that of the table.
package struct Migration: Sendable {
    /// Never changes: databases remember it.
    package let name: String
    let apply: @Sendable (Database) throws -> Void

    package init(_ name: String, _ apply: @escaping @Sendable (Database) throws -> Void) {
        self.name = name
        self.apply = apply
    }

    package init(_ name: String, sql: String) {
        self.init(name) { db in try db.execute(sql: sql) }
    }
}

/// A table whose rows are recorded beside the database.
package struct RecordedTable: Sendable, Hashable {
    let name: String
    /// The column that names a directory of `containers/`, where the table's rows are recorded: what they say may be secret, and
    /// goes with the directory.
    let directoryColumn: String?

    /// A table whose rows are in the records of the store.
    package init(_ name: String) {
        self.name = name
        directoryColumn = nil
    }

    /// A table whose rows are recorded each in the directory of `containers/` that a column names.
    package init(_ name: String, inDirectoryNamedBy column: String) {
        self.name = name
        directoryColumn = column
    }
}

/// The greatest id that each recorded table ever gave out, for tables that never give one out twice.
package struct RecordedIDs: Sendable {
    var greatest: [String: Int64] = [:]

    package func greatest(of table: String) -> Int64 { greatest[table] ?? 0 }
}
