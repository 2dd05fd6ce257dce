internal import BuildGraph
internal import OCI

extension BuildExplanation {
    /// The explanation for programs: an array with one object a step.
    ///
    /// Values and paths that are not UTF-8 have their bytes escaped.
    package var json: String { JSONText.array(steps.map(object)) + "\n" }

    private func object(_ step: StepExplanation) -> String {
        var json = JSONText()
        json.add("name", step.name)
        json.add("vertex", step.vertex)
        if let origin = step.origin {
            json.add("dockerfile", origin.dockerfile)
            json.add("line", Int64(origin.line))
            json.add("stage", origin.stage)
        }
        switch step.outcome {
        case .cached: json.add("outcome", "cached")
        case .imported(let source):
            json.add("outcome", "cached")
            json.add("remoteCache", source)
        case .notNeeded: json.add("outcome", "skipped")
        case .ran: json.add("outcome", "ran")
        case .failed: json.add("outcome", "failed")
        }
        if let reason = step.outcome.reason {
            json.addRaw("seconds", fixedPoint(step.seconds, decimals: 3))
            json.add("reason", name(of: reason))
            if case .changed(let changes) = reason { json.addRaw("changes", JSONText.array(changes.map(object))) }
        }
        return json.object
    }

    private func name(of reason: MissReason) -> String {
        switch reason {
        case .noEarlierRecord: "no earlier record"
        case .changed: "changed"
        case .resultGone: "result gone"
        case .cacheDisabled: "cache disabled"
        case .neverCached: "never cached"
        }
    }

    private func object(_ change: KeyChange) -> String {
        var json = JSONText()
        switch change {
        case .component(let name, let old, let new):
            json.add("component", name)
            if let old { json.add("old", safeText(old)) }
            if let new { json.add("new", safeText(new)) }
        case .input(let step, _): json.add("input", step)
        case .inputCount(let old, let new):
            json.add("oldInputs", Int64(old))
            json.add("newInputs", Int64(new))
        case .content(let step, let files):
            json.add("contentOf", step)
            json.addRaw("files", JSONText.array(files.map(object)))
        }
        return json.object
    }

    private func object(_ file: FileChange) -> String {
        var json = JSONText()
        json.add("path", safeText(file.path))
        json.addRaw("changes", JSONText.array(file.kind.words.map(JSONText.quoted)))
        return json.object
    }
}
