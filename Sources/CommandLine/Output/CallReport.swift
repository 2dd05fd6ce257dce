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
        var check: LintReport?
        if case .check(let report) = answer { check = LintReport(report) }
        self.init(
            document: (answered.document, answered.document.indented),
            text: answered.text,
            version: answered.version,
            check: check,
            isJSON: isJSON,
            fileName: fileName
        )
    }

    /// The answer of a daemon, in the parts that BuildKit's frontend gives.
    /// - Throws: `DecodingError` for a document that cannot be read.
    init(remote parts: [String: [UInt8]], isCheck: Bool, isJSON: Bool, fileName: String?) throws {
        let bytes = parts["result.json"] ?? []
        self.init(
            document: (try JSONValue(parsing: bytes), String(decoding: bytes, as: UTF8.self)),
            text: parts["result.txt"].map { safeLines(String(decoding: $0, as: UTF8.self)) },
            version: String(decoding: parts["version"] ?? [], as: UTF8.self),
            check: isCheck ? try LintReport(parsing: bytes) : nil,
            isJSON: isJSON,
            fileName: fileName
        )
    }

    private init(
        document: (value: JSONValue, text: String),
        text: String?,
        version: String,
        check: LintReport?,
        isJSON: Bool,
        fileName: String?
    ) {
        var fields: [JSONValue.Member] = [.init("result.json", document.value)]
        if let text { fields.append(.init("result.txt", .string(text))) }
        fields.append(.init("version", .string(version)))
        output = isJSON ? document.text + "\n" : text ?? document.text + "\n"
        if let check {
            hasFindings = check.hasFindings
            fields.insert(.init("result.statuscode", .string(hasFindings ? "1" : "0")), at: 1)
            if !isJSON { output = Self.summary(of: check) + check.text(fileName: fileName) }
            if let failure = check.failure {
                if !isJSON, !check.findings.isEmpty { output += "\n" }
                let frame = check.frame(of: failure, fileName: fileName)
                error = "ERROR: \(safeLines(withoutCredentials(failure.message)))\n\(frame)\n"
            }
        }
        metadata = .object(fields)
    }

    private static func summary(of check: LintReport) -> String {
        switch check.findings.count {
        case 0: check.failure == nil ? "Check complete, no warnings found.\n" : ""
        case 1: "Check complete, 1 warning has been found!\n"
        case let count: "Check complete, \(count) warnings have been found!\n"
        }
    }
}
