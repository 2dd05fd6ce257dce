import Text

/// The last lines of a step's output, each with its time, for the report of a failure.
struct LogTail: Sendable {
    private let lineLimit: Int
    private let byteLimit: Int
    private var lines: [(time: Double, text: [UInt8])] = []
    private var head = 0
    private var bytes = 0
    private var isOpen = false

    init(lineLimit: Int, byteLimit: Int) {
        self.lineLimit = lineLimit
        self.byteLimit = byteLimit
    }

    /// Adds output that came `seconds` after the step began.
    ///
    /// Text that goes on in a line keeps the line's time.
    package mutating func append(_ data: [UInt8], at seconds: Double) {
        var rest = data[...]
        while !rest.isEmpty {
            let end = rest.firstIndex(of: "\n")
            let piece = rest[..<(end ?? rest.endIndex)]
            if isOpen, lines.count > head {
                // Of a line that is longer than the limit the beginning is kept.
                lines[lines.count - 1].text += piece.prefix(max(0, byteLimit - lines[lines.count - 1].text.count))
            } else {
                lines.append((seconds, Array(piece.prefix(byteLimit))))
            }
            bytes += piece.count
            isOpen = end == nil
            rest = end.map { rest[($0 + 1)...] } ?? []
        }
        while lines.count - head > lineLimit || bytes > byteLimit && lines.count - head > 1 {
            bytes -= lines[head].text.count
            lines[head].text = []
            head += 1
        }
        if head > 1024, head * 2 > lines.count {
            lines.removeFirst(head)
            head = 0
        }
    }

    /// The lines as they are shown.
    package var text: [String] {
        lines[head...].map { "\(logTime($0.time)) \(safeText(settledLine($0.text)))" }
    }
}
