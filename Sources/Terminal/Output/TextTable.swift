/// Rows in aligned columns, each as wide as its widest cell and some blanks.
///
/// As with Docker's tables, a column is at least ten wide with its padding of three unless said otherwise, and nothing pads the
/// last cell of a row.
package struct TextTable: Sendable {
    private var rows: [[String]] = []
    private let minimumWidth: Int
    private let padding: Int

    /// - Parameters:
    ///   - minimumWidth: Of a column with its padding.
    ///   - padding: The blanks after a column's widest cell.
    package init(minimumWidth: Int = 10, padding: Int = 3) {
        self.minimumWidth = minimumWidth
        self.padding = padding
    }

    /// Adds a row; what could act on a terminal, or break the row, is shown as `\xNN` before anything is measured.
    package mutating func append(_ row: [String]) { rows.append(row.map { safeText($0) }) }

    /// The lines of the table, each with its end.
    package func rendered() -> String {
        // A cell that ends its row does not take part in its column's width, as in Go's tabwriter.
        var widths: [[Int?]] = rows.map { row in row.dropLast().map { _ in nil } }
        let columns = rows.map { $0.count }.max() ?? 0
        for column in 0..<columns {
            var start = 0
            while start < rows.count {
                guard rows[start].count - 1 > column else {
                    start += 1
                    continue
                }
                var end = start
                while end < rows.count, rows[end].count - 1 > column { end += 1 }
                let cells = rows[start..<end].map { Self.width(of: $0[column]) }
                let width = max(minimumWidth, (cells.max() ?? 0) + padding)
                for row in start..<end { widths[row][column] = width }
                start = end
            }
        }
        var text = ""
        for (row, cells) in rows.enumerated() {
            for (column, cell) in cells.enumerated() {
                text += cell
                guard column < cells.count - 1, let width = widths[row][column] else { continue }
                text += String(repeating: " ", count: max(0, width - Self.width(of: cell)))
            }
            text += "\n"
        }
        return text
    }

    private static func width(of cell: String) -> Int { cell.unicodeScalars.count }
}
