internal import OCI
internal import Text

/// Lines of a Dockerfile around the place that is meant, as BuildKit frames them.
///
///     Dockerfile:3
///     --------------------
///        1 |     FROM alpine
///        3 | >>> RUN false
///     --------------------
/// - Parameters:
///   - fileName: The name of the file.
///   - data: The whole file.
///   - ranges: The lines that are meant, from 1.
/// - Returns: The frame with a line end; empty if the lines are not in the file.
package func sourceFrame(fileName: String, data: [UInt8], ranges: [ClosedRange<Int>]) -> String {
    let lines = data.split(separator: "\n", omittingEmptySubsequences: false)
    guard var first = ranges.map(\.lowerBound).min(), var last = ranges.map(\.upperBound).max(), first >= 1,
        first <= lines.count
    else { return "" }
    last = min(last, lines.count)
    var text = "\(safeText(fileName)):\(first)\n--------------------\n"
    // A single line gets up to four more on either side together, several get two.
    let wanted = first == last ? 4 : 2
    var added = 0
    while added < wanted {
        if first > 1 {
            first -= 1
            added += 1
        }
        if last < lines.count {
            last += 1
            added += 1
        }
        added += 1
    }
    for number in first...last {
        let mark = ranges.contains { $0.contains(number) } ? ">>>" : "   "
        let padding = String(repeating: " ", count: max(0, 3 - "\(number)".count))
        var line = lines[number - 1]
        if line.last == "\r" { line = line.dropLast() }
        text += " \(padding)\(number) | \(mark) \(safeText(withoutCredentials(Array(line))))\n"
    }
    return text + "--------------------\n"
}
