internal import Text

/// A flag before an instruction's arguments: `--name` or `--name=value`.
package struct InstructionFlag: Hashable, Sendable {
    package let name: [UInt8]
    /// Nil for `--name` alone.
    ///
    /// Quotes and escapes have been resolved.
    package let value: [UInt8]?
    package let range: SourceRange
}

extension LineContext {
    /// Takes the flags off the front of an instruction's arguments.
    /// - Returns: the flags, and where the arguments begin.
    func flags(in range: Range<Int>) -> (flags: [InstructionFlag], rest: Range<Int>) {
        let text = self.text
        var flags: [InstructionFlag] = []
        var position = range.lowerBound
        while true {
            while position < range.upperBound, isBlank(text[position]) { position += 1 }
            let start = position
            guard text[position..<range.upperBound].starts(with: "--") else { return (flags, start..<range.upperBound) }
            let word = unquotedWord(at: &position, until: range.upperBound)
            if word == "--" { return (flags, position..<range.upperBound) }
            let equals = word.firstIndex(of: "=")
            flags.append(
                InstructionFlag(
                    name: Array(word[2..<(equals ?? word.count)]),
                    value: equals.map { Array(word[($0 + 1)...]) },
                    range: self.range(start..<position)
                )
            )
        }
    }

    /// Reads a word up to a blank, with quotes and escapes resolved.
    private func unquotedWord(at position: inout Int, until end: Int) -> [UInt8] {
        var word: [UInt8] = []
        var quote: UInt8?
        while position < end {
            var byte = text[position]
            if quote == nil, isBlank(byte) { break }
            position += 1
            if byte == quote {
                quote = nil
                continue
            }
            if quote == nil, byte == "'" || byte == "\"" {
                quote = byte
                continue
            }
            if byte == escape {
                guard position < end else { break }
                byte = text[position]
                position += 1
            }
            word.append(byte)
        }
        return word
    }
}

/// Gives the flags of one instruction their types.
struct FlagReader {
    enum Kind {
        case text, boolean, list
    }

    private var values: [String: [InstructionFlag]] = [:]

    /// Checks flags against those an instruction knows.
    /// - Throws: `DockerfileError` for an unknown one, a repeated one, one without its value.
    init(_ flags: [InstructionFlag], in context: LineContext, known: KeyValuePairs<String, Kind> = [:])
        throws(DockerfileError)
    {
        for flag in flags {
            let name = flag.name.displayText
            func failure(_ reason: DockerfileError.Reason) -> DockerfileError {
                DockerfileError(reason, at: [context.placeInstead ?? flag.range], in: context.source)
            }
            guard let kind = known.first(where: { $0.key == name })?.value else {
                throw failure(.unknownFlag(name, didYouMean: suggestion(for: name, among: known.map(\.key))))
            }
            guard kind == .list || values[name] == nil else { throw failure(.repeatedFlag(name)) }
            switch kind {
            case .boolean:
                guard flag.value != [] else { throw failure(.missingFlagValue(name)) }
                if let value = flag.value, !["true", "false"].contains(value.asciiLowercased.displayText) {
                    throw failure(.notBoolean(flag: name, value: value.displayText))
                }
            case .text, .list: guard flag.value != nil else { throw failure(.missingFlagValue(name)) }
            }
            values[name, default: []].append(flag)
        }
    }

    func text(_ name: String) -> Word? { list(name).first }

    func list(_ name: String) -> [Word] { (values[name] ?? []).map { Word($0.value ?? [], at: $0.range) } }

    /// Nil where the flag was not given.
    func boolean(_ name: String) -> Bool? {
        values[name]?.first.map { $0.value.map { $0.asciiLowercased == "true" } ?? true }
    }
}
