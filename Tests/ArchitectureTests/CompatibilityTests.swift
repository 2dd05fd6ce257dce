import Foundation
import Testing

/// `docs/compatibility.md` says nothing that no test shows.
@Suite struct `The compatibility page` {
    private struct Row {
        let line: Int
        let section: String
        let name: String
        let state: String
        let tests: [String]
        let remark: String
        var place: String { "line \(line), \(section), \(name)" }
    }

    private let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private func rows() throws -> [Row] {
        let text = try String(contentsOf: root.appending(path: "docs/compatibility.md"), encoding: .utf8)
        var section = ""
        var rows: [Row] = []
        for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            if line.hasPrefix("#") { section = String(line.drop { $0 == "#" || $0 == " " }) }
            // A bar inside a code span is written with a backslash.
            let cells = line.replacing("\\|", with: "\u{1}").split(separator: "|", omittingEmptySubsequences: false).map
            {
                $0.replacing("\u{1}", with: "|").trimmingCharacters(in: .whitespaces)
            }
            guard cells.count == 6, cells[1] != "row", !cells[1].allSatisfy({ $0 == "-" }) else { continue }
            let spans = cells[3].split(separator: "`", omittingEmptySubsequences: false)
            let tests = spans.enumerated().filter { $0.offset % 2 == 1 }.map { String($0.element) }
            rows.append(
                Row(line: index + 1, section: section, name: cells[1], state: cells[2], tests: tests, remark: cells[4])
            )
        }
        return rows
    }

    @Test func `has a row for each thing that builds rely on`() throws {
        let rows = try rows()
        let sections = Dictionary(grouping: rows, by: { String($0.section.prefix { $0 != " " }) })
        for number in 1...13 { #expect(sections["1.\(number)"]?.isEmpty == false, "section 1.\(number)") }
        for number in 1...8 { #expect(sections["2.\(number)"]?.isEmpty == false, "section 2.\(number)") }
        #expect(rows.count > 200)
        let names = rows.map { "\($0.section): \($0.name)" }
        #expect(Set(names).count == names.count, "two rows of one name")
    }

    @Test func `gives each row a state that its tests or its remark bear out`() throws {
        var wrong: [String] = []
        for row in try rows() {
            switch row.state {
            case "works", "refused": if row.tests.isEmpty { wrong.append("\(row.place): \(row.state) without a test") }
            case "partly":
                if row.remark.count < 10 || !row.remark.hasSuffix(".") {
                    wrong.append("\(row.place): partly without a sentence")
                }
            case "later": break
            default: wrong.append("\(row.place): \"\(row.state)\" is no state")
            }
        }
        #expect(wrong.isEmpty, "\(wrong.joined(separator: "\n"))")
    }

    @Test func `names tests that exist`() throws {
        let known = try testNames(below: root)
        #expect(known.contains("The compatibility page > names tests that exist"))
        let missing = try rows().flatMap { row in
            row.tests.filter { !known.contains($0) }.map { "\(row.place): no test is called \"\($0)\"" }
        }
        #expect(missing.isEmpty, "\(missing.joined(separator: "\n"))")
    }
}

/// The names of all tests as `suite > test`.
private func testNames(below root: URL) throws -> Set<String> {
    let directory = root.appending(path: "Tests")
    let files = FileManager.default.enumerator(at: directory, includingPropertiesForKeys: nil)
    var names: Set<String> = []
    while let file = files?.nextObject() as? URL {
        guard file.pathExtension == "swift" else { continue }
        var suite = ""
        for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
            let spans = line.split(separator: "`", omittingEmptySubsequences: false)
            guard spans.count >= 3 else { continue }
            if spans[0].hasSuffix("struct ") || spans[0] == "extension " { suite = String(spans[1]) }
            if spans[0].hasSuffix("func ") { names.insert("\(suite) > \(spans[1])") }
        }
    }
    return names
}

/// `docs/hostile-inputs.md` names a test for each attack that it knows, or says why there is none.
@Suite struct `The page of hostile inputs` {
    @Test func `names tests that exist, for every number of the catalogue`() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let known = try testNames(below: root)
        let text = try String(contentsOf: root.appending(path: "docs/hostile-inputs.md"), encoding: .utf8)
        var seen: [String] = []
        for line in text.split(separator: "\n") where line.hasPrefix("| ") {
            let cells = line.replacing("\\|", with: "\u{1}").split(separator: "|", omittingEmptySubsequences: false)
                .map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 6, cells[1] != "id", !cells[1].allSatisfy({ $0 == "-" }) else { continue }
            seen.append(cells[1])
            let spans = cells[3].split(separator: "`", omittingEmptySubsequences: false)
            let tests = spans.enumerated().filter { $0.offset % 2 == 1 }.map { String($0.element) }
            #expect(!tests.isEmpty || cells[4].count > 10, "\(cells[1]) has neither a test nor a reason")
            for test in tests { #expect(known.contains(test), "\(cells[1]): no test is called \"\(test)\"") }
        }
        let wanted = (1...14).map { "A\($0)" } + (1...17).map { "B\($0)" } + (1...6).map { "E\($0)" } + ["H6"]
        #expect(Set(wanted).subtracting(seen).isEmpty && Set(seen).count == seen.count, "\(seen)")
    }
}
