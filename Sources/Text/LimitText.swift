/// Why a text is no limit of processes, in docker's words.
package struct LimitTextError: Error, Hashable, CustomStringConvertible {
    package let description: String
}

/// A limit of the processes of a container, as docker's `--ulimit` has it: `NAME=SOFT[:HARD]`; -1 is none.
package struct LimitText: Hashable, Sendable {
    package let name: String
    package let soft: Int64
    package let hard: Int64

    private static let names: Set = [
        "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
        "rttime", "sigpending", "stack",
    ]

    package init(parsing text: String) throws(LimitTextError) {
        let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, !parts[1].isEmpty else {
            throw LimitTextError(description: "invalid ulimit argument: \(text)")
        }
        guard Self.names.contains(parts[0]) else {
            throw LimitTextError(description: "invalid ulimit type: \(parts[0])")
        }
        let values = parts[1].split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard values.count <= 2 else {
            throw LimitTextError(
                description: "too many limit value arguments - \(parts[1]), can only have up to two, `soft[:hard]`"
            )
        }
        name = parts[0]
        soft = try Self.number(values[0])
        hard = values.count == 2 ? try Self.number(values[1]) : soft
        guard hard < 0 || 0...hard ~= soft else {
            throw LimitTextError(
                description: "ulimit soft limit must be less than or equal to hard limit: \(soft) > \(hard)"
            )
        }
    }

    private static func number(_ value: String) throws(LimitTextError) -> Int64 {
        guard let number = Int64(value), number >= -1 else {
            throw LimitTextError(description: "invalid ulimit value: \(value)")
        }
        return number
    }
}
