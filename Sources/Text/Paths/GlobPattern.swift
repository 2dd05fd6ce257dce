/// A pattern for a name, as Go's `filepath.Match` has it: `*`, `?`, `[a-z]`, and a backslash before what is meant literally.
///
/// Other than in ignore files `**` is no more than `*`. Matching takes time in proportion to the pattern times the name.
package struct GlobPattern: Sendable {
    private let pattern: PathPattern

    /// - Returns: nil where the syntax is wrong.
    package init?(_ component: [UInt8]) {
        guard let pattern = PathPattern(Self.collapsed(component)) else { return nil }
        self.pattern = pattern
    }

    /// Whether the pattern matches the whole of a name.
    package func matches(_ name: [UInt8]) -> Bool { pattern.matches(name) }

    /// Whether a name or path has wildcards that no backslash takes away.
    package static func isPattern(_ component: [UInt8]) -> Bool {
        var isEscaped = false
        for byte in component {
            if isEscaped {
                isEscaped = false
            } else if byte == "\\" {
                isEscaped = true
            } else if byte == "*" || byte == "?" || byte == "[" {
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
            } else if byte == "\\" {
                isEscaped = true
            } else if isInSet {
                isInSet = byte != "]"
            } else if byte == "[" {
                isInSet = true
            } else if byte == "*", result.last == byte, !endsEscaped(result) {
                continue
            }
            result.append(byte)
        }
        return result
    }

    /// Whether the last byte has an odd number of backslashes before it.
    private static func endsEscaped(_ bytes: [UInt8]) -> Bool {
        bytes.dropLast().reversed().prefix { $0 == "\\" }.count % 2 == 1
    }
}
