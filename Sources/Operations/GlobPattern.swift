internal import DockerfileSyntax

/// A pattern for one name, as Go's `filepath.Match` has it: `*`, `?`, `[a-z]`, and a backslash before what is meant literally.
///
/// Other than in ignore files `**` is no more than `*`. Matching takes time in proportion to the pattern times the name.
struct GlobPattern: Sendable {
    private let pattern: PathPattern

    /// - Throws: `OperationError.invalidPattern` where the syntax is wrong.
    init(_ component: [UInt8]) throws(OperationError) {
        guard let pattern = PathPattern(Self.collapsed(component)) else { throw .invalidPattern(component) }
        self.pattern = pattern
    }

    func matches(_ name: [UInt8]) -> Bool { pattern.matches(name) }

    /// Whether a name has wildcards that no backslash takes away.
    static func isPattern(_ component: [UInt8]) -> Bool {
        var isEscaped = false
        for byte in component {
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if byte == UInt8(ascii: "*") || byte == UInt8(ascii: "?") || byte == UInt8(ascii: "[") {
                return true
            }
        }
        return false
    }

    /// Runs of stars as one star, except in sets and after a backslash.
    private static func collapsed(_ component: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var isEscaped = false
        var isInSet = false
        for byte in component {
            if isEscaped {
                isEscaped = false
            } else if byte == UInt8(ascii: "\\") {
                isEscaped = true
            } else if isInSet {
                isInSet = byte != UInt8(ascii: "]")
            } else if byte == UInt8(ascii: "[") {
                isInSet = true
            } else if byte == UInt8(ascii: "*"), result.last == byte, !endsEscaped(result) {
                continue
            }
            result.append(byte)
        }
        return result
    }

    /// Whether the last byte has an odd number of backslashes before it.
    private static func endsEscaped(_ bytes: [UInt8]) -> Bool {
        bytes.dropLast().reversed().prefix { $0 == UInt8(ascii: "\\") }.count % 2 == 1
    }
}
