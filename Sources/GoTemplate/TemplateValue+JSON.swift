internal import Text

extension TemplateValue {
    /// The value as JSON in Go's form: `<`, `>` and `&` stay as they are.
    package func json() -> String { document.text(escapesHTML: false) }

    /// The value as JSON over several lines, as `inspect` prints it.
    package func indentedJSON(by indentation: String = "    ") -> String {
        document.text(indentation: indentation, escapesHTML: false)
    }

    private var document: JSONValue {
        switch self {
        case .nothing, .null: .null
        case .boolean(let value): .bool(value)
        case .integer(let value): .numeral("\(value)")
        case .number(let value): .numeral(GoNumbers.shortest(value, exponentFrom: 21))
        case .text(let value): .string(value)
        case .list(let list): .array(list.map(\.document))
        case .map(let entries, _):
            .object(entries.sorted { $0.key < $1.key }.map { JSONValue.Member($0.key, $0.value.document) })
        case .record(let record):
            .object(
                record.fields.filter { !record.omitted.contains($0.name) }
                    .map { JSONValue.Member($0.name, $0.value.document) }
            )
        }
    }
}
