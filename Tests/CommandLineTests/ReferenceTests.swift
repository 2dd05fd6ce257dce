import Foundation
import Terminal
import Testing

@testable import CommandLine
@testable import Manual

private let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

private let reference = Reference(CommandTree(SlipwayCommands.all), version: SlipwayVersion.number)

@Suite struct `The reference` {
    @Test func `in docs is what the program declares`() throws {
        let directory = root.appending(path: "docs/reference")
        let pages = reference.pages
        var stale: [String] = []
        for page in pages {
            let text = try? String(contentsOf: directory.appending(path: page.path), encoding: .utf8)
            if text != page.text { stale.append(page.path) }
        }
        let known = Set(pages.map(\.path))
        let files = try FileManager.default.subpathsOfDirectory(atPath: directory.path).filter { $0.hasSuffix(".md") }
        stale += files.filter { !known.contains($0) }
        #expect(stale.isEmpty, "run `make reference`; stale: \(stale.sorted().joined(separator: ", "))")
    }

    @Test func `describes every flag that help shows`() throws {
        for topic in reference.topics {
            let page = reference.commandPage(topic)
            let manual = reference.manualPage(topic)
            for flag in reference.flags(of: topic) where !flag.isHidden {
                #expect(page.contains("`--\(flag.name)`"), "\(topic.name) --\(flag.name)")
                #expect(
                    manual.contains("\\-\\-\(flag.name.replacing("-", with: "\\-"))"),
                    "\(topic.name) --\(flag.name)"
                )
            }
        }
    }

    @Test func `has examples that the program understands`() throws {
        let names = Set(reference.topics.map(\.name))
        for command in CommandExample.commands {
            #expect(names.contains(command), "\(command) is no command")
            for example in CommandExample.of(command) {
                var words = shellWords(example.line)
                try #require(words.removeFirst() == "slipway")
                var global = GlobalOptions()
                let invocation = try SlipwayProgram.understand(
                    words.map { Array($0.utf8) },
                    CommandTree(SlipwayCommands.all),
                    &global
                )
                guard case .run = invocation else {
                    Issue.record("nothing to run: \(example.line)")
                    continue
                }
            }
        }
    }

    @Test func `gives variables commands and flags that exist`() {
        let topics = Dictionary(uniqueKeysWithValues: reference.topics.map { ($0.name, $0) })
        for variable in EnvironmentVariable.all {
            for command in variable.commands {
                guard let topic = topics[command] else {
                    Issue.record("\(variable.name): \(command) is no command")
                    continue
                }
                guard let flag = variable.flag else { continue }
                #expect(
                    reference.flags(of: topic).contains { $0.name == flag },
                    "\(variable.name) \(command) --\(flag)"
                )
            }
        }
        #expect(Set(EnvironmentVariable.all.map(\.name)).count == EnvironmentVariable.all.count)
    }

    /// Names read as `environment["NAME"]`, `getenv("NAME")`, or declared for commands to read.
    @Test func `has every variable that the sources read`() throws {
        let known = Set(EnvironmentVariable.all.map(\.name))
        let files = FileManager.default.enumerator(at: root.appending(path: "Sources"), includingPropertiesForKeys: nil)
        var missing: [String] = []
        var found: Set<String> = []
        while let file = files?.nextObject() as? URL {
            guard file.pathExtension == "swift" else { continue }
            let text = try String(contentsOf: file, encoding: .utf8)
            for opening in [
                "environment[\"", "getenv(\"", "EnvironmentVariable(\"", "value(\"", "EnvironmentVariable(\n        \"",
            ] {
                for part in text.split(separator: opening).dropFirst() {
                    let name = String(part.prefix { $0 != "\"" })
                    guard name.count > 2, name.allSatisfy({ $0.isUppercase || $0 == "_" || $0.isNumber }) else {
                        continue
                    }
                    found.insert(name)
                    if !known.contains(name) { missing.append("\(file.lastPathComponent): \(name)") }
                }
            }
        }
        #expect(missing.isEmpty, "not in EnvironmentVariable.all: \(missing.joined(separator: ", "))")
        #expect(found.isSuperset(of: ["SLIPWAY_ROOT", "NO_COLOR", "SSL_CERT_FILE", "PATH"]), "\(found)")
    }

    /// Splits a line as a shell does: quotes, and a redirection at the end.
    private func shellWords(_ line: String) -> [String] {
        var words: [String] = []
        var word: String?
        var quote: Character?
        for character in line {
            switch (quote, character) {
            case (let open?, _) where character == open: quote = nil
            case (_?, _): word = (word ?? "") + String(character)
            case (nil, "'"), (nil, "\""):
                quote = character
                word = word ?? ""
            case (nil, " "):
                if let whole = word { words.append(whole) }
                word = nil
            case (nil, _): word = (word ?? "") + String(character)
            }
        }
        if let word { words.append(word) }
        return Array(words.prefix { $0 != "<" && $0 != ">" && $0 != "|" })
    }
}

@Suite struct `Manual pages` {
    @Test func `keep text from being taken for requests`() throws {
        for page in reference.manualPages {
            #expect(page.text.contains(".SH NAME\n") && page.text.contains(".TH "), "\(page.path)")
            for line in page.text.split(separator: "\n") where line.hasPrefix(".") {
                let request = line.dropFirst().prefix { !$0.isWhitespace }
                let known: Set<Substring> = [
                    "\\\"", "TH", "SH", "TP", "PP", "B", "BR", "I", "RI", "RS", "RE", "nf", "fi",
                ]
                #expect(known.contains(request), "\(page.path): \(line)")
            }
        }
    }
}
