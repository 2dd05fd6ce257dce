package import Text

extension TemplateValue {
    /// The value as JSON in Go's form: `<`, `>` and `&` stay as they are.
    package func json() -> String { jsonValue.text(escapesHTML: false) }

    /// The value as JSON over several lines, as `inspect` prints it.
    package func indentedJSON(by indentation: String = "    ") -> String {
        jsonValue.text(indentation: indentation, escapesHTML: false)
    }

    /// The value as a document of JSON; what is not set is left out.
    package var jsonValue: JSONValue {
        switch self {
        case .nothing, .null: .null
        case .boolean(let value): .bool(value)
        case .integer(let value): .numeral("\(value)")
        case .number(let value): .numeral(GoNumbers.shortest(value, exponentFrom: 21))
        case .text(let value): .string(value)
        case .list(let list): .array(list.map(\.jsonValue))
        case .map(let entries, _):
            .object(entries.sorted { $0.key < $1.key }.map { JSONValue.Member($0.key, $0.value.jsonValue) })
        case .record(let record):
            .object(
                record.fields.filter { !record.omitted.contains($0.name) }
                    .map { JSONValue.Member($0.name, $0.value.jsonValue) }
            )
        }
    }
}
