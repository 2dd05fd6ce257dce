internal import Text

/// One `--filter` of `du` and `prune`, or of a policy; all of them must match.
package enum CacheFilter: Sendable, Hashable {
    /// A part of the id.
    case id(String)
    case parent(String)
    case type(String)
    /// A part of the description.
    case description(String)
    case describedBy(TextPattern)
    case inUse(Bool)
    case mutable(Bool)
    case shared(Bool)
    /// Not used since: how long ago in seconds.
    case unused(Double)

    /// Whether all filters match.
    package static func allow(_ filters: [CacheFilter], _ item: CacheItem, now: Int64) -> Bool {
        filters.allSatisfy { $0.matches(item, now: now) }
    }

    func matches(_ item: CacheItem, now: Int64) -> Bool {
        switch self {
        case .id(let text): item.id.contains(text)
        case .parent(let id): item.parents.contains(id)
        case .type(let text): item.type == text
        case .description(let text): item.description.contains(text)
        case .describedBy(let pattern): pattern.matches(item.description)
        case .inUse(let wanted): item.isInUse == wanted
        case .mutable(let wanted): item.isMutable == wanted
        case .shared(let wanted): item.isShared == wanted
        case .unused(let seconds): Double(now - item.lastUsed) >= seconds
        }
    }
}

/// A regular expression without groups: characters, `.`, `[…]`, `^`, `$`, `\`, the repetitions `*`, `+` and `?`, and `|` between
/// alternatives.
///
/// It takes time in proportion to the text, whatever the pattern is.
package struct TextPattern: Sendable, Hashable {
    private enum Atom: Sendable, Hashable {
        case character(UInt8)
        case any
        case set([ClosedRange<UInt8>], isNegated: Bool)
        case start
        case end
    }

    private struct Piece: Sendable, Hashable {
        let atom: Atom
        var isOptional = false
        var repeats = false
    }

    /// Why a text is no pattern.
    package struct Invalid: Error, Sendable, Hashable { package let reason: String }

    private let alternatives: [[Piece]]

    package init(parsing text: String) throws(Invalid) {
        var alternatives: [[Piece]] = [[]]
        var bytes = Array(text.utf8)[...]
        while let byte = bytes.popFirst() {
            let last = alternatives.count - 1
            switch byte {
            case "|": alternatives.append([])
            case "*", "+", "?":
                guard var piece = alternatives[last].popLast() else {
                    throw Invalid(reason: "there is nothing to repeat")
                }
                if byte != "+" { piece.isOptional = true }
                if byte != "?" { piece.repeats = true }
                alternatives[last].append(piece)
            case "(", ")", "{", "}":
                throw Invalid(reason: "groups and counts are not supported; write \\ before a bracket that is meant")
            case ".": alternatives[last].append(Piece(atom: .any))
            case "^": alternatives[last].append(Piece(atom: .start))
            case "$": alternatives[last].append(Piece(atom: .end))
            case "[": alternatives[last].append(Piece(atom: try Self.set(&bytes)))
            case "\\":
                guard let next = bytes.popFirst() else { throw Invalid(reason: "it ends with a backslash") }
                alternatives[last].append(Piece(atom: .character(next)))
            default: alternatives[last].append(Piece(atom: .character(byte)))
            }
        }
        self.alternatives = alternatives
    }

    private static func set(_ bytes: inout ArraySlice<UInt8>) throws(Invalid) -> Atom {
        let isNegated = bytes.first == "^"
        if isNegated { bytes.removeFirst() }
        var ranges: [ClosedRange<UInt8>] = []
        while let byte = bytes.popFirst() {
            if byte == "]", !ranges.isEmpty { return .set(ranges, isNegated: isNegated) }
            let first = byte == "\\" ? bytes.popFirst() ?? byte : byte
            var last = first
            if bytes.first == "-", let end = bytes.dropFirst().first, end != "]" {
                bytes = bytes.dropFirst(2)
                last = end
            }
            guard first <= last else { throw Invalid(reason: "a range is the wrong way round") }
            ranges.append(first...last)
        }
        throw Invalid(reason: "a bracket is not closed")
    }

    /// Whether the pattern is found anywhere in a text.
    package func matches(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        return alternatives.contains { Self.find($0, in: bytes) }
    }

    /// Follows all ways through the pieces at the same time.
    private static func find(_ pieces: [Piece], in text: [UInt8]) -> Bool {
        var reached = Set<Int>()
        for position in 0...text.count {
            // A match may begin anywhere.
            reached.insert(0)
            spread(&reached, pieces, atStart: position == 0, atEnd: position == text.count)
            if reached.contains(pieces.count) { return true }
            guard position < text.count else { return false }
            var next = Set<Int>()
            for index in reached where accepts(pieces[index].atom, text[position]) {
                next.insert(index + 1)
                if pieces[index].repeats { next.insert(index) }
            }
            reached = next
        }
        return false
    }

    /// Adds what is reached without taking a character.
    private static func spread(_ reached: inout Set<Int>, _ pieces: [Piece], atStart: Bool, atEnd: Bool) {
        for index in pieces.indices where reached.contains(index) {
            let passes =
                switch pieces[index].atom {
                case .start: atStart
                case .end: atEnd
                case .character, .any, .set: false
                }
            if passes || pieces[index].isOptional { reached.insert(index + 1) }
        }
    }

    private static func accepts(_ atom: Atom, _ byte: UInt8) -> Bool {
        switch atom {
        case .character(let wanted): wanted == byte
        case .any: true
        case .set(let ranges, let isNegated): ranges.contains { $0.contains(byte) } != isNegated
        case .start, .end: false
        }
    }
}
