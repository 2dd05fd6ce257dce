/// A regular expression for names, as docker's filters take it: RE2's syntax as far as names need it, on bytes, in linear time.
///
/// It is found anywhere in a text unless `^` and `$` say otherwise. What is not understood is refused, never guessed. See
/// docs/decisions/0007-expressions-for-names.md.
package struct NameExpression: Sendable {
    /// Why an expression was refused.
    package struct Refusal: Error, Hashable { package let reason: String }

    enum Assertion: Sendable { case start, end, wordBoundary, noWordBoundary }

    enum Instruction: Sendable {
        case byte(ByteSet)
        case split(Int, Int)
        case jump(Int)
        case assert(Assertion)
        /// Notes where a group begins or ends.
        case mark(Int)
        case match
    }

    let program: [Instruction]

    /// - Throws: `Refusal` for an expression that is wrong, or of a kind that is not supported.
    package init(_ pattern: [UInt8]) throws(Refusal) {
        var parser = NameExpressionParser(pattern)
        program = try NameExpressionCompiler.compile(try parser.parse())
    }

    /// Whether the expression is found in a text.
    package func matches(_ text: [UInt8]) -> Bool {
        var current: [Int] = []
        var next: [Int] = []
        var seen = [Int](repeating: -1, count: program.count)
        for position in 0...text.count {
            // It may begin at each place.
            if follow(0, text, position, &current, &seen) { return true }
            guard position < text.count else { return false }
            next.removeAll(keepingCapacity: true)
            for state in current {
                guard case .byte(let set) = program[state], set.contains(text[position]) else { continue }
                if follow(state + 1, text, position + 1, &next, &seen) { return true }
            }
            swap(&current, &next)
        }
        return false
    }

    /// Adds what can be reached without reading a byte; true where that is the end of the expression.
    private func follow(
        _ start: Int,
        _ text: [UInt8],
        _ position: Int,
        _ states: inout [Int],
        _ seen: inout [Int]
    ) -> Bool {
        var pending = [start]
        while let state = pending.popLast() {
            if seen[state] == position { continue }
            seen[state] = position
            switch program[state] {
            case .byte: states.append(state)
            case .split(let first, let second): pending += [second, first]
            case .jump(let target): pending.append(target)
            case .mark: pending.append(state + 1)
            case .assert(let assertion): if holds(assertion, text, position) { pending.append(state + 1) }
            case .match: return true
            }
        }
        return false
    }

    func holds(_ assertion: Assertion, _ text: [UInt8], _ position: Int) -> Bool {
        func isWord(_ index: Int) -> Bool { text.indices.contains(index) && ByteSet.word.contains(text[index]) }
        let isBoundary = isWord(position - 1) != isWord(position)
        return switch assertion {
        case .start: position == 0
        case .end: position == text.count
        case .wordBoundary: isBoundary
        case .noWordBoundary: !isBoundary
        }
    }
}

/// Some of the 256 bytes.
struct ByteSet: Sendable, Hashable {
    private var words = SIMD4<UInt64>()

    init(_ bytes: some Sequence<UInt8>) { for byte in bytes { insert(byte) } }

    package static let all = ByteSet(0...255)
    package static let digits = ByteSet("0"..."9")
    static let lower = ByteSet("a"..."z")
    static let upper = ByteSet("A"..."Z")
    package static let word = digits.union(lower).union(upper).union(ByteSet("_".utf8))
    package static let space = ByteSet("\t\n\u{0c}\r ".utf8)
    static let newline = ByteSet("\n".utf8)

    package mutating func insert(_ byte: UInt8) { words[Int(byte >> 6)] |= 1 << UInt64(byte & 63) }
    package func contains(_ byte: UInt8) -> Bool { words[Int(byte >> 6)] & (1 << UInt64(byte & 63)) != 0 }

    func union(_ other: ByteSet) -> ByteSet {
        var result = self
        result.words |= other.words
        return result
    }

    var inverted: ByteSet {
        var result = self
        result.words = ~words
        return result
    }

    /// With both cases of each letter.
    var withoutCase: ByteSet {
        var result = self
        for byte in ("a"..."z") as ClosedRange<UInt8> where contains(byte) || contains(byte - 32) {
            result.insert(byte)
            result.insert(byte - 32)
        }
        return result
    }
}
