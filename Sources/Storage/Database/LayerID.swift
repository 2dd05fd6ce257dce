package import GRDB
package import OCI

/// The name of one layer of file trees in one store: the id of its row in `layers`.
///
/// Ids are never used twice.
package struct LayerID: RawRepresentable, Hashable, Sendable, Codable, Comparable, CustomStringConvertible {
    package let rawValue: Int64

    package init(rawValue: Int64) { self.rawValue = rawValue }

    package var description: String { "\(rawValue)" }

    package static func < (left: LayerID, right: LayerID) -> Bool { left.rawValue < right.rawValue }
}

extension LayerID: DatabaseValueConvertible {}

/// Digests are text in the database.
extension Digest: DatabaseValueConvertible {
    package var databaseValue: DatabaseValue { description.databaseValue }

    package static func fromDatabaseValue(_ value: DatabaseValue) -> Digest? {
        String.fromDatabaseValue(value).flatMap { try? Digest(parsing: $0) }
    }
}
