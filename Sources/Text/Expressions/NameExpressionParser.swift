/// A part of an expression.
indirect enum NameExpressionNode: Sendable {
    case set(ByteSet)
    case assertion(NameExpression.Assertion)
    case sequence([NameExpressionNode])
    case choice([NameExpressionNode])
    /// At least so often, and at most; nil is without an end.
    case repetition(NameExpressionNode, Int, Int?, takesLeast: Bool)
    /// One whose place in the text can be asked for, by its number from 1.
    case group(Int, NameExpressionNode)
}

/// Reads expressions in RE2's syntax.
struct NameExpressionParser {
    private let pattern: [UInt8]
    private var position = 0
    private var depth = 0
    private var ignoresCase = false
    private var groups = 0

    init(_ pattern: [UInt8]) { self.pattern = pattern }

    package typealias Refusal = NameExpression.Refusal

    package mutating func parse() throws(Refusal) -> NameExpressionNode {
        guard pattern.count <= 1000 else { throw Refusal(reason: "it has more than 1000 bytes") }
        let node = try choice()
        guard position == pattern.count else { throw Refusal(reason: "unexpected )") }
        return node
    }

    private var next: UInt8? { position < pattern.count ? pattern[position] : nil }

    private mutating func skip(_ text: String) -> Bool {
        guard pattern[position...].starts(with: text.utf8) else { return false }
        position += text.utf8.count
        return true
    }

    private mutating func choice() throws(Refusal) -> NameExpressionNode {
        var parts = [try sequence()]
        while skip("|") { parts.append(try sequence()) }
        return parts.count == 1 ? parts[0] : .choice(parts)
    }

    private mutating func sequence() throws(Refusal) -> NameExpressionNode {
        var parts: [NameExpressionNode] = []
        while let byte = next, byte != "|", byte != ")" {
            // Flags apply to the rest of their group, and are no part of it that could be repeated.
            if try skipFlags() { continue }
            parts.append(try repeated(try atom()))
        }
        return .sequence(parts)
    }

    private mutating func skipFlags() throws(Refusal) -> Bool {
        if skip("(?i)") {
            ignoresCase = true
        } else if skip("(?-i)") {
            ignoresCase = false
        } else {
            return false
        }
        return true
    }

    private mutating func repeated(_ node: NameExpressionNode) throws(Refusal) -> NameExpressionNode {
        let (least, most): (Int, Int?)
        if skip("*") {
            (least, most) = (0, nil)
        } else if skip("+") {
            (least, most) = (1, nil)
        } else if skip("?") {
            (least, most) = (0, 1)
        } else if let bounds = try bounds() {
            (least, most) = bounds
        } else {
            return node
        }
        let result = NameExpressionNode.repetition(node, least, most, takesLeast: skip("?"))
        if let byte = next, "*+?".utf8.contains(byte) { throw Refusal(reason: "invalid nested repetition operator") }
        if try bounds() != nil { throw Refusal(reason: "invalid nested repetition operator") }
        return result
    }

    /// `{n}`, `{n,}` or `{n,m}`; as in Go, anything else after a brace is the brace itself.
    private mutating func bounds() throws(Refusal) -> (Int, Int?)? {
        guard next == "{", let end = pattern[position...].firstIndex(of: "}") else {
            return nil
        }
        let inside = String(decoding: pattern[(position + 1)..<end], as: UTF8.self)
        let fields = inside.split(separator: ",", omittingEmptySubsequences: false)
        guard fields.count <= 2, let first = fields.first, let least = Self.number(first) else { return nil }
        var most: Int? = least
        if fields.count == 2 {
            most = Self.number(fields[1])
            guard most != nil || fields[1].isEmpty else { return nil }
        }
        guard least <= 1000, (most ?? least) <= 1000, (most ?? least) >= least else {
            throw Refusal(reason: "invalid repeat count {\(inside)}")
        }
        position = end + 1
        return (least, most)
    }

    private static func number(_ text: Substring) -> Int? {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? Int(text) : nil
    }

    private mutating func atom() throws(Refusal) -> NameExpressionNode {
        guard let byte = next else { throw Refusal(reason: "it ends unexpectedly") }
        position += 1
        switch byte {
        case "^": return .assertion(.start)
        case "$": return .assertion(.end)
        case ".": return .set(ByteSet.newline.inverted)
        case "[": return .set(folded(try bracket()))
        case "(": return try group()
        case "\\": return try escape()
        case "*", "+", "?":
            throw Refusal(reason: "missing argument to repetition operator")
        default: return .set(folded(ByteSet([byte])))
        }
    }

    private func folded(_ set: ByteSet) -> ByteSet { ignoresCase ? set.withoutCase : set }

    private mutating func group() throws(Refusal) -> NameExpressionNode {
        depth += 1
        defer { depth -= 1 }
        guard depth <= 50 else { throw Refusal(reason: "its groups are nested too deeply") }
        let outer = ignoresCase
        var number: Int?
        if skip("?i:") {
            ignoresCase = true
        } else if skip("?:") {
            number = nil
        } else if next != "?" {
            groups += 1
            number = groups
        } else {
            throw Refusal(reason: "groups that begin with (? are not supported, apart from (?:, (?i) and (?i:")
        }
        let node = try choice()
        ignoresCase = outer
        guard skip(")") else { throw Refusal(reason: "missing closing )") }
        return number.map { .group($0, node) } ?? node
    }

    private mutating func escape() throws(Refusal) -> NameExpressionNode {
        guard let byte = next else { throw Refusal(reason: "trailing backslash at end of expression") }
        position += 1
        switch byte {
        case "A": return .assertion(.start)
        case "z": return .assertion(.end)
        case "b": return .assertion(.wordBoundary)
        case "B": return .assertion(.noWordBoundary)
        default: return .set(folded(try escapedSet(byte)))
        }
    }

    private func escapedSet(_ byte: UInt8) throws(Refusal) -> ByteSet {
        switch byte {
        case "d": return .digits
        case "D": return ByteSet.digits.inverted
        case "w": return .word
        case "W": return ByteSet.word.inverted
        case "s": return .space
        case "S": return ByteSet.space.inverted
        case "n": return .newline
        case "t": return ByteSet("\t".utf8)
        default:
            guard !ByteSet.word.contains(byte) || byte == "_" else {
                throw Refusal(reason: "the escape \\\(Character(Unicode.Scalar(byte))) is not supported")
            }
            return ByteSet([byte])
        }
    }

    // MARK: Brackets

    private static let classes: [(String, ByteSet)] = [
        ("[:alnum:]", ByteSet.digits.union(.lower).union(.upper)), ("[:alpha:]", ByteSet.lower.union(.upper)),
        ("[:digit:]", .digits), ("[:lower:]", .lower), ("[:upper:]", .upper), ("[:space:]", .space),
        ("[:word:]", .word),
        ("[:punct:]", ByteSet("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~".utf8)),
        ("[:xdigit:]", ByteSet.digits.union(ByteSet("abcdefABCDEF".utf8))),
    ]

    private mutating func bracket() throws(Refusal) -> ByteSet {
        let isNegated = skip("^")
        var set = ByteSet([])
        var isFirst = true
        while true {
            guard let byte = next else { throw Refusal(reason: "missing closing ]") }
            if byte == "]", !isFirst { break }
            isFirst = false
            if let (name, members) = Self.classes.first(where: { pattern[position...].starts(with: $0.0.utf8) }) {
                position += name.utf8.count
                set = set.union(members)
                continue
            }
            let (members, first) = try member()
            guard let first, pattern[position...].starts(with: "-"), position + 1 < pattern.count,
                pattern[position + 1] != "]"
            else {
                set = set.union(members)
                continue
            }
            position += 1
            guard let last = try member().byte, last >= first else {
                throw Refusal(reason: "invalid character class range")
            }
            set = set.union(ByteSet(first...last))
        }
        position += 1
        return isNegated ? (ignoresCase ? set.withoutCase : set).inverted : set
    }

    /// One member; its byte where it is one that a range can begin or end with.
    private mutating func member() throws(Refusal) -> (set: ByteSet, byte: UInt8?) {
        guard let byte = next else { throw Refusal(reason: "missing closing ]") }
        position += 1
        guard byte == "\\" else { return (ByteSet([byte]), byte) }
        guard let escaped = next else { throw Refusal(reason: "trailing backslash at end of expression") }
        position += 1
        let set = try escapedSet(escaped)
        return (set, ByteSet.word.contains(escaped) ? nil : escaped)
    }
}

/// Turns an expression into the program of a machine that is in many states at once.
enum NameExpressionCompiler {
    /// More than this takes too long for what a name is.
    private static let longest = 10_000

    static func compile(_ node: NameExpressionNode) throws(NameExpression.Refusal) -> [NameExpression.Instruction] {
        var program: [NameExpression.Instruction] = []
        try add(node, to: &program)
        program.append(.match)
        return program
    }

    private static func add(
        _ node: NameExpressionNode,
        to program: inout [NameExpression.Instruction]
    ) throws(NameExpression.Refusal) {
        guard program.count < longest else { throw NameExpression.Refusal(reason: "it repeats too much") }
        switch node {
        case .set(let set): program.append(.byte(set))
        case .assertion(let assertion): program.append(.assert(assertion))
        case .group(let number, let part):
            program.append(.mark(2 * number))
            try add(part, to: &program)
            program.append(.mark(2 * number + 1))
        case .sequence(let parts): for part in parts { try add(part, to: &program) }
        case .choice(let parts):
            var ends: [Int] = []
            for (index, part) in parts.enumerated() {
                let isLast = index == parts.count - 1
                let split = program.count
                if !isLast { program.append(.split(split + 1, 0)) }
                try add(part, to: &program)
                if isLast { break }
                ends.append(program.count)
                program.append(.jump(0))
                program[split] = .split(split + 1, program.count)
            }
            for end in ends { program[end] = .jump(program.count) }
        case .repetition(let part, let least, let most, let takesLeast):
            // The first way is the one that is preferred.
            func split(_ inside: Int, _ after: Int) -> NameExpression.Instruction {
                takesLeast ? .split(after, inside) : .split(inside, after)
            }
            for _ in 0..<least { try add(part, to: &program) }
            guard let most else {
                let start = program.count
                program.append(.split(start + 1, 0))
                try add(part, to: &program)
                program.append(.jump(start))
                program[start] = split(start + 1, program.count)
                return
            }
            var splits: [Int] = []
            for _ in least..<most {
                splits.append(program.count)
                program.append(.split(program.count + 1, 0))
                try add(part, to: &program)
            }
            for place in splits { program[place] = split(place + 1, program.count) }
        }
    }
}
