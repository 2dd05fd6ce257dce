package import GoTemplate

/// A list of things as `--format` asks for it: a table, a table of chosen columns, JSON, or text.
package struct Listing: Sendable {
    /// One column of the default table.
    package struct Column: Sendable {
        package let field: String
        package let header: String
        package init(_ field: String, _ header: String) {
            self.field = field
            self.header = header
        }
    }

    /// The name of the rows' type in error messages.
    private let type: String
    private let format: ListingFormat
    /// The headers of all fields that a template may name.
    private let headers: [String: String]

    package init(_ format: ListingFormat, type: String, headers: [String: String]) {
        self.format = format
        self.type = type
        self.headers = headers
    }

    /// The fields that are shown; nil where all are.
    package var fields: Set<String>? {
        switch format {
        case .table(let columns): Set(columns.map(\.field))
        case .tableTemplate(let template), .template(let template): template.fieldNames
        case .json: nil
        }
    }

    /// Writes the list.
    /// - Parameters:
    ///   - rows: the fields of each thing, and its methods.
    ///   - output: where to.
    /// - Throws: as `render`, and what writing throws.
    package func write(
        _ rows: [(fields: [String: TemplateValue], methods: [String: TemplateRecord.Method])],
        to output: TextOutput
    ) async throws {
        let text = try render(rows)
        switch format {
        case .table, .tableTemplate: try await output.write(text)
        case .json, .template: try await output.writeFormatted(text)
        }
    }

    /// The text of the list.
    /// - Parameter rows: the fields of each thing, and its methods.
    /// - Returns: lines, each with its end.
    /// - Throws: `TemplateError` if a template asks for what a thing does not have.
    package func render(
        _ rows: [(fields: [String: TemplateValue], methods: [String: TemplateRecord.Method])]
    ) throws(TemplateError) -> String {
        var records: [TemplateValue] = []
        for row in rows {
            let fields = row.fields.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
            records.append(.record(TemplateRecord(name: type, fields, methods: row.methods)))
        }
        switch format {
        case .json: return records.map { $0.json() + "\n" }.joined()
        case .template(let template):
            var text = ""
            for record in records { text += try template.render(record) + "\n" }
            return text
        case .tableTemplate(let template):
            var table = TextTable()
            let head = TemplateRecord(
                name: type,
                headers.map { ($0.key, .text($0.value)) },
                methods: [
                    "Label": { key in
                        // As Docker: the last part of the label's name in capitals.
                        let name = key.first?.split(separator: ".").last.map(String.init) ?? ""
                        return name.replacing("-", with: " ").replacing("_", with: " ")
                    }
                ]
            )
            append(try template.render(.record(head)).uppercased(), to: &table)
            for record in records { append(try template.render(record), to: &table) }
            return table.rendered()
        case .table(let columns):
            var table = TextTable()
            table.append(columns.map(\.header))
            for row in rows { table.append(columns.map { row.fields[$0.field]?.printed ?? "" }) }
            return table.rendered()
        }
    }

    private func append(_ text: String, to table: inout TextTable) {
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            table.append(line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init))
        }
    }
}

/// What `--format` asks for.
package enum ListingFormat: Sendable {
    case table([Listing.Column])
    case tableTemplate(Template)
    case json
    case template(Template)

    /// Reads the value of `--format`; `\t` and `\n` in it mean what they say.
    /// - Parameters:
    ///   - text: what was written; nil for the default table.
    ///   - columns: the default table.
    /// - Throws: `TemplateError` for a template that cannot be parsed.
    package init(_ text: String?, columns: [Listing.Column]) throws(TemplateError) {
        let text = text ?? ""
        let words = text.trimmed
        if words.isEmpty || words == "table" {
            self = .table(columns)
        } else if words == "json" {
            self = .json
        } else if words.hasPrefix("table "), !words.dropFirst(6).allSatisfy(\.isWhitespace) {
            self = .tableTemplate(try Template(Self.unescaped(String(words.dropFirst(6)).trimmed)))
        } else {
            self = .template(try Template(Self.unescaped(words)))
        }
    }

    private static func unescaped(_ text: String) -> String {
        text.replacing("\\t", with: "\t").replacing("\\n", with: "\n")
    }
}

extension Flag {
    /// `--format`, of a command that prints a list (for which tables make sense) or not.
    package static func format(short shorthand: Character? = nil, _ path: Path<String?>, listsTables: Bool = true)
        -> Flag
    {
        let tables = """
            'table':            a table with headers (default)
            'table TEMPLATE':   a table of what a Go template gives

            """
        return .text(
            "format",
            short: shorthand,
            path,
            help: "How to print:\n" + (listsTables ? tables : "")
                + "'json':             JSON\n'TEMPLATE':         what a Go template gives"
        )
    }
}
