internal import BuildGraph
internal import OCI
internal import Text

extension BuildExplanation {
    /// The explanation for programs: an array with one object a step.
    ///
    /// Values and paths that are not UTF-8 have their bytes escaped.
    package var json: String { JSONValue.array(steps.map(object)).text() + "\n" }

    private func object(_ step: StepExplanation) -> JSONValue {
        var fields: [JSONValue.Member] = [
            .init("name", .string(step.name)), .init("vertex", .string(step.vertex.description)),
        ]
        if let origin = step.origin {
            fields += [
                .init("dockerfile", .string(origin.dockerfile)), .init("line", .number(origin.line)),
                .init("stage", .string(origin.stage)),
            ]
        }
        fields.append(.init("outcome", .string(name(of: step.outcome))))
        if case .imported(let source) = step.outcome { fields.append(.init("remoteCache", .string(source))) }
        if let reason = step.outcome.reason {
            fields.append(.init("seconds", .numeral(fixedPoint(step.seconds, decimals: 3))))
            fields.append(.init("reason", .string(name(of: reason))))
            if case .changed(let changes) = reason {
                fields.append(.init("changes", .array(changes.map(object))))
            }
        }
        return .object(fields)
    }

    private func name(of outcome: StepExplanation.Outcome) -> String {
        switch outcome {
        case .cached, .imported: "cached"
        case .notNeeded: "skipped"
        case .ran: "ran"
        case .failed: "failed"
        }
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

    private func object(_ change: KeyChange) -> JSONValue {
        switch change {
        case .component(let name, let old, let new):
            let values = [("old", old), ("new", new)].compactMap { key, value in
                value.map { JSONValue.Member(key, .string(safeText($0))) }
            }
            return .object([.init("component", .string(name))] + values)
        case .input(let step, _): return .object([.init("input", .string(step))])
        case .inputCount(let old, let new):
            return .object([.init("oldInputs", .number(old)), .init("newInputs", .number(new))])
        case .content(let step, let files):
            return .object([.init("contentOf", .string(step)), .init("files", .array(files.map(object)))])
        }
    }

    private func object(_ file: ChangedFile) -> JSONValue {
        .object([
            .init("path", .string(safeText(file.path))),
            .init("changes", .array(file.kind.words.map { .string($0) })),
        ])
    }
}
