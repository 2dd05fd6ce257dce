extension TemplateValue {
    /// The value as JSON in Go's form: `<`, `>` and `&` stay as they are.
    package func json() -> String {
        var text = ""
        writeJSON(to: &text, indentation: nil, level: 0)
        return text
    }

    /// The value as JSON over several lines, as `inspect` prints it.
    package func indentedJSON(by indentation: String = "    ") -> String {
        var text = ""
        writeJSON(to: &text, indentation: indentation, level: 0)
        return text
    }

    private func writeJSON(to text: inout String, indentation: String?, level: Int) {
        switch self {
        case .nothing, .null: text += "null"
        case .boolean(let value): text += value ? "true" : "false"
        case .integer(let value): text += "\(value)"
        case .number(let value): text += GoNumbers.shortest(value, exponentFrom: 21)
        case .text(let value): text += JSONLiteral.quoted(value)
        case .list(let list):
            Self.writeContainer("[", "]", list.count, to: &text, indentation, level) { index, text in
                list[index].writeJSON(to: &text, indentation: indentation, level: level + 1)
            }
        case .map(let entries, _):
            let sorted = entries.sorted { $0.key < $1.key }
            Self.writeObject(sorted.map { ($0.key, $0.value) }, to: &text, indentation, level)
        case .record(let record):
            Self.writeObject(record.fields.map { ($0.name, $0.value) }, to: &text, indentation, level)
        }
    }

    private static func writeObject(
        _ fields: [(String, TemplateValue)],
        to text: inout String,
        _ indentation: String?,
        _ level: Int
    ) {
        writeContainer("{", "}", fields.count, to: &text, indentation, level) { index, text in
            text += JSONLiteral.quoted(fields[index].0) + (indentation == nil ? ":" : ": ")
            fields[index].1.writeJSON(to: &text, indentation: indentation, level: level + 1)
        }
    }

    private static func writeContainer(
        _ opening: String,
        _ closing: String,
        _ count: Int,
        to text: inout String,
        _ indentation: String?,
        _ level: Int,
        _ item: (Int, inout String) -> Void
    ) {
        text += opening
        for index in 0..<count {
            if index > 0 { text += "," }
            if let indentation { text += "\n" + String(repeating: indentation, count: level + 1) }
            item(index, &text)
        }
        if count > 0, let indentation { text += "\n" + String(repeating: indentation, count: level) }
        text += closing
    }
}

/// Strings of JSON.
package enum JSONLiteral {
    /// The text in quotes, escaped as Go's encoder does without its escaping for HTML.
    package static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case "\u{8}": result += "\\b"
            case "\u{c}": result += "\\f"
            case "\u{2028}", "\u{2029}": result += "\\u" + hexadecimal(scalar.value, digits: 4)
            case _ where scalar.value < 0x20: result += "\\u" + hexadecimal(scalar.value, digits: 4)
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    private static func hexadecimal(_ value: UInt32, digits: Int) -> String {
        let text = String(value, radix: 16)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}
