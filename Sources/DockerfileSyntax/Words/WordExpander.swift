internal import Text

/// Splits text into words and replaces variables, as Dockerfile instructions other than RUN, CMD and ENTRYPOINT do.
///
/// It follows a POSIX shell's rules for quotes and `${}`, without commands and arithmetic. The bounds (depth, length, work)
/// make hostile text end in an error instead of taking memory or time.
package struct WordExpander: Sendable {
    package static let maximumDepth = 64
    /// How much longer than its source an expanded word may be, in bytes.
    package static let maximumGrowth = 1 << 20
    static let maximumWork = 32 << 20

    /// The escape character of the Dockerfile: a backslash or a backquote.
    package var escape: UInt8
    /// Quotes stay in the result.
    package var keepsQuotes = false
    /// Escape characters stay in the result.
    package var keepsEscapes = false
    /// Quotes mean nothing: for the bodies of heredocs.
    package var ignoresQuotes = false
    /// References to variables that are not set stay as they are: for titles of steps.
    package var keepsUnset = false

    package init(escape: UInt8 = "\\") { self.escape = escape }

    /// A word after expansion.
    package struct Result: Sendable {
        package var text: [UInt8] = []
        /// The text split at blanks that no quotes protect.
        package var words: [[UInt8]] = []
        /// The names of the variables used that were set, and of those that were not.
        package var matched: Set<[UInt8]> = []
        package var unmatched: Set<[UInt8]> = []
    }

    /// Expands `word`.
    /// - Throws: `ExpansionError.inWord`.
    package func expand(_ word: [UInt8], with variables: Variables) throws(ExpansionError) -> Result {
        var scan = Scan(input: word, expander: self, variables: variables)
        do throws(ExpansionError) {
            let (text, words) = try scan.text(until: nil, keepingEscapes: keepsEscapes)
            return Result(text: text, words: words, matched: scan.matched, unmatched: scan.unmatched)
        } catch {
            throw .inWord(quoted(word.prefix(200)).displayText, error)
        }
    }
}

/// One pass over one word.
private struct Scan {
    let input: [UInt8]
    let expander: WordExpander
    let variables: Variables
    var position = 0
    var depth = 0
    var work = WordExpander.maximumWork
    var matched: Set<[UInt8]> = []
    var unmatched: Set<[UInt8]> = []

    init(input: [UInt8], expander: WordExpander, variables: Variables) {
        self.input = input
        self.expander = expander
        self.variables = variables
    }

    private var peek: UInt8? { position < input.count ? input[position] : nil }
    private var isAtEnd: Bool { position >= input.count }

    private mutating func next() -> UInt8? {
        guard position < input.count else { return nil }
        position += 1
        return input[position - 1]
    }

    /// The words of a text that is being put together.
    private struct Words {
        var done: [[UInt8]] = []
        var current: [UInt8] = []

        mutating func add(_ byte: UInt8) {
            if isBlank(byte) || byte == 0x0a { finish() } else { current.append(byte) }
        }

        mutating func finish() {
            guard !current.isEmpty else { return }
            done.append(current)
            current = []
        }
    }

    mutating func text(
        until stop: UInt8?,
        keepingEscapes: Bool
    ) throws(ExpansionError) -> (text: [UInt8], words: [[UInt8]]) {
        var result: [UInt8] = []
        var words = Words()
        while let byte = peek {
            if byte == stop {
                position += 1
                words.finish()
                return (result, words.done)
            }
            switch byte {
            case "$":
                let value = try dollar(keepingEscapes: keepingEscapes)
                result += value
                for byte in value { words.add(byte) }
            case "<":
                let value = heredocMark()
                result += value
                words.current += value
            case "'" where !expander.ignoresQuotes:
                let value = try singleQuoted()
                result += value
                words.current += value
            case "\"" where !expander.ignoresQuotes:
                let value = try doubleQuoted(keepingEscapes: keepingEscapes)
                result += value
                words.current += value
            case expander.escape:
                position += 1
                if keepingEscapes {
                    result.append(byte)
                    words.current.append(byte)
                }
                // At the very end it escapes nothing and goes away.
                guard let escaped = next() else { break }
                result.append(escaped)
                words.current.append(escaped)
            default:
                position += 1
                result.append(byte)
                words.add(byte)
            }
            try check(result)
        }
        guard stop == nil else { throw .missingBrace }
        words.finish()
        return (result, words.done)
    }

    private func check(_ result: [UInt8]) throws(ExpansionError) {
        let limit = input.count + WordExpander.maximumGrowth
        guard result.count <= limit else { throw .tooLong(limit: limit) }
    }

    private mutating func singleQuoted() throws(ExpansionError) -> [UInt8] {
        let start = position
        position += 1
        while let byte = next() {
            guard byte == "'" else { continue }
            return Array(expander.keepsQuotes ? input[start..<position] : input[(start + 1)..<(position - 1)])
        }
        throw .unmatchedSingleQuote
    }

    private mutating func doubleQuoted(keepingEscapes: Bool) throws(ExpansionError) -> [UInt8] {
        position += 1
        var result: [UInt8] = expander.keepsQuotes ? "\"" : []
        while let byte = peek {
            switch byte {
            case "\"":
                position += 1
                if expander.keepsQuotes { result.append(byte) }
                return result
            case "$":
                result += try dollar(keepingEscapes: keepingEscapes)
                try check(result)
            case expander.escape:
                position += 1
                if keepingEscapes { result.append(byte) }
                guard let escaped = peek else { continue }
                // Only these can be escaped here; before anything else the escape character is itself.
                if escaped == "\"" || escaped == "$" || escaped == expander.escape {
                    position += 1
                    result.append(escaped)
                } else {
                    result.append(byte)
                }
            default:
                position += 1
                result.append(byte)
            }
        }
        throw .unmatchedDoubleQuote
    }

    /// `<<` takes the blanks after it along, so that `<< EOF` is one word.
    private mutating func heredocMark() -> [UInt8] {
        position += 1
        guard peek == "<" else { return "<" }
        position += 1
        var mark: [UInt8] = "<<"
        while let byte = peek, byte == 0x20 || byte == 0x09 || byte == 0x0d {
            mark.append(byte)
            position += 1
        }
        return mark
    }

    private mutating func dollar(keepingEscapes: Bool) throws(ExpansionError) -> [UInt8] {
        position += 1
        guard peek == "{" else {
            let name = variableName()
            if name.isEmpty { return "$" }
            guard let value = value(of: name) else {
                return expander.keepsUnset ? "$" + name : []
            }
            return value
        }
        position += 1
        depth += 1
        defer { depth -= 1 }
        guard depth <= WordExpander.maximumDepth else { throw .nestedTooDeep(limit: WordExpander.maximumDepth) }
        switch peek {
        case nil: throw .missingBrace
        case "{", "}", ":": throw .badSubstitution
        default: return try braces(name: variableName())
        }
    }

    private mutating func braces(name: [UInt8]) throws(ExpansionError) -> [UInt8] {
        guard var modifier = next() else { throw .missingBrace }
        var written = [modifier]
        switch modifier {
        case "}":
            guard let value = value(of: name) else {
                return expander.keepsUnset ? "${" + name + "}" : []
            }
            return value
        case "/": return try replacement(in: name)
        case ":":
            guard let second = next() else { throw .missingBrace }
            modifier = second
            written.append(second)
        default: break
        }
        let strips = modifier == "#" || modifier == "%"
        guard "-+?#%".utf8.contains(modifier), !(strips && written.count > 1) else {
            // BuildKit reports a missing brace before an unknown modifier.
            if written.count > 1, !strips { _ = try operand(until: "}", keepingEscapes: false) }
            throw .unsupportedModifier(written.displayText)
        }
        let word = try operand(until: "}", keepingEscapes: strips)
        let value = value(of: name)
        if expander.keepsUnset, value == nil {
            return "${" + name + written + word + "}"
        }
        let isMissing = value == nil || (written.count > 1 && value == [])
        switch modifier {
        case "-": return isMissing ? word : value ?? []
        case "+": return isMissing ? [] : word
        case "?":
            guard isMissing else { return value ?? [] }
            let reason = value == nil ? "is not allowed to be unset" : "is not allowed to be empty"
            throw .unset(name: name.displayText, message: word.isEmpty ? reason : word.displayText)
        default: return try stripped(value ?? [], by: word, from: modifier)
        }
    }

    private mutating func operand(until stop: UInt8, keepingEscapes: Bool) throws(ExpansionError) -> [UInt8] {
        do throws(ExpansionError) {
            return try text(until: stop, keepingEscapes: keepingEscapes).text
        } catch {
            switch error {
            case .tooLong, .nestedTooDeep, .tooMuchWork: throw error
            default: throw isAtEnd ? .missingBrace : error
            }
        }
    }

    private mutating func stripped(
        _ value: [UInt8],
        by word: [UInt8],
        from modifier: UInt8
    ) throws(ExpansionError) -> [UInt8] {
        let isGreedy = word.first == modifier
        let pattern = try SubstitutionPattern(isGreedy ? Array(word.dropFirst()) : word)
        let scalars = ScalarText(value).scalars
        if modifier == "#" {
            guard let end = try pattern.end(in: scalars, from: 0, longest: isGreedy, work: &work) else { return value }
            return ScalarText.bytes(of: scalars[end...])
        }
        let backwards = Array(scalars.reversed())
        guard let end = try pattern.reversed.end(in: backwards, from: 0, longest: isGreedy, work: &work) else {
            return value
        }
        return ScalarText.bytes(of: scalars[..<(scalars.count - end)])
    }

    private mutating func replacement(in name: [UInt8]) throws(ExpansionError) -> [UInt8] {
        let replacesAll = peek == "/"
        if replacesAll { position += 1 }
        let word: [UInt8]
        do throws(ExpansionError) {
            word = try operand(until: "/", keepingEscapes: true)
        } catch {
            throw error == .missingBrace ? .missingSlash : error
        }
        let substitute = try operand(until: "}", keepingEscapes: true)
        guard let value = value(of: name) else {
            guard expander.keepsUnset else { return [] }
            let slash: [UInt8] = "/"
            return "${" + name + slash + word + slash + substitute + "}"
        }
        let pattern = try SubstitutionPattern(word)
        let scalars = ScalarText(value).scalars
        var result: [UInt8] = []
        var position = 0
        var copied = 0
        var lastEnd: Int?
        while position <= scalars.count, let range = try pattern.firstRange(in: scalars, from: position, work: &work) {
            // An empty match right after a match does not count.
            if range.isEmpty, range.lowerBound == lastEnd {
                position = range.upperBound + 1
                continue
            }
            result += ScalarText.bytes(of: scalars[copied..<range.lowerBound]) + substitute
            try check(result)
            copied = range.upperBound
            lastEnd = range.upperBound
            position = range.isEmpty ? range.upperBound + 1 : range.upperBound
            guard replacesAll else { break }
        }
        return result + ScalarText.bytes(of: scalars[copied...])
    }

    /// A name: letters, digits and underscores; or digits only; or one of the shell's special parameters.
    private mutating func variableName() -> [UInt8] {
        guard let first = peek else { return [] }
        let start = position
        if isDigit(first) {
            while let byte = peek, isDigit(byte) { position += 1 }
            return Array(input[start..<position])
        }
        if "@*#?-$!".utf8.contains(first) {
            position += 1
            return [first]
        }
        while let byte = peek {
            if isLetter(byte) || isDigit(byte) || byte == "_" {
                position += 1
            } else if let width = widthOfForeignLetter() {
                position += width
            } else {
                break
            }
        }
        return Array(input[start..<position])
    }

    /// The length of a letter outside ASCII at the current place: BuildKit allows them in names.
    private func widthOfForeignLetter() -> Int? {
        guard let first = peek, first >= 0x80 else { return nil }
        var decoder = UTF8()
        var iterator = input[position...].prefix(4).makeIterator()
        guard case .scalarValue(let scalar) = decoder.decode(&iterator) else { return nil }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber:
            return UTF8.width(scalar)
        default: return nil
        }
    }

    private mutating func value(of name: [UInt8]) -> [UInt8]? {
        let value = variables[name]
        if value == nil { unmatched.insert(name) } else { matched.insert(name) }
        return value
    }
}
