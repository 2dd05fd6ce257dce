import Foundation
import Testing

/// docs/glossary.md: one noun, one type.
@Suite struct `The glossary` {
    @Test func `no two targets have a top-level type of one name`() throws {
        let doubles = try topLevelTypes().filter { $0.value.count > 1 }
            .map { "\($0.key): \($0.value.sorted().joined(separator: ", "))" }
        #expect(doubles.isEmpty, "\(doubles.sorted().joined(separator: "\n"))")
    }

    @Test func `each noun of the glossary is a type`() throws {
        let page = try String(contentsOf: root.appending(path: "docs/glossary.md"), encoding: .utf8)
        let nouns = page.matches(of: #/\n\| [^|]+ \| `(?<noun>\w+)` \|/#).map { String($0.output.noun) }
        try #require(nouns.count > 20)
        let types = try topLevelTypes()
        #expect(nouns.filter { types[$0] == nil } == [])
        #expect(Set(nouns).count == nouns.count)
    }

    /// The targets that declare a type outside of any other, by its name; types that one file keeps to itself do not count.
    private func topLevelTypes() throws -> [String: Set<String>] {
        let keywords: Set = ["struct", "enum", "class", "actor", "protocol", "typealias"]
        var types: [String: Set<String>] = [:]
        for file in try sourceFiles() where !file.isGenerated {
            for line in file.text.split(separator: "\n") where line.first?.isLetter ?? false || line.first == "@" {
                let words = line.split { !($0.isLetter || $0.isNumber || $0 == "_") }
                guard let index = words.firstIndex(where: { keywords.contains(String($0)) }), index < 3,
                    index + 1 < words.count, !words.contains("import"), !line.hasPrefix("private"),
                    !line.hasPrefix("fileprivate")
                else { continue }
                types[String(words[index + 1]), default: []].insert(file.target)
            }
        }
        return types
    }
}
