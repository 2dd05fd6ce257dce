internal import Text

/// The ways in which instructions split the text after their flags.
extension LineContext {
    /// Splits at blanks; quotes mean nothing.
    func plainWords(in range: Range<Int>) throws(DockerfileError) -> [Word] {
        let text = self.text
        var words: [Word] = []
        var start: Int?
        for position in range {
            if isBlank(text[position]) {
                if let from = start { words.append(word(from..<position)) }
                try check(words.count)
                start = nil
            } else if start == nil {
                start = position
            }
        }
        if let from = start { words.append(word(from..<range.upperBound)) }
        return words
    }

    /// Splits at blanks outside quotes.
    ///
    /// Quotes and escapes stay: expansion resolves them.
    func quotedWords(in range: Range<Int>) throws(DockerfileError) -> [Word] {
        let text = self.text
        var words: [Word] = []
        var position = range.lowerBound
        while true {
            while position < range.upperBound, isBlank(text[position]) { position += 1 }
            guard position < range.upperBound else { return words }
            let start = position
            var bytes: [UInt8] = []
            var quote: UInt8?
            while position < range.upperBound {
                let byte = text[position]
                if quote == nil, isBlank(byte) { break }
                position += 1
                if byte == escape, quote != "'" {
                    // An escape character at the very end goes away.
                    guard position < range.upperBound else { break }
                    bytes += [byte, text[position]]
                    position += 1
                    continue
                }
                if byte == quote {
                    quote = nil
                } else if quote == nil, byte == "'" || byte == "\"" {
                    quote = byte
                }
                bytes.append(byte)
            }
            if !bytes.isEmpty { words.append(Word(bytes, at: self.range(start..<position))) }
            try check(words.count)
        }
    }

    private func check(_ count: Int) throws(DockerfileError) {
        guard count <= Dockerfile.maximumWords else { throw failure(.tooManyWords(limit: Dockerfile.maximumWords)) }
    }

    /// `name=value …`, or the old form `name value`, in which the rest of the line is the value.
    func keyValues(in range: Range<Int>, of instruction: Keyword) throws(DockerfileError) -> [KeyValue] {
        let words = try quotedWords(in: range)
        guard let first = words.first else { return [] }
        guard first.bytes.contains("=") else {
            let text = self.text
            guard let space = range.first(where: { isBlank(text[$0]) }) else {
                throw failure(.needsTwoArguments(instruction: instruction.name))
            }
            var valueStart = space
            while valueStart < range.upperBound, isBlank(text[valueStart]) { valueStart += 1 }
            return [
                KeyValue(
                    key: Array(text[range.lowerBound..<space]),
                    value: Array(text[valueStart..<range.upperBound]),
                    hasEquals: false,
                    range: self.range(range)
                )
            ]
        }
        var pairs: [KeyValue] = []
        for word in words {
            guard let equals = word.bytes.firstIndex(of: "=") else {
                throw failure(.missingEquals(word: quoted(word.bytes).displayText))
            }
            pairs.append(
                KeyValue(
                    key: Array(word.bytes[..<equals]),
                    value: Array(word.bytes[(equals + 1)...]),
                    hasEquals: true,
                    range: word.range
                )
            )
        }
        return pairs
    }

    /// A JSON array of strings, or nil where the text is in the other form.
    func strings(in range: Range<Int>) throws(DockerfileError) -> [[UInt8]]? {
        switch JSONForm.array(Array(text[range])) {
        case .strings(let strings): return strings
        case .otherElements: throw failure(.notStrings)
        case .notAnArray: return nil
        }
    }

    /// A JSON array, or the text as one shell command.
    func commandLine(in range: Range<Int>) throws(DockerfileError) -> CommandLine {
        if let strings = try strings(in: range) { return .exec(strings) }
        return .shell(Array(text[range]))
    }

    /// A JSON array, or words.
    func wordsOrStrings(in range: Range<Int>) throws(DockerfileError) -> (words: [Word], isJSON: Bool) {
        guard let strings = try strings(in: range) else { return (try plainWords(in: range), false) }
        let place = self.range(range)
        return (strings.map { Word($0, at: place) }, true)
    }
}
