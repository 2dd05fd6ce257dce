internal import Text

/// A pattern of `${name#pattern}` and its like: `*` is any text, `?` any character, neither a line feed; a backslash takes
/// `*`, `?` and itself literally.
///
/// Matching takes time in proportion to the text for ordinary patterns and is stopped when a hostile one uses up `work`.
struct SubstitutionPattern {
    private enum Element {
        case scalar(UInt32)
        case any
    }

    /// The parts between stars.
    private var segments: [[Element]] = [[]]

    init(_ pattern: [UInt8]) throws(ExpansionError) {
        let scalars = ScalarText(pattern).scalars
        var index = 0
        func append(_ element: Element, to segments: inout [[Element]]) { segments[segments.count - 1].append(element) }
        while index < scalars.count {
            let scalar = scalars[index]
            index += 1
            switch scalar {
            case 0x2a: segments.append([])
            case 0x3f: append(.any, to: &segments)
            case 0x5c:
                let next = index < scalars.count ? scalars[index] : nil
                // The escape of a brace or a slash belongs to the substitution, not to the pattern.
                if next == 0x7d || next == 0x2f { continue }
                guard let next, next == 0x2a || next == 0x3f || next == 0x5c else {
                    let shown = next.map { ScalarText.bytes(of: [$0]).displayText } ?? ""
                    throw .invalidPattern(pattern.displayText, reason: "invalid escape '\\\(shown)'")
                }
                append(.scalar(next), to: &segments)
                index += 1
            default: append(.scalar(scalar), to: &segments)
            }
        }
    }

    /// The same pattern for text written backwards.
    var reversed: SubstitutionPattern {
        var copy = self
        copy.segments = segments.reversed().map { $0.reversed() }
        return copy
    }

    /// Where a match that begins at `start` ends: the nearest or the farthest place.
    func end(in text: [UInt32], from start: Int, longest: Bool, work: inout Int) throws(ExpansionError) -> Int? {
        guard var position = try match(segments[0], in: text, at: start, work: &work) else { return nil }
        for (number, segment) in segments.enumerated().dropFirst() {
            let isLast = number == segments.count - 1
            guard
                let found = isLast && longest
                    ? try lastMatch(of: segment, in: text, from: position, work: &work)
                    : try firstMatch(of: segment, in: text, from: position, work: &work)
            else { return nil }
            position = found
        }
        return position
    }

    /// The first match at or after `start`, as long as it can be.
    func firstRange(in text: [UInt32], from start: Int, work: inout Int) throws(ExpansionError) -> Range<Int>? {
        for candidate in start...text.count {
            if let end = try end(in: text, from: candidate, longest: true, work: &work) { return candidate..<end }
        }
        return nil
    }

    private func match(
        _ segment: [Element],
        in text: [UInt32],
        at start: Int,
        work: inout Int
    ) throws(ExpansionError) -> Int? {
        var position = start
        for element in segment {
            work -= 1
            guard work > 0 else { throw .tooMuchWork }
            guard position < text.count else { return nil }
            switch element {
            case .scalar(let scalar): guard text[position] == scalar else { return nil }
            case .any: guard text[position] != 0x0a else { return nil }
            }
            position += 1
        }
        return position
    }

    private func firstMatch(
        of segment: [Element],
        in text: [UInt32],
        from start: Int,
        work: inout Int
    ) throws(ExpansionError) -> Int? {
        var candidate = start
        while true {
            work -= 1
            guard work > 0 else { throw .tooMuchWork }
            if let end = try match(segment, in: text, at: candidate, work: &work) { return end }
            guard candidate < text.count, text[candidate] != 0x0a else { return nil }
            candidate += 1
        }
    }

    private func lastMatch(
        of segment: [Element],
        in text: [UInt32],
        from start: Int,
        work: inout Int
    ) throws(ExpansionError) -> Int? {
        var candidate = start
        while candidate < text.count, text[candidate] != 0x0a {
            candidate += 1
            work -= 1
        }
        guard work > 0 else { throw .tooMuchWork }
        while candidate >= start {
            if let end = try match(segment, in: text, at: candidate, work: &work) { return end }
            candidate -= 1
        }
        return nil
    }
}
