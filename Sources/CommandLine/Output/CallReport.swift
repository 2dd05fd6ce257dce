package import BuildEngine
internal import DockerfileFrontend
internal import DockerfileSyntax
internal import OCI

/// The answer to `--call` as buildx prints it.
package struct CallReport: Sendable {
    /// For the standard output.
    package private(set) var output = ""
    /// For the standard error output, where the Dockerfile that was checked is wrong.
    package private(set) var error: String?
    /// Whether a check found something.
    package private(set) var hasFindings = false

    /// - Parameters:
    ///   - answer: What the engine says.
    ///   - isJSON: Whether the frontend's document is wanted rather than text.
    ///   - fileName: What the user calls the Dockerfile, for text; nil where nothing was said.
    package init(_ answer: FrontendAnswer, isJSON: Bool, fileName: String? = nil) {
        switch answer {
        case .check(let report): check(report, isJSON: isJSON, fileName: fileName ?? report.source.name)
        case .outline(let outline): output = isJSON ? outline.json.indented + "\n" : Self.text(outline)
        case .targets(let dockerfile):
            output = isJSON ? dockerfile.targetsJSON.indented + "\n" : Self.targets(of: dockerfile)
        case .description: output = isJSON ? FrontendRequest.json.indented + "\n" : Self.requests
        }
    }

    private mutating func check(_ report: CheckReport, isJSON: Bool, fileName: String) {
        hasFindings = !report.warnings.isEmpty || report.error != nil
        func frame(_ ranges: [SourceRange]) -> String {
            sourceFrame(fileName: fileName, data: report.source.bytes, ranges: ranges.map(\.lines))
        }
        if isJSON {
            output = report.json.indented + "\n"
        } else if report.warnings.isEmpty {
            if report.error == nil { output = "Check complete, no warnings found.\n" }
        } else {
            let count = report.warnings.count
            let found = count == 1 ? "1 warning has been found!" : "\(count) warnings have been found!"
            output = "Check complete, \(found)\n"
            let sorted = report.warnings.enumerated().sorted {
                ($0.element.range.start.line, $0.offset) < ($1.element.range.start.line, $1.offset)
            }
            for (_, warning) in sorted {
                output += "\nWARNING: \(warning.rule.rawValue)" + (warning.rule.url.map { " - \($0)" } ?? "")
                output += "\n\(safeText(warning.message))\n" + frame([warning.range])
            }
            if report.error != nil { output += "\n" }
        }
        if let failure = report.error {
            let lines = failure.message.split(separator: "\n", omittingEmptySubsequences: false)
            let message = lines.map { safeText(String($0)) }.joined(separator: "\n")
            error = "ERROR: \(message)\n\(frame(failure.ranges))\n"
        }
    }

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
