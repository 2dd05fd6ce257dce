/// A place in a file: line and column count from 1, columns in bytes.
package struct SourcePosition: Hashable, Sendable, Comparable {
    package var line: Int
    package var column: Int

    package init(line: Int, column: Int) {
        self.line = line
        self.column = column
    }

    package static func < (left: SourcePosition, right: SourcePosition) -> Bool {
        (left.line, left.column) < (right.line, right.column)
    }
}

/// A stretch of a file.
///
/// `end` is the place after the last byte.
package struct SourceRange: Hashable, Sendable {
    package var start: SourcePosition
    package var end: SourcePosition

    package init(start: SourcePosition, end: SourcePosition) {
        self.start = start
        self.end = end
    }

    /// The lines the range touches.
    package var lines: ClosedRange<Int> { start.line...max(start.line, end.line) }
}

/// A file's name and content, with the way from offsets to lines and back.
package struct SourceText: Sendable, Hashable {
    package let name: String
    package let bytes: [UInt8]
    /// The offset of each line's first byte.
    let lineStarts: [Int]

    package init(name: String, bytes: [UInt8]) {
        self.name = name
        self.bytes = bytes
        var starts = [0]
        bytes.withUnsafeBufferPointer { buffer in
            var offset = 0
            while offset < buffer.count {
                if buffer[offset] == 0x0a { starts.append(offset + 1) }
                offset += 1
            }
        }
        lineStarts = starts
    }

    /// How many lines a reader of the file sees: a final line feed does not start another.
    package var lineCount: Int { lineStarts.last == bytes.count ? lineStarts.count - 1 : lineStarts.count }

    /// The offsets of a line (from 0), its line feed included.
    func extent(ofLine index: Int) -> Range<Int> {
        lineStarts[index]..<(index + 1 < lineStarts.count ? lineStarts[index + 1] : bytes.count)
    }

    func position(of offset: Int) -> SourcePosition {
        var low = 0
        var high = lineStarts.count
        while high - low > 1 {
            let middle = (low + high) / 2
            if lineStarts[middle] <= offset { low = middle } else { high = middle }
        }
        return SourcePosition(line: low + 1, column: offset - lineStarts[low] + 1)
    }

    /// The range that covers whole lines (from 1).
    package func range(ofLines lines: ClosedRange<Int>) -> SourceRange {
        let last = min(max(lines.upperBound, 1), lineStarts.count)
        return SourceRange(
            start: SourcePosition(line: lines.lowerBound, column: 1),
            end: SourcePosition(line: lines.upperBound, column: contentExtent(ofLine: last - 1).count + 1)
        )
    }

    private func contentExtent(ofLine index: Int) -> Range<Int> {
        var extent = extent(ofLine: index)
        while let last = extent.last, bytes[last] == 0x0a || bytes[last] == 0x0d { extent = extent.lowerBound..<last }
        return extent
    }

    /// The lines of `ranges` with their surroundings, marked, as BuildKit prints them below an error.
    ///
    ///     Dockerfile:3
    ///     --------------------
    ///        1 |     FROM scratch
    ///        2 |
    ///        3 | >>> RUNN true
    ///     --------------------
    ///
    /// Empty when there is nothing to show. Bytes that would steer a terminal are shown as escapes.
    package func frame(around ranges: [SourceRange]) -> String {
        guard let first = ranges.map(\.lines.lowerBound).min(), let reach = ranges.map(\.lines.upperBound).max(),
            first >= 1, first <= lineStarts.count, !bytes.isEmpty
        else { return "" }
        var start = first
        var end = min(reach, lineStarts.count)
        // As BuildKit: about four lines around a single line, two around several.
        let padding = start == end ? 4 : 2
        var added = 0
        while added < padding {
            if start > 1 {
                start -= 1
                added += 1
            }
            if end != lineStarts.count {
                end += 1
                added += 1
            }
            added += 1
        }
        let hidden = hiddenLines(between: start, and: end)
        var text = "\(name):\(first)\n--------------------\n"
        for line in start...end {
            if hidden.contains(line) {
                if line == hidden.lowerBound { text += "     |     … \(hidden.count) more lines …\n" }
                continue
            }
            let number = String(line)
            let marked = ranges.contains { $0.lines.contains(line) }
            text += " " + String(repeating: " ", count: max(0, 3 - number.count)) + number
            text += " | " + (marked ? ">>> " : "    ") + displayed(line: line) + "\n"
        }
        return text + "--------------------\n"
    }

    private func hiddenLines(between start: Int, and end: Int) -> Range<Int> {
        let limit = 60
        guard end - start >= limit else { return 0..<0 }
        return (start + limit / 2)..<(end - limit / 2)
    }

    private func displayed(line: Int) -> String {
        let limit = 1000
        let content = bytes[contentExtent(ofLine: line - 1)]
        let shown = String(decoding: content.prefix(limit), as: UTF8.self)
        var text = ""
        for scalar in shown.unicodeScalars {
            let isControl = scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value)
            if isControl, scalar != "\t" {
                text += "\\x" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
        return content.count > limit ? text + "…" : text
    }
}
