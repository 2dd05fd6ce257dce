package import OCI

/// A column of a table whose values name content of the store.
package struct ContentReference: Sendable, Hashable {
    let table: String
    let column: String
    let isCache: Bool

    /// - Parameters:
    ///   - table: the table.
    ///   - column: the column, which has an index.
    ///   - isCache: whether the content is only kept to save work.
    package init(_ table: String, _ column: String, isCache: Bool = false) {
        self.table = table
        self.column = column
        self.isCache = isCache
    }

    func names(_ value: String) -> String {
        "EXISTS (SELECT 1 FROM \(table) WHERE \(table).\(column) = \(value))"
    }
}

/// What all owners of tables hold, as conditions for SQL.
package struct HeldContent: Sendable {
    var layers: [ContentReference]
    var blobs: [ContentReference]

    /// Whether anything needs the layer whose id the SQL `id` gives.
    package func holdsLayer(_ id: String) -> String { Self.any(layers, id) }

    /// Whether anything but a cache needs the layer.
    package func usesLayer(_ id: String) -> String { Self.any(layers.filter { !$0.isCache }, id) }

    /// Whether a cache needs the layer.
    package func cachesLayer(_ id: String) -> String { Self.any(layers.filter(\.isCache), id) }

    /// Whether anything needs the blob whose digest the SQL `digest` gives.
    func holdsBlob(_ digest: String) -> String { Self.any(blobs, digest) }

    private static func any(_ references: [ContentReference], _ value: String) -> String {
        references.isEmpty ? "0" : "(" + references.map { $0.names(value) }.joined(separator: " OR ") + ")"
    }
}

extension LayerID {
    /// Ids as a JSON array, for `json_each` in SQL.
    package static func json(_ ids: some Collection<LayerID>) -> String {
        "[" + ids.map(\.description).joined(separator: ",") + "]"
    }
}

extension Digest {
    /// Digests as a JSON array, for `json_each` in SQL.
    package static func json(_ digests: some Collection<Digest>) -> String {
        "[" + digests.map { "\"\($0)\"" }.joined(separator: ",") + "]"
    }
}
