/// Why an ignore file cannot be used.
package enum IgnoreFileError: Error, Hashable, Sendable, CustomStringConvertible {
    case loneNegation
    case invalidPattern(String)
    /// Patterns that can only be tried one by one.
    case tooManyWildcards(limit: Int)

    package var description: String {
        switch self {
        case .loneNegation: "illegal exclusion pattern: \"!\""
        case .invalidPattern(let text): "the pattern \"\(text)\" has a syntax error"
        case .tooManyWildcards(let limit): "more than \(limit) patterns of one directory have no fixed beginning or end"
        }
    }
}

/// The patterns of a `.dockerignore`: which paths of a context do not take part in the build.
///
/// A path is ignored when the last pattern that matches it or a directory above it has no `!`. The patterns form a tree of path
/// components, so that the time for a path hardly depends on how many patterns there are.
package struct IgnoreFile: Sendable {
    private struct Rule: Sendable {
        let isNegated: Bool
        /// The literal path that all its matches start with.
        let head: [UInt8]
    }

    private var rules: [Rule] = []
    private var tree = PatternTree()
    /// The rules whose wildcards do not keep to components, such as `a**b`.
    private var irregular: [(pattern: PathPattern, rule: Int)] = []

    /// The patterns, cleaned, `!` included: what a local source's exclude patterns are.
    package private(set) var patterns: [[UInt8]] = []

    /// Reads an ignore file.
    /// - Throws: `IgnoreFileError`.
    package init(parsing bytes: [UInt8]) throws(IgnoreFileError) {
        var patterns: [[UInt8]] = []
        var rest = bytes[...]
        if rest.starts(with: "\u{feff}") { rest = rest.dropFirst(3) }
        for line in rest.split(separator: 0x0a) where line.first != "#" {
            var pattern = Array(line).trimmed
            guard let first = pattern.first else { continue }
            let isNegated = first == "!"
            if isNegated { pattern = Array(pattern.dropFirst()).trimmed }
            if !pattern.isEmpty {
                pattern = cleanedPath(pattern)
                if pattern.count > 1, pattern.first == "/" { pattern.removeFirst() }
            }
            patterns.append(isNegated ? "!" + pattern : pattern)
        }
        try self.init(patterns: patterns)
    }

    /// Takes patterns one by one, as they stand in the attributes of a local source.
    /// - Throws: `IgnoreFileError`.
    package init(patterns: [[UInt8]]) throws(IgnoreFileError) {
        for text in patterns {
            var pattern = text.trimmed
            guard !pattern.isEmpty else { continue }
            pattern = cleanedPath(pattern)
            let isNegated = pattern.first == "!"
            if isNegated { pattern.removeFirst() }
            guard !pattern.isEmpty else { throw .loneNegation }
            guard let compiled = PathPattern(pattern) else { throw .invalidPattern(text.displayText) }
            if !(try tree.insert(pattern, rule: rules.count)) {
                guard irregular.count < PatternTree.maximumWildcards else {
                    throw .tooManyWildcards(limit: PatternTree.maximumWildcards)
                }
                irregular.append((compiled, rules.count))
            }
            rules.append(Rule(isNegated: isNegated, head: compiled.literalDirectory))
            self.patterns.append(isNegated ? "!" + pattern : pattern)
        }
    }

    package var isEmpty: Bool { rules.isEmpty }

    /// Whether any pattern begins with `!`.
    package var hasExceptions: Bool { rules.contains(where: \.isNegated) }

    /// What the rules say of a path; a directory's verdict is needed for what lies in it.
    package struct Verdict: Sendable, Hashable {
        /// The last rule that matches the path or a directory above it; -1 for none.
        fileprivate var rule: Int
        package let isIgnored: Bool

        /// The verdict on the context itself.
        package static let root = Verdict(rule: -1, isIgnored: false)
    }

    /// Judges one path when its directory has been judged, as on a walk.
    /// - Parameters:
    ///   - path: relative to the context, without `.` or a leading slash.
    ///   - directory: the verdict on the directory it is in.
    /// - Returns: the verdict.
    package func verdict(for path: [UInt8], in directory: Verdict = .root) -> Verdict {
        let rule = max(directory.rule, lastRule(matching: path))
        return Verdict(rule: rule, isIgnored: rule >= 0 && !rules[rule].isNegated)
    }

    /// Whether a path is ignored, itself or through a directory above it.
    package func ignores(_ path: [UInt8]) -> Bool {
        let rule = lastRule(matching: path)
        return rule >= 0 && !rules[rule].isNegated
    }

    /// The pattern that ignores a path, for a message; nil where none does.
    package func pattern(ignoring path: [UInt8]) -> [UInt8]? {
        let rule = lastRule(matching: path)
        return rule >= 0 && !rules[rule].isNegated ? patterns[rule] : nil
    }

    /// Whether something in an ignored directory may be taken back in: if not, a walk need not enter it.
    package func mayReinclude(below directory: [UInt8], verdict: Verdict) -> Bool {
        let slash: [UInt8] = "/"
        let below = directory + slash
        return rules.dropFirst(verdict.rule + 1).contains { rule in
            guard rule.isNegated else { return false }
            let head = rule.head + slash
            return rule.head.isEmpty || head.starts(with: below) || below.starts(with: head)
        }
    }

    /// The last rule that matches a path or a directory above it.
    private func lastRule(matching path: [UInt8]) -> Int {
        var best = tree.lastRule(matching: path)
        for (pattern, rule) in irregular where rule > best {
            let ends = path.indices.filter { path[$0] == "/" } + [path.count]
            if ends.contains(where: { pattern.matches(Array(path[..<$0])) }) { best = rule }
        }
        return best
    }
}

/// Path patterns as a tree of their components, each with the numbers of the rules that end there.
struct PatternTree: Sendable {
    /// Of components with wildcards at both ends, which have to be tried one by one.
    static let maximumWildcards = 1_000

    private struct Node: Sendable {
        var literals: [[UInt8]: Int] = [:]
        /// Components with wildcards, by the literal bytes they end with; each once.
        var wildcards: [[UInt8]: [PathPattern: Int]] = [:]
        /// The node for `**`: it stays where it is for any component.
        var directories: Int?
        var isLoop = false
        /// The last rule that ends here; -1 for none.
        var rule = -1
        /// The last rule that ends in `**` here, for whatever lies below.
        var rest = -1
    }

    private var nodes: [Node] = [Node()]

    /// Adds a pattern; a later rule has a greater number.
    /// - Returns: false for a pattern that cannot be taken apart into components.
    mutating func insert(_ pattern: [UInt8], rule: Int) throws(IgnoreFileError) -> Bool {
        let components = pattern.split(separator: "/", omittingEmptySubsequences: false).map { Array($0) }
        var compiled: [PathPattern?] = []
        for component in components {
            guard component != "**" else {
                compiled.append(nil)
                continue
            }
            let hasDouble = component.indices.dropLast().contains { component[$0...].starts(with: "**") }
            guard !component.isEmpty, !hasDouble, let part = PathPattern(component) else { return false }
            compiled.append(part)
        }
        var node = 0
        for (position, part) in compiled.enumerated() {
            guard let part else {
                if position == compiled.count - 1 {
                    node = loop(at: node)
                    nodes[node].rest = rule
                    return true
                }
                node = loop(at: node)
                continue
            }
            node = try child(of: node, for: part)
        }
        nodes[node].rule = rule
        return true
    }

    private mutating func loop(at index: Int) -> Int {
        if nodes[index].isLoop { return index }
        if let loop = nodes[index].directories { return loop }
        nodes.append(Node())
        nodes[nodes.count - 1].isLoop = true
        nodes[index].directories = nodes.count - 1
        return nodes.count - 1
    }

    private mutating func child(of index: Int, for part: PathPattern) throws(IgnoreFileError) -> Int {
        if let literal = part.literal {
            if let child = nodes[index].literals[literal] { return child }
            nodes.append(Node())
            nodes[index].literals[literal] = nodes.count - 1
            return nodes.count - 1
        }
        let tail = part.literalTail
        if let same = nodes[index].wildcards[tail]?[part] { return same }
        guard (nodes[index].wildcards[tail]?.count ?? 0) < Self.maximumWildcards else {
            throw .tooManyWildcards(limit: Self.maximumWildcards)
        }
        nodes.append(Node())
        nodes[index].wildcards[tail, default: [:]][part] = nodes.count - 1
        return nodes.count - 1
    }

    /// The last rule that matches a path or a directory above it; -1 for none.
    func lastRule(matching path: [UInt8]) -> Int {
        var best = -1
        var states = States()
        enter(0, &states)
        for component in path.split(separator: "/").map({ Array($0) }) {
            var next = States()
            for state in states.list {
                let node = nodes[state]
                if node.isLoop {
                    best = max(best, node.rest)
                    enter(state, &next)
                }
                if let child = node.literals[component] { enter(child, &next) }
                guard !node.wildcards.isEmpty else { continue }
                for length in 0...min(3, component.count) {
                    for (pattern, child) in node.wildcards[Array(component.suffix(length))] ?? [:]
                    where pattern.matches(component) {
                        enter(child, &next)
                    }
                }
            }
            for state in next.list { best = max(best, nodes[state].rule) }
            states = next
            if states.list.isEmpty { break }
        }
        return best
    }

    /// Places in the tree, each once.
    ///
    /// Mostly there are a few; patterns may be made so that there are thousands.
    private struct States {
        private(set) var list: [Int] = []
        private var known: Set<Int> = []

        /// - Returns: whether the state is new.
        mutating func insert(_ state: Int) -> Bool {
            if list.count < 16 {
                if list.contains(state) { return false }
            } else {
                if known.isEmpty { known = Set(list) }
                if !known.insert(state).inserted { return false }
            }
            list.append(state)
            return true
        }
    }

    private func enter(_ state: Int, _ states: inout States) {
        guard states.insert(state) else { return }
        if let loop = nodes[state].directories { enter(loop, &states) }
    }
}
