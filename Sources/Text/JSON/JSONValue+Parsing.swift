internal import FoundationEssentials

extension JSONValue {
    /// The members of a document that is an object, in the order of their names.
    /// - Throws: `DecodingError` where the bytes are no JSON or another value.
    package static func members(parsing bytes: [UInt8]) throws -> [Member] {
        let members = try JSONDecoder().decode([String: JSONValue].self, from: Data(bytes))
        return sorted(members)
    }

    /// Any document; members of objects are in the order of their names.
    /// - Throws: `DecodingError` where the bytes are no JSON.
    package init(parsing bytes: [UInt8]) throws {
        self = try JSONDecoder().decode(JSONValue.self, from: Data(bytes))
    }

    /// An object with its members in the order of their names.
    package static func object(sorting members: [String: JSONValue]) -> JSONValue { .object(sorted(members)) }

    /// Members to be looked up; of two with one name the last counts, as for most readers.
    package static func byName(_ members: [Member]) -> [String: JSONValue] {
        Dictionary(members.map { ($0.name, $0.value) }) { _, last in last }
    }

    private static func sorted(_ members: [String: JSONValue]) -> [Member] {
        members.sorted { $0.key < $1.key }.map { Member($0.key, $0.value) }
    }
}

extension JSONValue: Decodable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Int.self) {
            self = .number(value)
        } else if let value = try? container.decode(Double.self) {
            self = .numeral(GoNumbers.shortest(value, exponentFrom: 21))
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let value = try? container.decode([JSONValue].self) {
            self = .array(value)
        } else {
            self = .object(sorting: try container.decode([String: JSONValue].self))
        }
    }
}
