internal import Text

/// Which paths of a tree take part: all that match the include patterns, if there are any, and not the exclude patterns.
struct PathFilter: Sendable {
    let includes: IgnoreFile?
    let excludes: IgnoreFile?

    static let everything = PathFilter(includes: nil, excludes: nil)

    private init(includes: IgnoreFile?, excludes: IgnoreFile?) {
        self.includes = includes
        self.excludes = excludes
    }

    /// - Throws: `OperationError.invalidPattern`.
    init(includes: [[UInt8]], excludes: [[UInt8]]) throws(OperationError) {
        self.includes = try Self.compile(includes)
        self.excludes = try Self.compile(excludes)
    }

    private static func compile(_ patterns: [[UInt8]]) throws(OperationError) -> IgnoreFile? {
        if patterns.isEmpty { return nil }
        do throws(IgnoreFileError) {
            return try IgnoreFile(patterns: patterns)
        } catch {
            throw .invalidPattern(Array(patterns.joined(separator: [" "])))
        }
    }

    var isEverything: Bool { includes == nil && excludes == nil }

    /// What is known of a directory, for judging what lies in it.
    struct State: Sendable {
        fileprivate var include = IgnoreFile.Verdict.root
        fileprivate var exclude = IgnoreFile.Verdict.root

        /// The state of the directory that patterns are relative to.
        static let root = State()
    }

    struct Judgement {
        let state: State
        let isIncluded: Bool
        /// Whether something below may be included even though the directory is not.
        let mayHoldIncluded: Bool
    }

    /// Judges a path, relative to the directory that patterns are relative to, from the state of its parent.
    func judge(_ path: [UInt8], in parent: State) -> Judgement {
        if isEverything { return Judgement(state: parent, isIncluded: true, mayHoldIncluded: true) }
        var state = parent
        var isIncluded = true
        var mayHoldIncluded = true
        if let includes {
            state.include = includes.verdict(for: path, in: parent.include)
            isIncluded = state.include.isIgnored
        }
        if let excludes {
            state.exclude = excludes.verdict(for: path, in: parent.exclude)
            if state.exclude.isIgnored {
                isIncluded = false
                mayHoldIncluded = excludes.mayReinclude(below: path, verdict: state.exclude)
            }
        }
        return Judgement(state: state, isIncluded: isIncluded, mayHoldIncluded: mayHoldIncluded)
    }

    /// Judges a path from the root on.
    func judge(_ path: [UInt8]) -> Judgement {
        var judgement = Judgement(state: .root, isIncluded: true, mayHoldIncluded: true)
        if isEverything { return judgement }
        var prefix: [UInt8] = []
        for component in path.pathComponents {
            prefix = prefix.appending(component: component)
            judgement = judge(prefix, in: judgement.state)
        }
        return judgement
    }
}
