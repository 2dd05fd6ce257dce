package import BuildGraph

/// Why the steps of a build ran or did not, as `slipway explain` says it.
package struct BuildExplanation: Sendable {
    /// In the order of the build.
    package let steps: [StepExplanation]

    package init(_ steps: [StepExplanation]) { self.steps = steps }

    /// The explanation for people.
    ///
    ///     CACHED   [1/4] FROM docker.io/library/python:3-alpine
    ///     REBUILT  [3/4] COPY ./assets . (Dockerfile:3)
    ///              files of "[internal] load build context" changed:
    ///                assets/server.py: content
    /// - Parameter fileLimit: How many files are named for each change; the rest is counted.
    /// - Returns: Whole lines.
    package func text(fileLimit: Int = 10) -> String {
        if steps.isEmpty { return "No step of an earlier build is known.\n" }
        let indent = String(repeating: " ", count: 9)
        return steps.reduce(into: "") { text, step in
            let place = step.origin.map { " (\(safeText($0.dockerfile)):\($0.line))" } ?? ""
            text += "\(label(of: step.outcome))\(safeText(step.name))\(place)\n"
            for line in Self.reasons(for: step.outcome, fileLimit: fileLimit) { text += "\(indent)\(line)\n" }
        }
    }

    /// Why a step ran, or where its result came from, line by line; empty where the outcome says it all.
    static func reasons(for outcome: StepExplanation.Outcome, fileLimit: Int = 10) -> [String] {
        if case .imported(let source) = outcome {
            return ["its result came from the remote cache \(safeText(source))"]
        }
        return outcome.reason.map { lines(for: $0, fileLimit: fileLimit) } ?? []
    }

    private func label(of outcome: StepExplanation.Outcome) -> String {
        switch outcome {
        case .cached, .imported: "CACHED   "
        case .notNeeded: "SKIPPED  "
        case .ran(.noEarlierRecord), .ran(.neverCached): "RAN      "
        case .ran(.changed), .ran(.resultGone), .ran(.cacheDisabled): "REBUILT  "
        case .failed: "FAILED   "
        }
    }

    private static func lines(for reason: MissReason, fileLimit: Int) -> [String] {
        switch reason {
        case .noEarlierRecord: ["it was never built before"]
        case .resultGone: ["nothing changed, but its result had been removed from the store"]
        case .cacheDisabled: ["the cache was not to be used for it or for a step it is built on (--no-cache)"]
        case .neverCached: ["its content decides its key, so it is read each time"]
        case .changed(let changes): changes.flatMap { lines(for: $0, fileLimit: fileLimit) }
        }
    }

    private static func lines(for change: KeyChange, fileLimit: Int) -> [String] {
        switch change {
        case .component(let name, let old?, let new?):
            ["\(safeText(name)) changed from \(quoted(old)) to \(quoted(new))"]
        case .component(let name, nil, let new?): ["\(safeText(name)) is new: \(quoted(new))"]
        case .component(let name, let old?, nil): ["\(safeText(name)) is gone; it was \(quoted(old))"]
        case .component(let name, nil, nil): ["\(safeText(name)) changed"]
        case .input(let step, _): ["it is built on \"\(safeText(step))\", which changed"]
        case .inputCount(let old, let new): ["it has \(new) inputs and had \(old)"]
        case .content(let step, let files): fileLines(of: step, files, limit: fileLimit)
        }
    }

    private static func fileLines(of step: String, _ files: [ChangedFile], limit: Int) -> [String] {
        if files.isEmpty { return ["files of \"\(safeText(step))\" changed"] }
        let named = files.prefix(max(1, limit)).map {
            "  \(safeText($0.path)): \($0.kind.words.joined(separator: ", "))"
        }
        let rest = files.count - named.count
        let more = rest > 0 ? ["  and \(rest) more"] : []
        return ["files of \"\(safeText(step))\" changed:"] + named + more
    }

    /// A value in quotes; the middle of a long one is left out.
    private static func quoted(_ value: [UInt8]) -> String {
        if value.count <= 160 { return "\"\(safeText(value))\"" }
        return "\"\(safeText(value.prefix(80)))…\(safeText(value.suffix(40)))\" (\(value.count) bytes)"
    }
}

extension StepExplanation.Outcome {
    /// Why the step ran; nil for one that did not.
    var reason: MissReason? {
        switch self {
        case .cached, .imported, .notNeeded, .failed(nil): nil
        case .ran(let reason), .failed(let reason?): reason
        }
    }
}

extension ChangedFile.Kind {
    /// What happened to the file, in words.
    var words: [String] {
        switch self {
        case .added: ["added"]
        case .removed: ["removed"]
        case .changed(let attributes): attributes.map(\.words)
        }
    }
}

extension ChangedFile.Attribute {
    fileprivate var words: String {
        switch self {
        case .content: "content"
        case .type(let old, let new): "\(old.words) became \(new.words)"
        case .mode(let old, let new): "mode \(octal(old)) became \(octal(new))"
        case .owner(let old, let new): "owner \(old) became \(new)"
        case .group(let old, let new): "group \(old) became \(new)"
        case .extendedAttributes: "extended attributes"
        }
    }

    private func octal(_ mode: UInt32) -> String {
        let digits = String(mode, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}

extension ContentEntry.Kind {
    fileprivate var words: String {
        switch self {
        case .file: "file"
        case .directory: "directory"
        case .symbolicLink: "symbolic link"
        case .other: "special file"
        }
    }
}
