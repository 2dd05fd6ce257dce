package import BuildEngine
import DockerfileFrontend
import DockerfileSyntax
import OCI
import Terminal
package import Text

/// The answer to a question about a Dockerfile as BuildKit's frontend gives it: a document, and where there is such a
/// text, the same for people.
package struct FrontendDocument: Sendable {
    package let document: JSONValue
    package let text: String?
    /// Of the question, as BuildKit numbers them.
    package let version: String
    /// Whether a check found something; nil for another question.
    package let hasFindings: Bool?

    package init(_ answer: FrontendAnswer) {
        (document, text) = Self.result(answer)
        version = Self.version(of: answer)
        guard case .check(let report) = answer else {
            hasFindings = nil
            return
        }
        hasFindings = !report.warnings.isEmpty || report.error != nil
    }

    /// What the frontend says of its result.
    var metadata: [String: [UInt8]] {
        var metadata: [String: [UInt8]] = [
            "result.json": Array(document.indented.utf8), "version": Array(version.utf8),
        ]
        if let text { metadata["result.txt"] = Array(text.utf8) }
        if let hasFindings { metadata["result.statuscode"] = hasFindings ? "1" : "0" }
        return metadata
    }

    private static func version(of answer: FrontendAnswer) -> String {
        switch answer {
        case .check, .outline, .targets, .description: "1.0.0"
        case .definition: "0.1.0"
        }
    }

    private static func result(_ answer: FrontendAnswer) -> (document: JSONValue, text: String?) {
        switch answer {
        case .check(let report): (report.json, LintReport(report).text())
        case .outline(let outline): (outline.json, text(outline))
        case .targets(let dockerfile): (dockerfile.targetsJSON, targets(of: dockerfile))
        case .description: (FrontendRequest.json, requests)
        case .definition(let definition): (definition, nil)
        }
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
