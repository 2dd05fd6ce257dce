package import DockerfileFrontend
import DockerfileSyntax
import FoundationEssentials
import OCI
import Terminal
import Text

/// What a check of a Dockerfile found, as it is shown to people: of this program's own frontend, or of a daemon's.
package struct LintReport: Sendable {
    /// One finding, or why the Dockerfile cannot be built.
    package struct Finding: Sendable, Hashable {
        /// The rule; empty for an error.
        package let rule: String
        package let url: String?
        package let message: String
        let source: Int
        let lines: [ClosedRange<Int>]
    }

    private struct Source: Sendable {
        let name: String
        let bytes: [UInt8]
    }

    /// In the order in which they were found.
    package private(set) var findings: [Finding] = []
    package private(set) var failure: Finding?
    private var sources: [Source]

    package init(_ report: CheckReport) {
        sources = [Source(name: report.source.name, bytes: report.source.bytes)]
        findings = report.warnings.map {
            Finding(
                rule: $0.rule.rawValue,
                url: $0.rule.url,
                message: $0.message,
                source: 0,
                lines: [$0.range.lines]
            )
        }
        failure = report.error.map {
            Finding(rule: "", url: nil, message: $0.message, source: 0, lines: $0.ranges.map(\.lines))
        }
    }

    /// Reads the document of BuildKit's `frontend.lint`.
    /// - Throws: `DecodingError` for another document.
    package init(parsing bytes: [UInt8]) throws {
        let document = try JSONDecoder().decode(LintDocument.self, from: Data(bytes))
        sources = (document.sources ?? []).map { source in
            Source(name: source.filename ?? "Dockerfile", bytes: Text.bytes(ofBase64: source.data ?? "") ?? [])
        }
        findings = (document.warnings ?? []).map { warning in
            Finding(
                rule: warning.ruleName ?? "",
                url: warning.url.flatMap { $0.isEmpty ? nil : $0 },
                message: warning.detail ?? warning.description ?? "",
                source: warning.location?.sourceIndex ?? 0,
                lines: warning.location?.lines ?? []
            )
        }
        failure = document.buildError.map { error in
            Finding(
                rule: "",
                url: nil,
                message: error.message ?? "",
                source: error.location?.sourceIndex ?? 0,
                lines: error.location?.lines ?? []
            )
        }
    }

    /// Whether there is anything to say.
    package var hasFindings: Bool { !findings.isEmpty || failure != nil }

    /// The findings in the order of their lines.
    /// - Parameter fileName: what to call the Dockerfile; nil for its own name.
    /// - Returns: whole lines.
    package func text(fileName: String? = nil) -> String {
        let sorted = findings.enumerated().sorted {
            (($0.element.lines.first?.lowerBound ?? 0), $0.offset) < (
                ($1.element.lines.first?.lowerBound ?? 0), $1.offset
            )
        }
        return sorted.map { _, finding in
            "\nWARNING: \(safeText(finding.rule))" + (finding.url.map { " - \(safeText($0))" } ?? "")
                + "\n\(safeText(withoutCredentials(finding.message)))\n" + frame(of: finding, fileName: fileName)
        }.joined()
    }

    /// The lines of the Dockerfile that are meant.
    package func frame(of finding: Finding, fileName: String? = nil) -> String {
        guard sources.indices.contains(finding.source) else { return "" }
        let source = sources[finding.source]
        return sourceFrame(fileName: fileName ?? source.name, data: source.bytes, ranges: finding.lines)
    }
}

/// As Go's JSON has it.
private struct LintDocument: Decodable {
    struct Position: Decodable { let line: Int? }

    struct Range: Decodable {
        let start: Position?
        let end: Position?
    }

    struct Location: Decodable {
        let sourceIndex: Int?
        let ranges: [Range]?

        var lines: [ClosedRange<Int>] {
            (ranges ?? []).map { range in
                let start = range.start?.line ?? 0
                return start...max(start, range.end?.line ?? start)
            }
        }
    }

    struct Warning: Decodable {
        let ruleName: String?
        let description: String?
        let url: String?
        let detail: String?
        let location: Location?
    }

    struct Source: Decodable {
        let filename: String?
        let data: String?
    }

    struct Failure: Decodable {
        let message: String?
        let location: Location?
    }

    let warnings: [Warning]?
    let sources: [Source]?
    let buildError: Failure?
}
