internal import LinuxSystem
internal import Text

/// What `--filter` says about images.
///
/// Filters of different kinds must all match; see docker's `image ls` and `image prune`.
package struct ImageFilter: Sendable, Hashable {
    /// A label that must be there, with that value if one is given.
    package struct Label: Sendable, Hashable {
        package let key: String
        package let value: String?

        /// Reads `key` or `key=value`.
        package init(_ text: String) {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            key = String(parts[0])
            value = parts.count > 1 ? String(parts[1]) : nil
        }

        func matches(_ labels: [String: String]) -> Bool {
            guard let found = labels[key] else { return false }
            return value == nil || value == found
        }
    }

    /// Only images without a name (true), or only those with one (false).
    package var dangling: Bool?
    /// All of them must be there.
    package var labels: [Label] = []
    /// None of them may be there (`label!=`, for prune).
    package var excludedLabels: [Label] = []
    /// Images created before all of these images.
    package var before: [String] = []
    /// Images created after all of these images.
    package var since: [String] = []
    /// Patterns of which a name must match one.
    package var references: [String] = []
    /// Images created before this moment, in seconds since 1970.
    package var until: Int64?

    /// The names that `image ls` takes.
    package static let forListing: Set<String> = ["dangling", "label", "before", "since", "reference", "until"]
    /// The names that `image prune` takes.
    package static let forPruning: Set<String> = ["dangling", "label", "label!", "until"]

    /// No filter.
    package init() {}

    /// Reads filters as the command line has them.
    ///
    /// - Parameters:
    ///   - filters: `name=value` each; `label!=x` is the name `label!`.
    ///   - accepted: the names that the command takes.
    ///   - now: what durations of `until` count from, in seconds since 1970.
    /// - Throws: `ImageError.invalidFilter`, `.invalidFilterValue`.
    package init(parsing filters: [String], accepted: Set<String>, now: Int64) throws(ImageError) {
        for text in filters {
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 2 else {
                throw .invalidFilterValue(filter: text, value: "", reason: "bad format of filter (expected name=value)")
            }
            let (name, value) = (parts[0], parts[1])
            guard accepted.contains(name) else { throw .invalidFilter(name) }
            switch name {
            case "dangling": dangling = try Self.bool(value, of: name)
            case "label": labels.append(Label(value))
            case "label!": excludedLabels.append(Label(value))
            case "before": before.append(value)
            case "since": since.append(value)
            case "reference":
                _ = try Self.pattern(value)
                references.append(value)
            default:
                guard let moment = WrittenMoment(value) else {
                    throw .invalidFilterValue(
                        filter: name,
                        value: value,
                        reason: "expected a duration (10m, 1h30m), a date (2026-01-02T15:04:05Z) or seconds since 1970"
                    )
                }
                let time = FileTime(moment, now: FileTime(seconds: now)).seconds
                until = min(until ?? time, time)
            }
        }
    }

    /// The pattern of a filter `reference`.
    static func pattern(_ text: String) throws(ImageError) -> GlobPattern {
        guard let pattern = GlobPattern(Array(text.utf8)) else { throw .invalidPattern(text) }
        return pattern
    }

    private static func bool(_ text: String, of filter: String) throws(ImageError) -> Bool {
        switch text {
        case "1", "true": true
        case "0", "false": false
        default: throw .invalidFilterValue(filter: filter, value: text, reason: "expected true or false")
        }
    }
}
