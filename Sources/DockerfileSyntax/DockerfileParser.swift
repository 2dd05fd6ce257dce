internal import Text

/// Reads a file line by line: directives, comments, continuations, heredocs; each instruction goes to `InstructionParser`.
struct DockerfileParser {
    let source: SourceText
    var escape: UInt8 = "\\"
    /// Where errors and ranges point instead of this text: for triggers, which stand in no file the user has.
    var shownInstead: (file: SourceText, place: SourceRange)?

    private(set) var directives: [Directive] = []
    private(set) var instructions: [Instruction] = []
    private(set) var emptyContinuations: [SourceRange] = []

    private var directiveReader = DirectiveReader()
    /// 1 where the first line names an interpreter, as that of a script does.
    private var shebangCount = 0
    private var nextLine = 0
    private var comments: [[UInt8]] = []

    init(source: SourceText) { self.source = source }

    mutating func parseFile() throws(DockerfileError) {
        while nextLine < source.lineCount {
            try parseOne()
        }
        guard !instructions.isEmpty else {
            throw failure(.noInstructions, line: max(1, source.lineCount))
        }
    }

    private func failure(_ reason: DockerfileError.Reason, line: Int) -> DockerfileError {
        if let shownInstead { return DockerfileError(reason, at: [shownInstead.place], in: shownInstead.file) }
        return DockerfileError(reason, at: [source.range(ofLines: line...line)], in: source)
    }

    /// The next line without its line feed and, on the first, without a byte order mark.
    private mutating func takeLine() throws(DockerfileError) -> Range<Int> {
        var extent = source.extent(ofLine: nextLine)
        nextLine += 1
        guard extent.count <= Dockerfile.maximumLineLength else {
            throw failure(.lineTooLong(limit: Dockerfile.maximumLineLength), line: nextLine)
        }
        if nextLine == 1, source.bytes.starts(with: "\u{feff}") { extent = (extent.lowerBound + 3)..<extent.upperBound }
        while let last = extent.last, source.bytes[last] == 0x0a || source.bytes[last] == 0x0d {
            extent = extent.lowerBound..<last
        }
        return extent
    }

    private func skippingBlanks(_ extent: Range<Int>) -> Range<Int> {
        var start = extent.lowerBound
        while start < extent.upperBound, isBlank(source.bytes[start]) { start += 1 }
        return start..<extent.upperBound
    }

    private func isComment(_ extent: Range<Int>) -> Bool {
        guard let first = skippingBlanks(extent).first else { return false }
        return source.bytes[first] == "#"
    }

    /// Takes the continuation mark off the end of a line: an escape character that no other precedes, and blanks after it.
    private func withoutContinuation(_ extent: Range<Int>) -> Range<Int>? {
        var end = extent.upperBound
        while end > extent.lowerBound, source.bytes[end - 1] == 0x20 || source.bytes[end - 1] == 0x09 { end -= 1 }
        guard end > extent.lowerBound, source.bytes[end - 1] == escape else { return nil }
        end -= 1
        guard end == extent.lowerBound || source.bytes[end - 1] != escape else { return nil }
        return extent.lowerBound..<end
    }

    private mutating func parseOne() throws(DockerfileError) {
        let firstLine = nextLine + 1
        let extent = skippingBlanks(try takeLine())
        let isDirective = try readDirective(extent, line: firstLine)
        if isComment(extent) {
            guard !isDirective else { return }
            let comment = Array(source.bytes[(extent.lowerBound + 1)..<extent.upperBound]).trimmed
            if comment.isEmpty { comments = [] } else { comments.append(comment) }
            return
        }
        var line = LogicalLine()
        guard let rest = withoutContinuation(extent) else {
            guard !extent.isEmpty else { return }
            line.append(source, extent)
            return try finish(line, firstLine: firstLine)
        }
        line.append(source, rest)
        try appendContinuations(to: &line)
        try finish(line, firstLine: firstLine)
    }

    private mutating func readDirective(_ extent: Range<Int>, line: Int) throws(DockerfileError) -> Bool {
        // Directives of a trigger's text would be an instruction's own comments.
        guard shownInstead == nil, directives.count + shebangCount == line - 1 else { return false }
        if line == 1, source.bytes[extent].starts(with: "#!") {
            shebangCount = 1
            return false
        }
        guard let found = directiveReader.read(Array(source.bytes[extent])) else { return false }
        switch found {
        case .repeated(let name): throw failure(.repeatedDirective(name.rawValue), line: line)
        case .directive(let name, let value):
            // As in BuildKit, whose finder of escape characters knows no such lines.
            if name == .escape, shebangCount == 0 {
                guard value == "\\" || value == "`" else {
                    throw failure(.invalidEscapeDirective(value.displayText), line: line)
                }
                escape = value[0]
            }
            directives.append(Directive(name: name, value: value, range: source.range(ofLines: line...line)))
            return true
        }
    }

    private mutating func appendContinuations(to line: inout LogicalLine) throws(DockerfileError) {
        var emptyLine = 0
        defer {
            if emptyLine > 0 { emptyContinuations.append(source.range(ofLines: nextLine...nextLine)) }
        }
        while nextLine < source.lineCount {
            let extent = try takeLine()
            if isComment(extent) { continue }
            if skippingBlanks(extent).isEmpty {
                emptyLine = nextLine
                continue
            }
            guard let rest = withoutContinuation(extent) else {
                line.append(source, extent)
                return
            }
            line.append(source, rest)
        }
    }

    private mutating func finish(_ line: LogicalLine, firstLine: Int) throws(DockerfileError) {
        guard instructions.count < Dockerfile.maximumInstructions else {
            throw failure(.tooManyInstructions(limit: Dockerfile.maximumInstructions), line: firstLine)
        }
        let lines = source.range(ofLines: firstLine...max(firstLine, nextLine))
        let parser = InstructionParser(
            context: LineContext(
                line: line,
                source: shownInstead?.file ?? source,
                escape: escape,
                lines: shownInstead?.place ?? lines,
                placeInstead: shownInstead?.place
            ),
            comments: comments
        )
        let parts = parser.parts()
        var heredocs: [Heredoc] = []
        if line.text.contains("<"), parser.mayHaveHeredocs(parts) {
            heredocs = try readHeredocs(announcedBy: line.text, firstLine: firstLine)
        }
        let command = try parser.command(parts, heredocs: heredocs)
        guard let keyword = parts.keyword else { return }
        instructions.append(
            Instruction(
                command: command,
                keyword: keyword,
                keywordText: parts.keywordText,
                text: line.text.trimmed,
                flags: parts.flags,
                heredocs: heredocs,
                comments: comments,
                range: shownInstead?.place ?? source.range(ofLines: firstLine...max(firstLine, nextLine))
            )
        )
        comments = []
    }

    private mutating func readHeredocs(
        announcedBy text: [UInt8],
        firstLine: Int
    ) throws(DockerfileError) -> [Heredoc] {
        var heredocs: [Heredoc]
        do throws(ExpansionError) {
            heredocs = try Heredoc.announced(by: text)
        } catch {
            throw failure(.expansion(error), line: firstLine)
        }
        for index in heredocs.indices {
            let start = nextLine
            let bodyStart = source.extent(ofLine: min(start, source.lineCount - 1))
            let from = start < source.lineCount ? bodyStart.lowerBound : source.bytes.count
            var to = from
            var isTerminated = false
            while nextLine < source.lineCount, !isTerminated {
                let whole = source.extent(ofLine: nextLine)
                var extent = try takeLine()
                if heredocs[index].stripsTabs {
                    while let first = extent.first, source.bytes[first] == 0x09 {
                        extent = (first + 1)..<extent.upperBound
                    }
                }
                isTerminated = source.bytes[extent].elementsEqual(heredocs[index].name)
                if !isTerminated { to = whole.upperBound }
            }
            guard isTerminated else {
                let lines = source.range(ofLines: firstLine...max(firstLine, nextLine))
                let (file, place) = shownInstead ?? (source, lines)
                throw DockerfileError(.unterminatedHeredoc, at: [place], in: file)
            }
            heredocs[index].setBody(
                Array(source.bytes[from..<to]),
                at: source.range(ofLines: (start + 1)...nextLine)
            )
        }
        return heredocs
    }
}
