import Foundation
import Testing

/// `docs/compatibility.md` says nothing that no test shows: a test names the rows that it proves by `.proves("row")`.
@Suite struct `The compatibility page` {
    private struct Row {
        let line: Int
        let section: String
        let name: String
        let state: String
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
            guard cells.count == 5, cells[1] != "row", !cells[1].allSatisfy({ $0 == "-" }) else { continue }
            let name = cells[1].replacing("`", with: "")
            rows.append(Row(line: index + 1, section: section, name: name, state: cells[2], remark: cells[3]))
        }
        return rows
    }

    @Test func `has a row for each thing that builds rely on`() throws {
        let rows = try rows()
        let sections = Dictionary(grouping: rows, by: { String($0.section.prefix { $0 != " " }) })
        for number in 1...13 { #expect(sections["1.\(number)"]?.isEmpty == false, "section 1.\(number)") }
        for number in 1...8 { #expect(sections["2.\(number)"]?.isEmpty == false, "section 2.\(number)") }
        #expect(rows.count > 200)
        #expect(Set(rows.map(\.name)).count == rows.count, "two rows of one name")
    }

    @Test func `gives each row a state that its tests or its remark bear out`() throws {
        let rows = try rows()
        let proven = Set(try proofs().compactMap { row(named: $0.row, among: rows)?.line })
        var wrong: [String] = []
        for row in rows {
            switch row.state {
            case "works", "refused":
                if !proven.contains(row.line) { wrong.append("\(row.place): \(row.state), and no test proves it") }
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

    @Test func `has one row for each name that a test proves`() throws {
        let proofs = try proofs()
        #expect(proofs.count > 400)
        let rows = try rows()
        let wrong = proofs.filter { row(named: $0.row, among: rows) == nil }.map { "\($0.file): \"\($0.row)\"" }
        #expect(wrong.isEmpty, "no row or several:\n\(wrong.joined(separator: "\n"))")
    }

    /// The row of that name, or the only one whose name begins so.
    private func row(named name: String, among rows: [Row]) -> Row? {
        if let row = rows.first(where: { $0.name == name }) { return row }
        let longer = rows.filter { $0.name.hasPrefix(name) }
        return longer.count == 1 ? longer[0] : nil
    }

    /// What the tests say that they prove.
    private func proofs() throws -> [(file: String, row: String)] {
        try testFiles(below: root).filter { !$0.path.contains("/ArchitectureTests/") }.flatMap { file in
            try String(contentsOf: file, encoding: .utf8).components(separatedBy: ".proves(").dropFirst()
                .flatMap { text in
                    // The rows' names hold neither quotation marks nor backslashes.
                    let spans = text.split(separator: "\"", omittingEmptySubsequences: false)
                    let end = spans.indices.first { $0 % 2 == 0 && spans[$0].contains(")") } ?? 0
                    return spans[..<end].enumerated().filter { $0.offset % 2 == 1 }
                        .map { (file.lastPathComponent, String($0.element)) }
                }
        }
    }
}

private func testFiles(below root: URL) throws -> [URL] {
    let files = FileManager.default.enumerator(at: root.appending(path: "Tests"), includingPropertiesForKeys: nil)
    return (files?.allObjects as? [URL] ?? []).filter { $0.pathExtension == "swift" }
}

/// The names of all tests as `suite > test`.
private func testNames(below root: URL) throws -> Set<String> {
    var names: Set<String> = []
    for file in try testFiles(below: root) {
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
