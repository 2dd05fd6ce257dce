package import BuildGraph
internal import OCI

/// What a build says after its progress: the place and the text of an error, or the warnings.
package enum BuildEpilogue {
    /// What a failed build says: the lines of the Dockerfile that are to blame, then the error.
    ///
    ///     ERROR: failed to build: failed to solve: process "/bin/sh -c false" did not complete successfully: exit code: 1
    /// - Parameters:
    ///   - error: The error; its text is all that is said of it.
    ///   - source: The Dockerfile and the lines of the step, where they are known.
    ///   - advice: What probably is to blame and what to do about it.
    /// - Returns: Whole lines.
    package static func failure(_ error: any Error, source: VertexWarning.Source?, advice: String? = nil) -> String {
        let frame = source.map { sourceFrame(fileName: $0.fileName, data: $0.data, ranges: $0.lines) } ?? ""
        let hint = advice.map { "hint: \(safeText($0))\n" } ?? ""
        return "\(frame)ERROR: failed to build: \(safeLines(withoutCredentials("\(error)")))\n\(hint)"
    }

    /// The warnings of a build, each once; empty if there are none.
    /// - Parameters:
    ///   - warnings: All warnings, in their order.
    ///   - isVerbose: Whether details and source lines are shown.
    ///   - color: The escape sequence of the heading's colour; empty for none.
    /// - Returns: Whole lines.
    package static func warnings(_ warnings: [VertexWarning], isVerbose: Bool = false, color: String = "") -> String {
        var seen: Set<VertexWarning> = []
        let unique = warnings.filter { warning in
            let anywhere = VertexWarning(
                vertex: nil,
                level: warning.level,
                short: warning.short,
                detail: warning.detail,
                url: warning.url,
                source: warning.source
            )
            return seen.insert(anywhere).inserted
        }
        if unique.isEmpty { return "" }
        let count = unique.count == 1 ? "1 warning found" : "\(unique.count) warnings found"
        let heading = count + (isVerbose ? ":" : " (use --debug to expand):")
        var text = "\n " + (color.isEmpty ? heading : "\(color)\(heading)\u{1b}[0m") + "\n"
        for warning in unique {
            text += " - \(safeText(warning.short))\n"
            if !isVerbose { continue }
            for line in warning.detail { text += safeText(line) + "\n" }
            if !warning.url.isEmpty { text += "More info: \(safeText(warning.url))\n" }
            if let source = warning.source {
                text += sourceFrame(fileName: source.fileName, data: source.data, ranges: source.lines)
            }
            text += "\n"
        }
        return text
    }
}
