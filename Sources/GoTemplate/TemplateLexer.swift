import Text

/// The words of a template.
struct TemplateToken: Sendable, Equatable {
    enum Kind: Sendable, Equatable {
        case text(String)
        case open, close
        case space
        case pipe, leftParenthesis, rightParenthesis, declare, assign, comma
        case dot
        case field(String)
        case variable(String)
        case identifier(String)
        case string(String)
        case character(Int64)
        case number(String)
        case end
    }

    var kind: Kind
    var position: Int
    var written: String
}

/// Cuts a template into words, following the lexical rules of Go's text/template.
struct TemplateLexer {
    private let source: [UInt8]
    private let name: String
    private var position = 0
    private var tokens: [TemplateToken] = []

    init(_ source: [UInt8], name: String) {
        self.source = source
        self.name = name
    }

    mutating func tokenize() throws(TemplateError) -> [TemplateToken] {
        var trimsLeft = false
        while position < source.count {
            let start = position
            let open = find("{{", from: position) ?? source.count
            var end = open
            let trimsRight =
                open + 3 < source.count && source[open + 2] == "-" && isSpace(source[open + 3])
            var textStart = start
            if trimsLeft { while textStart < end, isSpace(source[textStart]) { textStart += 1 } }
            if trimsRight { while end > textStart, isSpace(source[end - 1]) { end -= 1 } }
            if end > textStart {
                append(.text(String(decoding: source[textStart..<end], as: UTF8.self)), start)
            }
            trimsLeft = false
            guard open < source.count else { break }
            position = open + 2 + (trimsRight ? 2 : 0)
            if starts(with: "/*") {
                trimsLeft = try skipComment()
            } else {
                append(.open, open)
                trimsLeft = try tokenizeAction()
            }
        }
        append(.end, position)
        return tokens
    }

    private mutating func skipComment() throws(TemplateError) -> Bool {
        guard let end = find("*/", from: position + 2) else { throw failure("unclosed comment") }
        position = end + 2
        let trims = isTrimmedClose
        if trims { position += 2 }
        guard starts(with: "}}") else { throw failure("comment ends before closing delimiter") }
        position += 2
        return trims
    }

    /// Whether ` -}}` (its space included) stands here.
    private var isTrimmedClose: Bool {
        position + 3 < source.count && isSpace(source[position]) && source[position + 1] == "-"
            && source[position + 2] == "}" && source[position + 3] == "}"
    }

    /// The words up to `}}`; true where white space after it is to be dropped.
    private mutating func tokenizeAction() throws(TemplateError) -> Bool {
        var depth = 0
        while true {
            guard position < source.count else { throw failure("unclosed action") }
            let trims = isTrimmedClose
            if trims || starts(with: "}}") {
                guard depth == 0 else { throw failure("unclosed left paren") }
                if trims { position += 2 }
                append(.close, position)
                position += 2
                return trims
            }
            let start = position
            let byte = source[position]
            position += 1
            switch byte {
            case _ where isSpace(byte):
                while position < source.count, isSpace(source[position]), !isTrimmedClose { position += 1 }
                append(.space, start)
            case "|": append(.pipe, start)
            case "(":
                depth += 1
                append(.leftParenthesis, start)
            case ")":
                depth -= 1
                guard depth >= 0 else { throw failure("unexpected right paren") }
                append(.rightParenthesis, start)
            case ",": append(.comma, start)
            case "=": append(.assign, start)
            case ":":
                guard position < source.count, source[position] == "=" else {
                    throw failure("expected :=")
                }
                position += 1
                append(.declare, start)
            case "\"": try quoted(start)
            case "`": try raw(start)
            case "'": try character(start)
            case "$":
                let name = word()
                try checkEnd()
                append(.variable(name), start)
            case "." where position >= source.count || !isDigit(source[position]):
                let name = word()
                try checkEnd()
                append(name.isEmpty ? .dot : .field(name), start)
            case _ where isDigit(byte) || "+-.".utf8.contains(byte):
                position = start
                try number()
            case _ where isWord(byte):
                position = start
                let name = word()
                try checkEnd()
                append(.identifier(name), start)
            default: throw failure("unexpected \"\(display(at: start))\" in command")
            }
        }
    }

    private mutating func word() -> String {
        let start = position
        while position < source.count, isWord(source[position]) { position += 1 }
        return String(decoding: source[start..<position], as: UTF8.self)
    }

    /// A word must be followed by something that cannot belong to it.
    private func checkEnd() throws(TemplateError) {
        guard position < source.count else { return }
        let byte = source[position]
        if isSpace(byte) || ".,|:()=".utf8.contains(byte) || starts(with: "}}") { return }
        let scalar = String(decoding: source[position...].prefix(4), as: UTF8.self).unicodeScalars.first ?? "?"
        let code = String(scalar.value, radix: 16, uppercase: true)
        throw failure("bad character U+\(String(repeating: "0", count: max(0, 4 - code.count)))\(code) '\(scalar)'")
    }

    private mutating func number() throws(TemplateError) {
        let start = position
        while position < source.count, isWord(source[position]) || "+-.".utf8.contains(source[position]) {
            let isSign = "+-".utf8.contains(source[position])
            if isSign, position > start, !"eEpP".utf8.contains(source[position - 1]) { break }
            position += 1
        }
        let written = String(decoding: source[start..<position], as: UTF8.self)
        guard TemplateNumbers.value(written) != nil else {
            // Go shows the digits and the first character that cannot follow them.
            let accepted = written.prefix { "+-.0123456789_".contains($0) }.count
            throw failure("bad number syntax: \"\(written.prefix(accepted + 1))\"")
        }
        append(.number(written), start)
    }

    private mutating func quoted(_ start: Int) throws(TemplateError) {
        while position < source.count, source[position] != "\"" {
            if source[position] == "\n" { throw failure("unterminated quoted string") }
            position += source[position] == "\\" ? 2 : 1
        }
        guard position < source.count else { throw failure("unterminated quoted string") }
        let inner = Array(source[(start + 1)..<position])
        position += 1
        guard let text = TemplateNumbers.unquoted(inner) else { throw failure("invalid syntax") }
        append(.string(text), start)
    }

    private mutating func raw(_ start: Int) throws(TemplateError) {
        guard let end = source[position...].firstIndex(of: "`") else {
            throw failure("unterminated raw quoted string")
        }
        let text = String(decoding: source[position..<end], as: UTF8.self)
        position = end + 1
        append(.string(text), start)
    }

    private mutating func character(_ start: Int) throws(TemplateError) {
        while position < source.count, source[position] != "'" {
            position += source[position] == "\\" ? 2 : 1
        }
        guard position < source.count else { throw failure("unterminated character constant") }
        let inner = Array(source[(start + 1)..<position])
        position += 1
        guard let text = TemplateNumbers.unquoted(inner), let scalar = text.unicodeScalars.first,
            text.unicodeScalars.count == 1
        else { throw failure("malformed character constant: '\(String(decoding: inner, as: UTF8.self))'") }
        append(.character(Int64(scalar.value)), start)
    }

    private mutating func append(_ kind: TemplateToken.Kind, _ start: Int) {
        let end = max(start, min(position, source.count))
        let written = String(decoding: source[start..<end], as: UTF8.self)
        tokens.append(TemplateToken(kind: kind, position: start, written: written))
    }

    private func failure(_ reason: String) -> TemplateError {
        let line = 1 + source[..<min(position, source.count)].count { $0 == "\n" }
        return .syntax(template: name, line: line, reason: reason)
    }

    private func display(at start: Int) -> String {
        String(String(decoding: source[start...].prefix(4), as: UTF8.self).prefix(1))
    }

    private func starts(with text: StaticString) -> Bool {
        text.withUTF8Buffer { source[min(position, source.count)...].starts(with: $0) }
    }

    private func find(_ text: StaticString, from start: Int) -> Int? {
        text.withUTF8Buffer { pattern in
            guard start + pattern.count <= source.count else { return nil }
            return (start...(source.count - pattern.count)).first { source[$0...].starts(with: pattern) }
        }
    }

    private func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d }
    private func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
    private func isWord(_ byte: UInt8) -> Bool {
        isDigit(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte) || byte == 0x5f || byte >= 0x80
    }
}

/// Literals of Go.
enum TemplateNumbers {
    /// An integer or a float as Go writes it; nil where it is neither.
    static func value(_ written: String) -> TemplateValue? {
        let text = written.filter { $0 != "_" }
        let isNegative = text.hasPrefix("-")
        let digits = isNegative || text.hasPrefix("+") ? text.dropFirst() : text[...]
        guard digits.first?.isNumber == true || digits.first == "." else { return nil }
        let radixes: [(String, Int)] = [("0x", 16), ("0b", 2), ("0o", 8)]
        if let radix = radixes.first(where: { digits.lowercased().hasPrefix($0.0) }) {
            return Int64(digits.dropFirst(2), radix: radix.1).map { .integer(isNegative ? -$0 : $0) }
        }
        if let integer = Int64(digits) { return .integer(isNegative ? -integer : integer) }
        guard let number = Double(digits) else { return nil }
        // Go takes a float constant for an integer where it is whole.
        if number == number.rounded(), abs(number) < 1e15 {
            return digits.contains(".") && !digits.contains("e")
                ? .number(isNegative ? -number : number) : .integer(Int64(isNegative ? -number : number))
        }
        return .number(isNegative ? -number : number)
    }

    /// The text of a quoted literal without its quotes; nil where an escape is wrong.
    static func unquoted(_ bytes: [UInt8]) -> String? {
        var result: [UInt8] = []
        var index = 0
        func hexadecimal(_ count: Int) -> UInt32? {
            guard index + count <= bytes.count else { return nil }
            let digits = String(decoding: bytes[index..<(index + count)], as: UTF8.self)
            index += count
            return UInt32(digits, radix: 16)
        }
        while index < bytes.count {
            let byte = bytes[index]
            index += 1
            guard byte == "\\" else {
                result.append(byte)
                continue
            }
            guard index < bytes.count else { return nil }
            let escape = bytes[index]
            index += 1
            switch escape {
            case "a": result.append(7)
            case "b": result.append(8)
            case "f": result.append(12)
            case "n": result.append(10)
            case "r": result.append(13)
            case "t": result.append(9)
            case "v": result.append(11)
            case "\\", "\"", "'": result.append(escape)
            case "x":
                guard let value = hexadecimal(2) else { return nil }
                result.append(UInt8(value))
            case "u", "U":
                guard let value = hexadecimal(escape == "u" ? 4 : 8), let scalar = Unicode.Scalar(value)
                else { return nil }
                result += Array(String(scalar).utf8)
            default: return nil
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}
