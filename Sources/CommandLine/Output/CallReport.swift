package import BuildEngine
internal import DockerfileFrontend
internal import DockerfileSyntax
internal import OCI
internal import Terminal
internal import Text

/// The answer to `--call` as buildx prints it.
package struct CallReport: Sendable {
    /// For the standard output.
    package private(set) var output = ""
    /// For the standard error output, where the Dockerfile that was checked is wrong.
    package private(set) var error: String?
    /// Whether a check found something.
    package private(set) var hasFindings = false
    /// What `--metadata-file` gets of the answer, under BuildKit's keys.
    let metadata: JSONValue

    /// - Parameters:
    ///   - answer: What the engine says.
    ///   - isJSON: Whether the frontend's document is wanted rather than text.
    ///   - fileName: What the user calls the Dockerfile, for text; nil where nothing was said.
    package init(_ answer: FrontendAnswer, isJSON: Bool, fileName: String? = nil) {
        let (document, text) = Self.result(answer)
        var fields: [JSONValue.Member] = [.init("result.json", document)]
        if let text { fields.append(.init("result.txt", .string(text))) }
        fields.append(.init("version", .string(Self.version(of: answer))))
        output = isJSON ? document.indented + "\n" : text ?? document.indented + "\n"
        if case .check(let report) = answer {
            hasFindings = !report.warnings.isEmpty || report.error != nil
            fields.insert(.init("result.statuscode", .string(hasFindings ? "1" : "0")), at: 1)
            let fileName = fileName ?? report.source.name
            if !isJSON { output = Self.summary(of: report) + Self.findings(of: report, fileName: fileName) }
            if let failure = report.error {
                if !isJSON, !report.warnings.isEmpty { output += "\n" }
                let frame = Self.frame(failure.ranges, of: report, fileName: fileName)
                error = "ERROR: \(safeLines(withoutCredentials(failure.message)))\n\(frame)\n"
            }
        }
        metadata = .object(fields)
    }

    /// Of the question, as BuildKit numbers them.
    private static func version(of answer: FrontendAnswer) -> String {
        switch answer {
        case .check, .outline, .targets, .description: "1.0.0"
        case .definition: "0.1.0"
        }
    }

    /// The answer as BuildKit's frontend gives it: a document, and, where there is such a text, the same for people.
    private static func result(_ answer: FrontendAnswer) -> (document: JSONValue, text: String?) {
        switch answer {
        case .check(let report): (report.json, findings(of: report, fileName: report.source.name))
        case .outline(let outline): (outline.json, text(outline))
        case .targets(let dockerfile): (dockerfile.targetsJSON, targets(of: dockerfile))
        case .description: (FrontendRequest.json, requests)
        case .definition(let definition): (definition, nil)
        }
    }

    // MARK: Checks

    private static func summary(of report: CheckReport) -> String {
        switch report.warnings.count {
        case 0: report.error == nil ? "Check complete, no warnings found.\n" : ""
        case 1: "Check complete, 1 warning has been found!\n"
        case let count: "Check complete, \(count) warnings have been found!\n"
        }
    }

    /// The findings in the order of their lines.
    private static func findings(of report: CheckReport, fileName: String) -> String {
        let sorted = report.warnings.enumerated().sorted {
            ($0.element.range.start.line, $0.offset) < ($1.element.range.start.line, $1.offset)
        }
        return sorted.map { _, warning in
            "\nWARNING: \(warning.rule.rawValue)" + (warning.rule.url.map { " - \($0)" } ?? "")
                + "\n\(safeText(withoutCredentials(warning.message)))\n"
                + frame([warning.range], of: report, fileName: fileName)
        }.joined()
    }

    private static func frame(_ ranges: [SourceRange], of report: CheckReport, fileName: String) -> String {
        sourceFrame(fileName: fileName, data: report.source.bytes, ranges: ranges.map(\.lines))
    }

    // MARK: Lists

    private static func text(_ outline: Outline) -> String {
        var text = ""
        if !outline.name.isEmpty || !outline.documentation.isEmpty {
            var table = TextTable(minimumWidth: 0, padding: 1)
            table.append(["TARGET:", safeText(outline.name.isEmpty ? "(default)" : outline.name)])
            if !outline.documentation.isEmpty { table.append(["DESCRIPTION:", safeText(outline.documentation)]) }
            text += table.rendered() + "\n"
        }
        if !outline.arguments.isEmpty {
            var table = TextTable(minimumWidth: 0)
            table.append(["BUILD ARG", "VALUE", "DESCRIPTION"])
            for argument in outline.arguments {
                table.append([argument.name, argument.value, argument.documentation].map { safeText($0) })
            }
            text += table.rendered() + "\n"
        }
        for (title, needs) in [("SECRET", outline.secrets), ("SSH", outline.agents)] where !needs.isEmpty {
            var table = TextTable(minimumWidth: 0)
            table.append([title, "REQUIRED"])
            for need in needs { table.append([safeText(need.name), need.isRequired ? "true" : ""]) }
            text += table.rendered() + "\n"
        }
        return text
    }

    private static func targets(of dockerfile: Dockerfile) -> String {
        var table = TextTable(minimumWidth: 0, padding: 1)
        table.append(["TARGET", "DESCRIPTION"])
        for stage in dockerfile.stages {
            let isDefault = stage.index == dockerfile.stages.count - 1
            let name = [stage.name, isDefault ? "(default)" : nil].compactMap(\.self).joined(separator: " ")
            table.append([safeText(name), safeText(stage.from.documentation ?? [])])
        }
        return table.rendered()
    }

    private static var requests: String {
        var table = TextTable(minimumWidth: 0, padding: 1)
        table.append(["NAME", "VERSION", "DESCRIPTION"])
        for request in FrontendRequest.all {
            table.append([String(request.name.dropFirst("frontend.".count)), request.version, request.summary])
        }
        return table.rendered()
    }
}
