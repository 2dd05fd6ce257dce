/// A pattern for paths in the syntax of `.dockerignore` and `COPY --exclude`: Go's `filepath.Match` and `**`.
///
/// `*` and `?` stop at slashes, `**` does not, `[a-z]` and `[^a-z]` are sets, a backslash takes the next character literally.
/// Matching takes time in proportion to the pattern times the path, whatever they are.
package struct PathPattern: Sendable, Hashable {
    private enum Element: Sendable, Hashable {
        case scalar(UInt32)
        case any
        case set(negated: Bool, [ClosedRange<UInt32>])
        case star
        /// Any directories, or none: `**/`, and `**` before something.
        case directories
        /// Everything that follows: `**` at the end.
        case rest
    }

    private var elements: [Element] = []

    /// The whole pattern where it has no wildcard.
    let literal: [UInt8]?

    /// What is before and after the star, where a star is the only wildcard.
    private let aroundStar: (head: [UInt8], tail: [UInt8])?

    /// Compiles a pattern.
    /// - Returns: nil where the syntax is wrong: a set that does not end, a range that runs backwards, a
    ///   backslash at the end.
    package init?(_ pattern: [UInt8]) {
        let scalars = ScalarText(pattern).scalars
        var index = 0
        var isLiteral = true
        while index < scalars.count {
            let scalar = scalars[index]
            index += 1
            switch scalar {
            case 0x2a:
                isLiteral = false
                guard index < scalars.count, scalars[index] == 0x2a else {
                    elements.append(.star)
                    continue
                }
                index += 1
                let hadSlash = index < scalars.count && scalars[index] == 0x2f
                if hadSlash { index += 1 }
                if index >= scalars.count {
                    elements.append(.rest)
                } else if elements.isEmpty, !hadSlash, !scalars[index...].contains(where: Self.isSpecial) {
                    // moby's matcher: `**name` is every path that ends so, also within a name.
                    elements.append(.rest)
                } else {
                    elements.append(.directories)
                }
            case 0x3f:
                isLiteral = false
                elements.append(.any)
            case 0x5b:
                isLiteral = false
                guard let set = Self.set(in: scalars, at: &index) else { return nil }
                elements.append(set)
            case 0x5c:
                guard index < scalars.count else { return nil }
                elements.append(.scalar(scalars[index]))
                index += 1
            default: elements.append(.scalar(scalar))
            }
        }
        literal = isLiteral ? Self.bytes(of: elements[...]) : nil
        let star = elements.firstIndex(of: .star)
        if let star, let head = Self.bytes(of: elements[..<star]), let tail = Self.bytes(of: elements[(star + 1)...]) {
            aroundStar = (head, tail)
        } else {
            aroundStar = nil
        }
    }

    /// The text that elements without wildcards stand for.
    private static func bytes(of elements: ArraySlice<Element>) -> [UInt8]? {
        var scalars: [UInt32] = []
        for element in elements {
            guard case .scalar(let scalar) = element else { return nil }
            scalars.append(scalar)
        }
        return ScalarText.bytes(of: scalars)
    }

    package static func == (left: PathPattern, right: PathPattern) -> Bool { left.elements == right.elements }

    package func hash(into hasher: inout Hasher) { hasher.combine(elements) }

    private static func isSpecial(_ scalar: UInt32) -> Bool {
        scalar == 0x2a || scalar == 0x3f || scalar == 0x5b || scalar == 0x5c
    }

    private static func set(in scalars: [UInt32], at index: inout Int) -> Element? {
        var ranges: [ClosedRange<UInt32>] = []
        let isNegated = index < scalars.count && scalars[index] == 0x5e
        if isNegated { index += 1 }
        func bound(_ index: inout Int) -> UInt32? {
            guard index < scalars.count, scalars[index] != 0x2d, scalars[index] != 0x5d else { return nil }
            if scalars[index] == 0x5c { index += 1 }
            guard index < scalars.count else { return nil }
            index += 1
            return scalars[index - 1]
        }
        while true {
            if !ranges.isEmpty, index < scalars.count, scalars[index] == 0x5d {
                index += 1
                return .set(negated: isNegated, ranges)
            }
            guard let low = bound(&index) else { return nil }
            var high = low
            if index < scalars.count, scalars[index] == 0x2d {
                index += 1
                guard let end = bound(&index) else { return nil }
                high = end
            }
            guard low <= high else { return nil }
            ranges.append(low...high)
        }
    }

    /// The literal text that every match ends with, at most three bytes.
    var literalTail: [UInt8] {
        var tail: [UInt8] = []
        for element in elements.reversed() {
            guard tail.count < 3, case .scalar(let scalar) = element, scalar < 0x80 else { break }
            tail.insert(UInt8(scalar), at: 0)
        }
        return tail
    }

    /// The literal path that every match starts with, cut back to whole components, or nothing.
    var literalDirectory: [UInt8] {
        var head: [UInt32] = []
        for element in elements {
            guard case .scalar(let scalar) = element else { break }
            head.append(scalar)
        }
        let bytes = ScalarText.bytes(of: head)
        if literal != nil { return bytes }
        return Array(bytes[..<(bytes.lastIndex(of: "/") ?? 0)])
    }

    /// Whether the pattern matches the whole of a path.
    package func matches(_ path: [UInt8]) -> Bool {
        if let literal { return literal == path }
        if let (head, tail) = aroundStar {
            guard path.count >= head.count + tail.count, path.starts(with: head),
                path.suffix(tail.count).elementsEqual(tail)
            else { return false }
            return !path[head.count..<(path.count - tail.count)].contains("/")
        }
        return matches(scalars: ScalarText(path).scalars)
    }

    /// Follows all ways through the pattern at once.
    private func matches(scalars: [UInt32]) -> Bool {
        var current = [Bool](repeating: false, count: elements.count + 1)
        var next = current
        var inside = current
        var nextInside = current
        enter(0, &current)
        for scalar in scalars {
            for index in next.indices {
                next[index] = false
                nextInside[index] = false
            }
            var isAlive = false
            for (index, element) in elements.enumerated() where current[index] || inside[index] {
                switch element {
                case .scalar(let wanted): if wanted == scalar { enter(index + 1, &next) }
                case .any: if scalar != 0x2f { enter(index + 1, &next) }
                case .set(let negated, let ranges):
                    if ranges.contains(where: { $0.contains(scalar) }) != negated { enter(index + 1, &next) }
                case .star: if scalar != 0x2f { enter(index, &next) }
                case .rest: enter(index, &next)
                case .directories:
                    nextInside[index] = true
                    isAlive = true
                    if scalar == 0x2f { enter(index + 1, &next) }
                }
            }
            guard isAlive || next.contains(true) else { return false }
            swap(&current, &next)
            swap(&inside, &nextInside)
        }
        return current[elements.count]
    }

    /// Marks a place in the pattern as reached, and those after it that need nothing.
    private func enter(_ index: Int, _ states: inout [Bool]) {
        var index = index
        while !states[index] {
            states[index] = true
            guard index < elements.count else { return }
            switch elements[index] {
            case .star, .rest, .directories: index += 1
            case .scalar, .any, .set: return
            }
        }
    }
}
