package import BuildEngine
internal import BuildKitService
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
        let answered = FrontendDocument(answer)
        let json = answered.document
        var fields: [JSONValue.Member] = [.init("result.json", json)]
        if let text = answered.text { fields.append(.init("result.txt", .string(text))) }
        fields.append(.init("version", .string(answered.version)))
        output = isJSON ? json.indented + "\n" : answered.text ?? json.indented + "\n"
        if case .check(let report) = answer {
            hasFindings = answered.hasFindings ?? false
            fields.insert(.init("result.statuscode", .string(hasFindings ? "1" : "0")), at: 1)
            let fileName = fileName ?? report.source.name
            if !isJSON { output = Self.summary(of: report) + FrontendDocument.findings(of: report, fileName: fileName) }
            if let failure = report.error {
                if !isJSON, !report.warnings.isEmpty { output += "\n" }
                let frame = FrontendDocument.frame(failure.ranges, of: report, fileName: fileName)
                error = "ERROR: \(safeLines(withoutCredentials(failure.message)))\n\(frame)\n"
            }
        }
        metadata = .object(fields)
    }

    // MARK: Checks

    private static func summary(of report: CheckReport) -> String {
        switch report.warnings.count {
        case 0: report.error == nil ? "Check complete, no warnings found.\n" : ""
        case 1: "Check complete, 1 warning has been found!\n"
        case let count: "Check complete, \(count) warnings have been found!\n"
        }
    }

}
