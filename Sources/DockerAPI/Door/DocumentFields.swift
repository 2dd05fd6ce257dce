internal import Text

/// The fields of a document that a client sends, by their names in whatever case, as Go reads them.
struct DocumentFields: Sendable {
    private let members: [String: (name: String, value: JSONValue)]
    /// Where in the document, for messages: `HostConfig`.
    private let place: String

    init(_ members: [String: JSONValue], at place: String) {
        self.place = place
        self.members = Dictionary(members.map { ($0.key.lowercased(), (name: $0.key, value: $0.value)) }) { first, _ in
            first
        }
    }

    init(parsing bytes: [UInt8]) throws(DockerAPIError) {
        guard case .object(let members) = try BoundedJSON.parse(bytes, of: "body") else {
            throw .invalidJSON(parameter: "body", reason: "an object is expected")
        }
        self.init(JSONValue.byName(members), at: "")
    }

    /// The names of fields whose values ask for something: not null, false, 0, "", [] or {}.
    var meaningful: [String] {
        members.values.filter { Self.asksForSomething($0.value) }.map(\.name).sorted()
    }

    private static func asksForSomething(_ value: JSONValue) -> Bool {
        switch value {
        case .null, .bool(false), .number(0), .string(""), .array([]), .object([]): false
        case .numeral(let digits): digits != "0"
        case .array(let values): values.contains(where: asksForSomething)
        case .object(let members): members.contains { asksForSomething($0.value) }
        case .bool, .number, .string: true
        }
    }

    /// What messages call a field.
    func path(_ name: String) -> String { place.isEmpty ? name : place + "." + name }

    func value(_ name: String) -> JSONValue { members[name.lowercased()]?.value ?? .null }

    private func wrong(_ name: String, _ expected: String) -> DockerAPIError {
        .invalidField(path(name), expected: expected)
    }

    func text(_ name: String) throws(DockerAPIError) -> String? {
        switch value(name) {
        case .string(let text): return text
        case .null: return nil
        default: throw wrong(name, "a string")
        }
    }

    func truth(_ name: String) throws(DockerAPIError) -> Bool {
        switch value(name) {
        case .bool(let value): return value
        case .null: return false
        default: throw wrong(name, "true or false")
        }
    }

    /// A whole number; nil where it is missing.
    func number(_ name: String) throws(DockerAPIError) -> Int64? {
        switch value(name) {
        case .number(let number): return Int64(number)
        case .null: return nil
        default: throw wrong(name, "a whole number")
        }
    }

    func fields(_ name: String) throws(DockerAPIError) -> DocumentFields {
        switch value(name) {
        case .object(let members): return DocumentFields(JSONValue.byName(members), at: path(name))
        case .null: return DocumentFields([:], at: path(name))
        default: throw wrong(name, "an object")
        }
    }

    /// A list of objects.
    func list(_ name: String) throws(DockerAPIError) -> [DocumentFields] {
        switch value(name) {
        case .array(let values):
            var list: [DocumentFields] = []
            for value in values {
                guard case .object(let members) = value else { throw wrong(name, "a list of objects") }
                list.append(DocumentFields(JSONValue.byName(members), at: path(name)))
            }
            return list
        case .null: return []
        default: throw wrong(name, "a list")
        }
    }

    /// A list of texts; nil where it is missing.
    func texts(_ name: String) throws(DockerAPIError) -> [String]? {
        switch value(name) {
        case .array(let values):
            var texts: [String] = []
            for value in values {
                guard case .string(let text) = value else { throw wrong(name, "a list of strings") }
                texts.append(text)
            }
            return texts
        // As Docker takes commands.
        case .string(let text): return [text]
        case .null: return nil
        default: throw wrong(name, "a list of strings")
        }
    }

    /// The names of a set, which is an object with whatever values.
    func names(_ name: String) throws(DockerAPIError) -> [String] {
        switch value(name) {
        case .object(let members): return members.map(\.name)
        case .null: return []
        default: throw wrong(name, "an object")
        }
    }

    /// A map of texts.
    func map(_ name: String) throws(DockerAPIError) -> [String: String] {
        switch value(name) {
        case .object(let members):
            var map: [String: String] = [:]
            for member in members {
                guard case .string(let text) = member.value else { throw wrong(name, "a map of strings") }
                map[member.name] = text
            }
            return map
        case .null: return [:]
        default: throw wrong(name, "a map of strings")
        }
    }
}
