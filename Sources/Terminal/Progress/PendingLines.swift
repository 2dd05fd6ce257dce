import Text

/// Output of a step that is to be written, cut into lines.
///
/// The last one may still be growing.
struct PendingLines: Sendable {
    private var lines: [(seconds: Double, text: [UInt8])] = []
    /// Whether the last of `lines` has no end yet.
    private var isOpen = false
    /// Whether the first of `lines` goes on in a line that is already written but not ended.
    var isContinued = false

    package mutating func append(_ data: [UInt8], at seconds: Double) {
        var rest = data[...]
        while !rest.isEmpty {
            let end = rest.firstIndex(of: "\n")
            let piece = rest[..<(end ?? rest.endIndex)]
            if isOpen, !lines.isEmpty {
                // What follows a carriage return begins the line again.
                if lines[lines.count - 1].text == "\r" { lines[lines.count - 1].seconds = seconds }
                lines[lines.count - 1].text += piece
            } else {
                lines.append((seconds, Array(piece)))
            }
            isOpen = end == nil
            rest = end.map { rest[($0 + 1)...] } ?? []
        }
    }

    /// Writes everything so far: `#5 0.123 text`.
    ///
    /// A line that is still growing is left without its end, and so are characters and control sequences.
    /// - Parameters:
    ///   - prefix: What begins each line.
    ///   - isLast: Whether nothing more comes, so that an open line ends here.
    /// - Returns: The text to write.
    package mutating func take(prefix: String, isLast: Bool) -> String {
        var text = ""
        var kept: [(seconds: Double, text: [UInt8])] = []
        for (position, line) in lines.enumerated() {
            let grows = isOpen && position == lines.count - 1 && !isLast
            var bytes = line.text
            if grows {
                let length = unsettledLength(bytes)
                if length > 0 { kept = [(line.seconds, Array(bytes.suffix(length)))] }
                bytes.removeLast(length)
                if bytes.isEmpty { break }
            }
            if isContinued, bytes.dropLast().contains("\r") {
                // It begins the line again, whose text is written already.
                text += "\n"
                isContinued = false
            }
            if !isContinued { text += "\(prefix)\(logTime(line.seconds)) " }
            text += safeText(settledLine(bytes))
            isContinued = grows
            if !grows { text += "\n" }
        }
        if isLast, isContinued {
            text += "\n"
            isContinued = false
        }
        isOpen = !kept.isEmpty && !isLast
        lines = kept
        return text
    }
}
