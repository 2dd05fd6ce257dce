package import Terminal

/// Labels as commands write them.
package enum LabelText {
    /// Reads `name=value` and `name`, which has an empty value.
    /// - Throws: `FlagValueError` for one without a name.
    package static func pairs(_ texts: [[UInt8]]) throws(FlagValueError) -> [String: String] {
        var labels: [String: String] = [:]
        for bytes in texts {
            let text = try FlagValues.text(bytes)
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard !parts[0].isEmpty else { throw FlagValueError("invalid label '\(text)': empty name") }
            labels[parts[0]] = parts.count > 1 ? parts[1] : ""
        }
        return labels
    }

    /// As lists show them: `a=1,b=2`.
    package static func joined(_ labels: [String: String]) -> String {
        labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
    }

    /// Whether labels have what a filter asks for: `name`, or `name=value`.
    package static func holds(_ filter: String, in labels: [String: String]) -> Bool {
        let parts = filter.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard let found = labels[parts[0]] else { return false }
        return parts.count == 1 || found == parts[1]
    }
}
