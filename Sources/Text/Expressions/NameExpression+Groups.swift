extension NameExpression {
    /// Where an expression and its groups were found in a text.
    package struct Groups: Sendable, Hashable {
        /// Of the whole, and of each group that took part.
        fileprivate let ranges: [Range<Int>?]

        /// A template with what groups matched in place of `$1` and `${1}`; `$$` is a dollar sign.
        ///
        /// As in Go, a group that is not there, or has a name, stands for nothing.
        package func expand(_ template: [UInt8], in text: [UInt8]) -> [UInt8] {
            var result: [UInt8] = []
            var rest = template[...]
            while let byte = rest.popFirst() {
                guard byte == "$", let next = rest.first else {
                    result.append(byte)
                    continue
                }
                if next == "$" {
                    rest = rest.dropFirst()
                    result.append(byte)
                    continue
                }
                let hasBraces = next == "{"
                let name = (hasBraces ? rest.dropFirst() : rest).prefix { ByteSet.word.contains($0) }
                let isClosed = !hasBraces || (name.endIndex < rest.endIndex && rest[name.endIndex] == "}")
                guard !name.isEmpty, isClosed else {
                    result.append(byte)
                    continue
                }
                rest = rest[(name.endIndex + (hasBraces ? 1 : 0))...]
                if let number = Int(String(decoding: name, as: UTF8.self)), ranges.indices.contains(number),
                    let range = ranges[number]
                {
                    result += text[range]
                }
            }
            return result
        }
    }

    /// A way through the program, with the places that it noted.
    private struct Thread {
        let state: Int
        let marks: [Int]
    }

    private var markCount: Int {
        program.reduce(2) { count, instruction in
            if case .mark(let number) = instruction { max(count, number + 1) } else { count }
        }
    }

    /// Finds the expression and its groups: the first place, and there the way that is preferred.
    package func groups(in text: [UInt8], from start: Int = 0) -> Groups? {
        let markCount = markCount
        var current: [Thread] = []
        var found: [Int]?
        var seen = [Int](repeating: -1, count: program.count)
        for position in start...text.count {
            if found == nil {
                var marks = [Int](repeating: -1, count: markCount)
                marks[0] = position
                follow(Thread(state: 0, marks: marks), text, position, &current, &seen)
            }
            if current.isEmpty, found != nil { break }
            var next: [Thread] = []
            // Those of the next place are noted under its number.
            for thread in current {
                if case .match = program[thread.state] {
                    found = thread.marks
                    found?[1] = position
                    // What comes after it is less preferred.
                    break
                }
                guard case .byte(let set) = program[thread.state], position < text.count, set.contains(text[position])
                else { continue }
                let moved = Thread(state: thread.state + 1, marks: thread.marks)
                follow(moved, text, position + 1, &next, &seen)
            }
            current = next
        }
        guard let found else { return nil }
        let ranges = stride(from: 0, to: markCount - 1, by: 2).map { place -> Range<Int>? in
            let (first, last) = (found[place], found[place + 1])
            return first >= 0 && last >= first ? first..<last : nil
        }
        return Groups(ranges: ranges)
    }

    private func follow(
        _ thread: Thread,
        _ text: [UInt8],
        _ position: Int,
        _ threads: inout [Thread],
        _ seen: inout [Int]
    ) {
        var pending = [thread]
        while let thread = pending.popLast() {
            if seen[thread.state] == position { continue }
            seen[thread.state] = position
            switch program[thread.state] {
            case .byte, .match: threads.append(thread)
            case .split(let first, let second):
                pending.append(Thread(state: second, marks: thread.marks))
                pending.append(Thread(state: first, marks: thread.marks))
            case .jump(let target): pending.append(Thread(state: target, marks: thread.marks))
            case .mark(let number):
                var marks = thread.marks
                marks[number] = position
                pending.append(Thread(state: thread.state + 1, marks: marks))
            case .assert(let assertion):
                if holds(assertion, text, position) {
                    pending.append(Thread(state: thread.state + 1, marks: thread.marks))
                }
            }
        }
    }

    /// A text with a template in place of everything that the expression matches.
    package func replacingMatches(in text: [UInt8], with template: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var position = 0
        var end: Int?
        while position <= text.count, let groups = groups(in: text, from: position), let range = groups.ranges[0] {
            result += text[position..<range.lowerBound]
            // Nothing is not matched where something was matched before.
            if !range.isEmpty || range.lowerBound != end { result += groups.expand(template, in: text) }
            position = range.upperBound
            guard range.isEmpty else {
                end = position
                continue
            }
            // The next match begins after the byte that stands here.
            if position < text.count { result.append(text[position]) }
            position += 1
        }
        if position < text.count { result += text[position...] }
        return result
    }
}
