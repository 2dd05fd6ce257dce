internal import Text

/// What a template works on: the values of Go that Docker's templates meet.
package indirect enum TemplateValue: Sendable {
    /// What a map gives for a key that it has not; prints as `<no value>`.
    case nothing
    /// A null of JSON, with what it prints as: `<nil>`, `[]` or `map[]`, depending on what could stand there.
    case null(printedAs: String)
    case boolean(Bool)
    case integer(Int64)
    case number(Double)
    case text(String)
    case list([TemplateValue])
    /// Keys that are data, as labels.
    case map([String: TemplateValue], missing: TemplateValue)
    case record(TemplateRecord)

    /// A map of texts, as labels are; a missing key is an empty text.
    package static func labels(_ labels: [String: String]) -> TemplateValue {
        .map(labels.mapValues { .text($0) }, missing: .text(""))
    }

    /// A field of a document; nothing where there is none.
    package func member(_ name: String) -> TemplateValue {
        if case .record(let record) = self { record.field(name) ?? .nothing } else { .nothing }
    }

    package static func texts(_ texts: [String]) -> TemplateValue { .list(texts.map { .text($0) }) }
}

/// A value with named fields, in order.
package struct TemplateRecord: Sendable {
    package typealias Method = @Sendable ([String]) -> String

    /// The type as error messages name it; nil for documents, whose fields are keys.
    package let name: String?
    package let fields: [(name: String, value: TemplateValue)]
    /// Fields that templates find and JSON leaves out: what Go marks with omitempty.
    package let omitted: Set<String>
    /// Fields that take texts as arguments, as `.Label "k"`.
    package let methods: [String: Method]

    package init(
        name: String?,
        _ fields: [(String, TemplateValue)],
        omitting omitted: Set<String> = [],
        methods: [String: Method] = [:]
    ) {
        self.omitted = omitted
        self.name = name
        self.fields = fields.map { (name: $0.0, value: $0.1) }
        self.methods = methods
    }

    func field(_ name: String) -> TemplateValue? { fields.first { $0.name == name }?.value }
}

extension TemplateValue {
    /// Whether `if` takes the value for true.
    var isTrue: Bool {
        switch self {
        case .nothing, .null: false
        case .boolean(let value): value
        case .integer(let value): value != 0
        case .number(let value): value != 0
        case .text(let text): !text.isEmpty
        case .list(let list): !list.isEmpty
        case .map(let entries, _): !entries.isEmpty
        case .record: true
        }
    }

    /// The type as Go's errors name it.
    var typeName: String {
        switch self {
        case .nothing, .null: "interface {}"
        case .boolean: "bool"
        case .integer: "int"
        case .number: "float64"
        case .text: "string"
        case .list: "[]string"
        case .map: "map[string]string"
        case .record(let record): record.name ?? "map[string]interface {}"
        }
    }

    /// The value as `{{.}}` prints it.
    package var printed: String {
        if case .nothing = self { return "<no value>" }
        return printedInside
    }

    /// The value as `%v` prints it inside another.
    var printedInside: String {
        switch self {
        case .nothing: "<nil>"
        case .null(let text): text
        case .boolean(let value): value ? "true" : "false"
        case .integer(let value): "\(value)"
        case .number(let value): GoNumbers.shortest(value)
        case .text(let text): text
        case .list(let list): "[" + list.map(\.printedInside).joined(separator: " ") + "]"
        case .map(let entries, _):
            "map["
                + entries.sorted { $0.key < $1.key }.map { "\($0.key):\($0.value.printedInside)" }
                .joined(separator: " ") + "]"
        case .record(let record):
            if record.name == nil {
                "map["
                    + record.fields.sorted { $0.name < $1.name }.map { "\($0.name):\($0.value.printedInside)" }
                    .joined(separator: " ") + "]"
            } else {
                "{" + record.fields.map(\.value.printedInside).joined(separator: " ") + "}"
            }
        }
    }
}
