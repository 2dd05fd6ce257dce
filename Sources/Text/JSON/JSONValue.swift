/// A JSON document to be written with its members in their order, as Go's encoder writes it: what reads BuildKit's output
/// then reads ours.
package indirect enum JSONValue: Sendable, Hashable {
    case null
    case bool(Bool)
    case number(Int)
    /// A number as it is to be written.
    case numeral(String)
    case string(String)
    case array([JSONValue])
    case object([Member])

    /// A name and its value.
    package struct Member: Sendable, Hashable {
        package let name: String
        package let value: JSONValue

        package init(_ name: String, _ value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    /// Bytes, in base64.
    package static func bytes(_ bytes: [UInt8]) -> JSONValue { .string(base64(bytes)) }

    /// The document over several lines, each level two blanks further in.
    package var indented: String { text(indentation: "  ") }

    /// The document, on one line or, with an indentation of each level, over several; `<`, `>` and `&` are escaped for HTML or not.
    package func text(indentation: String? = nil, escapesHTML: Bool = true) -> String {
        var text = ""
        write(to: &text, Layout(step: indentation, escapesHTML: escapesHTML))
        return text
    }

    private struct Layout {
        let step: String?
        let escapesHTML: Bool
        var level = 0

        var deeper: Layout { Layout(step: step, escapesHTML: escapesHTML, level: level + 1) }
        var lineBreak: String { step.map { "\n" + String(repeating: $0, count: level) } ?? "" }
    }

    private func write(to text: inout String, _ layout: Layout) {
        switch self {
        case .null: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .number(let value): text += "\(value)"
        case .numeral(let digits): text += digits
        case .string(let value): text += Self.quoted(value, escapesHTML: layout.escapesHTML)
        case .array(let values):
            Self.write("[", "]", values.count, to: &text, layout) { index, text, deeper in
                values[index].write(to: &text, deeper)
            }
        case .object(let members):
            Self.write("{", "}", members.count, to: &text, layout) { index, text, deeper in
                text += Self.quoted(members[index].name, escapesHTML: deeper.escapesHTML)
                text += deeper.step == nil ? ":" : ": "
                members[index].value.write(to: &text, deeper)
            }
        }
    }

    private static func write(
        _ open: String,
        _ close: String,
        _ count: Int,
        to text: inout String,
        _ layout: Layout,
        _ element: (Int, inout String, Layout) -> Void
    ) {
        text += open
        let deeper = layout.deeper
        for index in 0..<count {
            text += (index == 0 ? "" : ",") + deeper.lineBreak
            element(index, &text, deeper)
        }
        text += (count == 0 ? "" : layout.lineBreak) + close
    }

    /// A string with the escapes of Go's encoder, and with C1 controls and direction marks escaped besides.
    package static func quoted(_ value: String, escapesHTML: Bool = true) -> String {
        var text = "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case "\u{8}": text += "\\b"
            case "\u{c}": text += "\\f"
            case "<", ">", "&": if escapesHTML { text += escape(scalar) } else { text.unicodeScalars.append(scalar) }
            default:
                switch scalar.value {
                // A terminal may be reading.
                case 0..<0x20, 0x7f...0x9f, 0x061c, 0x200e, 0x200f, 0x2028...0x202e, 0x2066...0x2069:
                    text += escape(scalar)
                default: text.unicodeScalars.append(scalar)
                }
            }
        }
        return text + "\""
    }

    private static func escape(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16)
        return "\\u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}
