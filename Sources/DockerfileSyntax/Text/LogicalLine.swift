/// An instruction's line after its continuation lines have been joined, with the way back to where each byte stood.
struct LogicalLine {
    private(set) var text: [UInt8] = []
    /// Where runs of bytes came from: the offset in `text`, and the offset in the file.
    private var runs: [(start: Int, source: Int)] = []

    mutating func append(_ source: SourceText, _ extent: Range<Int>) {
        guard !extent.isEmpty else { return }
        runs.append((text.count, extent.lowerBound))
        text += source.bytes[extent]
    }

    private func sourceOffset(of offset: Int) -> Int {
        var low = 0
        var high = runs.count
        guard high > 0 else { return 0 }
        while high - low > 1 {
            let middle = (low + high) / 2
            if runs[middle].start <= offset { low = middle } else { high = middle }
        }
        return runs[low].source + offset - runs[low].start
    }

    /// The place in the file of a stretch of `text`.
    func range(_ range: Range<Int>, in source: SourceText) -> SourceRange {
        let start = source.position(of: sourceOffset(of: range.lowerBound))
        guard let last = range.last else { return SourceRange(start: start, end: start) }
        var end = source.position(of: sourceOffset(of: last))
        end.column += 1
        return SourceRange(start: start, end: end)
    }
}

/// What the parsers of one instruction need: its joined line, where that stood, and the escape character.
struct LineContext {
    let line: LogicalLine
    let source: SourceText
    let escape: UInt8
    /// The lines of the instruction, without the bodies of its heredocs.
    let lines: SourceRange
    /// Set where the text does not stand in a file the user sees: every range then is this one.
    var placeInstead: SourceRange?

    var text: [UInt8] { line.text }

    func range(_ range: Range<Int>) -> SourceRange { placeInstead ?? line.range(range, in: source) }

    func word(_ range: Range<Int>) -> Word { Word(Array(text[range]), at: self.range(range)) }

    func failure(_ reason: DockerfileError.Reason) -> DockerfileError {
        DockerfileError(reason, at: [lines], in: source)
    }
}

/// Some bytes of the Dockerfile and where they stand.
package struct Word: Hashable, Sendable {
    package var bytes: [UInt8]
    package var range: SourceRange

    package init(_ bytes: [UInt8], at range: SourceRange) {
        self.bytes = bytes
        self.range = range
    }
}
