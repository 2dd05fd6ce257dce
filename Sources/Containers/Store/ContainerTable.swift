import FoundationEssentials
package import GRDB
package import OCI
package import Storage

/// Containers, and the layers that they are made on.
package enum ContainerTable: TableOwner {
    package static let migrations = [Migration("images and containers", sql: containers)]

    private static let containers = """
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
        CREATE INDEX containers_image ON containers(image_id);

        CREATE TABLE container_layers (
            container_id TEXT NOT NULL REFERENCES containers(id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            layer_id INTEGER NOT NULL REFERENCES layers(id),
            PRIMARY KEY (container_id, position)
        ) WITHOUT ROWID;
        CREATE INDEX container_layers_layer ON container_layers(layer_id);
        """

    // Beside each container, so that secrets in its environment go with it.
    package static let recordedTables = [
        RecordedTable("containers", inDirectoryNamedBy: "id"),
        RecordedTable("container_layers", inDirectoryNamedBy: "container_id"),
    ]
    package static let countedTables = ["containers"]
    package static let heldLayers = [ContentReference("container_layers", "layer_id")]

    /// Containers stay, with what they have written.
    package static func removeLost(_ lost: LostContent, in db: Database) throws -> [String] {
        let sql = """
            SELECT * FROM containers WHERE id IN (
                SELECT container_id FROM container_layers WHERE layer_id IN (SELECT value FROM json_each(?)))
            """
        return try Container.fetchAll(db, sql: sql, arguments: [LayerID.json(lost.layers)]).map { container in
            "container \(container.id.prefix(12)) (\(container.name)): files of its image are lost"
        }
    }

    // MARK: Rows

    /// A row of `containers`.
    struct Container: Codable, FetchableRecord, PersistableRecord {
        static let databaseTableName = "containers"

        enum CodingKeys: String, CodingKey, ColumnExpression {
            case id, name, created, running, configuration, state
            case image = "image_id"
            case imageName = "image_name"
        }

        var id: String
        var name: String
        var image: String?
        var imageName: String
        var created: Int64
        var running: Bool
        var configuration: String
        var state: String
    }

    /// A row of `container_layers`.
    struct Layer: Codable, FetchableRecord, PersistableRecord {
        static let databaseTableName = "container_layers"

        enum CodingKeys: String, CodingKey, ColumnExpression {
            case position
            case container = "container_id"
            case layer = "layer_id"
        }

        var container: String
        var position: Int
        var layer: Int64
    }

    /// Which containers to read.
    enum Choice {
        case all
        case id(String)
        case idOrName(String)
        /// Those whose id begins with these digits.
        case prefix(String)
        case allBut(String)
    }

    /// The containers of a choice, the newest first.
    static func records(_ choice: Choice, in db: Database) throws -> [ContainerRecord] {
        let id = Container.CodingKeys.id
        let request =
            switch choice {
            case .all: Container.all()
            case .id(let text): Container.filter(id == text)
            case .idOrName(let text): Container.filter(id == text || Container.CodingKeys.name == text)
            // `g` is the character after the last of those that ids have.
            case .prefix(let digits): Container.filter(id >= digits && id < digits + "g")
            case .allBut(let text): Container.filter(id != text)
            }
        let rows = try request.order(Container.CodingKeys.created.desc, Column.rowID.desc).fetchAll(db)
        return try rows.map { try ContainerRecord($0) }
    }

    /// The container that has a name; nil for none.
    static func id(named name: String, in db: Database) throws -> String? {
        try Container.filter(Container.CodingKeys.name == name).fetchOne(db)?.id
    }

    static func insert(_ container: Container, layers: [LayerID], in db: Database) throws {
        try container.insert(db)
        for (position, layer) in layers.enumerated() {
            try Layer(container: container.id, position: position, layer: layer.rawValue).insert(db)
        }
    }

    static func rename(_ id: String, to name: String, in db: Database) throws {
        try Container.filter(key: id).updateAll(db, Container.CodingKeys.name.set(to: name))
    }

    static func setState(_ state: String, isRunning: Bool, of id: String, in db: Database) throws {
        typealias Key = Container.CodingKeys
        try Container.filter(key: id).updateAll(db, Key.state.set(to: state), Key.running.set(to: isRunning))
    }

    static func delete(_ id: String, in db: Database) throws { _ = try Container.deleteOne(db, key: id) }

    // MARK: For those who ask what uses an image

    /// A container as far as its image goes.
    package struct Use: Sendable {
        package let id: String
        package let name: String
        package let image: Digest?
        package let imageName: String
        package let created: Int64
        package let isRunning: Bool
        package let layers: [LayerID]
    }

    /// What all containers were made of.
    package static func uses(in db: Database) throws -> [Use] {
        let layers = Dictionary(grouping: try Layer.fetchAll(db), by: \.container)
        return try Container.fetchAll(db).map { row in
            Use(
                id: row.id,
                name: row.name,
                image: row.image.flatMap { try? Digest(parsing: $0) },
                imageName: row.imageName,
                created: row.created,
                isRunning: row.running,
                layers: (layers[row.id] ?? []).map { LayerID(rawValue: $0.layer) }
            )
        }
    }
}

extension ContainerRecord {
    fileprivate init(_ row: ContainerTable.Container) throws {
        self.init(
            id: row.id,
            name: row.name,
            created: row.created,
            configuration: try Self.decode(row.configuration),
            state: try Self.decode(row.state)
        )
    }

    private static func decode<Value: Decodable>(_ text: String) throws -> Value {
        try JSONDecoder().decode(Value.self, from: Data(text.utf8))
    }
}
