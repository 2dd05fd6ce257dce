import Foundation
import Testing

/// The rules of docs/architecture.md and CONTRIBUTING.md that the compiler does not enforce.
@Suite struct `Architecture` {
    @Test func `a target imports only lower layers of the wings it sees`() throws {
        let declared = try visibleTargets()
        let locals = Set(declared.keys)
        var wrong: [String] = []
        for file in try sourceFiles() {
            guard let allowed = declared[file.target] else {
                wrong.append("\(file.name): the manifest has no target \(file.target)")
                continue
            }
            for module in importedModules(in: file.text) where locals.contains(module) && !allowed.contains(module) {
                wrong.append("\(file.name) imports \(module)")
            }
        }
        #expect(wrong.isEmpty, "\(wrong.joined(separator: "\n"))")
    }

    @Test func `every package type has a doc comment`() throws {
        let keywords = ["struct", "enum", "class", "actor", "protocol"]
        var bare: [String] = []
        for file in try sourceFiles() where !file.isGenerated {
            let lines = file.text.split(separator: "\n", omittingEmptySubsequences: false)
            for (index, line) in lines.enumerated() {
                let words = line.split(separator: " ").filter { !$0.hasPrefix("@") }.map(String.init)
                guard words.first == "package",
                    let kind = words.dropFirst().first(where: { $0 != "final" && $0 != "indirect" }),
                    keywords.contains(kind), line.first == "p" || line.first == "@"
                else { continue }
                var above = index - 1
                while above >= 0, lines[above].hasPrefix("@") { above -= 1 }
                if above < 0 || !lines[above].hasPrefix("///") { bare.append("\(file.name):\(index + 1): \(line)") }
            }
        }
        #expect(bare.isEmpty, "\(bare.joined(separator: "\n"))")
    }

    @Test func `what needs a reason has one beside it`() throws {
        let marks = ["try!", "fatalError(", " as! ", "nonisolated(unsafe)", "@unchecked Sendable"]
        var unexplained: [String] = []
        for file in try sourceFiles() where !file.isGenerated {
            let lines = file.text.split(separator: "\n", omittingEmptySubsequences: false)
            for (index, line) in lines.enumerated() where marks.contains(where: { line.contains($0) }) {
                let near = lines[max(0, index - 3)...min(lines.count - 1, index + 2)]
                if !near.contains(where: { $0.contains("//") }) {
                    unexplained.append("\(file.name):\(index + 1):\(line)")
                }
            }
        }
        #expect(unexplained.isEmpty, "\(unexplained.joined(separator: "\n"))")
    }

    @Test func `nothing in the product runs programs or regular expressions through Foundation`() throws {
        let forbidden = ["Process()", "NSRegularExpression", "try Regex("]
        let found = try sourceFiles().filter { !$0.isGenerated }.flatMap { file in
            forbidden.filter { file.text.contains($0) }.map { "\(file.name): \($0)" }
        }
        #expect(found.isEmpty, "\(found.joined(separator: "\n"))")
    }

    /// What the C library and Foundation offer is the kernel's, with names that hide it: files, clocks, processes.
    @Test func `only the platform target calls the kernel`() throws {
        let modules = ["CLinux", "Glibc", "Foundation", "Musl"]
        let types = ["FileManager", "FileHandle", "ProcessInfo", "Date()", "Date.now", "Data(contentsOf:"]
        var found: [String] = []
        // printf(3) asks nothing of the kernel, and stands below the platform.
        let arithmetic = "Text/Go/NumberText.swift"
        for file in try sourceFiles() where file.target != "LinuxSystem" && !file.isGenerated && file.name != arithmetic
        {
            found += importedModules(in: file.text).filter(modules.contains).map { "\(file.name) imports \($0)" }
            let code = file.text.split(separator: "\n").filter { !$0.drop { $0 == " " }.hasPrefix("//") }
            for type in types where code.contains(where: { $0.contains(type) }) {
                found.append("\(file.name) uses \(type)")
            }
        }
        #expect(found.isEmpty, "\(found.joined(separator: "\n"))")
    }
}

/// A table of the store's database belongs to one target.
@Suite struct `Tables` {
    /// What names a table in SQL, and in GRDB's records.
    private static let mentions = ["CREATE TABLE ", "FROM ", "JOIN ", "INTO ", "UPDATE ", "databaseTableName = \""]

    /// Every word that follows a mention, by file.
    private func mentioned(in text: String) -> Set<String> {
        Self.mentions.reduce(into: []) { names, mention in
            for part in text.components(separatedBy: mention).dropFirst() {
                names.insert(String(part.prefix { $0 == "_" || ($0.isASCII && ($0.isLetter || $0.isNumber)) }))
            }
        }
    }

    @Test func `are spoken to by the target that creates them alone`() throws {
        let files = try sourceFiles().filter { !$0.isGenerated }
        var owners: [String: String] = [:]
        for file in files {
            for part in file.text.components(separatedBy: "CREATE TABLE ").dropFirst() {
                let name = String(part.prefix { $0 == "_" || ($0.isASCII && $0.isLetter) })
                #expect(owners.updateValue(file.target, forKey: name) == nil, "\(name) is created twice")
            }
        }
        #expect(owners.count > 20)
        let strangers = files.flatMap { file in
            mentioned(in: file.text).compactMap { name in
                owners[name].flatMap { $0 == file.target ? nil : "\(file.name): \(name) belongs to \($0)" }
            }
        }
        #expect(strangers.isEmpty, "\(strangers.sorted().joined(separator: "\n"))")
    }
}

/// What each target may import: the rule of the manifest, computed anew from its table of rooms.
private func visibleTargets() throws -> [String: Set<String>] {
    let manifest = try String(contentsOf: root.appending(path: "Package.swift"), encoding: .utf8)
    let shims = try #require(manifest.firstMatch(of: #/let shims[^\n]*\n(?<rows>.*?)\n\]/#.dotMatchesNewlines()))
        .output.rows.matches(of: #/"(?<name>\w+)": /#).map { String($0.output.name) }
    let table = try #require(manifest.firstMatch(of: #/let layers[^\n]*\n(?<rows>.*?)\n\]\n/#.dotMatchesNewlines()))
        .output.rows
    var visible: [String: Set<String>] = [:]
    var below: [(name: String, wing: String)] = []
    for layer in table.components(separatedBy: "\n    ],") {
        var rooms: [(name: String, wing: String)] = []
        for room in layer.components(separatedBy: "Room(").dropFirst() {
            let head = try #require(room.firstMatch(of: #/"(?<name>\w+)",\s*\.(?<wing>\w+)/#)).output
            let sees = room.firstMatch(of: #/sees: \[(?<wings>[^\]]*)\]/#)?.output.wings ?? ""
            let wings = Set(sees.matches(of: #/\w+/#).map { String($0.output) })
            let seen = below.filter { wings.contains($0.wing) }.map(\.name)
            visible[String(head.name)] = Set(seen + shims.filter { room.contains("\"\($0)\"") })
            rooms.append((String(head.name), String(head.wing)))
        }
        below += rooms
    }
    // The executable is declared apart from the layers.
    visible["slipway"] = ["CommandLine", "LinuxSystem", "Terminal"]
    for shim in shims { visible[shim] = [] }
    return visible
}

private func importedModules(in text: String) -> [String] {
    text.split(separator: "\n").compactMap { line in
        let words = line.split(separator: " ").filter { !$0.hasPrefix("@") }
        guard let index = words.firstIndex(of: "import"), index <= 1, let name = words[(index + 1)...].last else {
            return nil
        }
        // `import struct Module.Name` is an import of the module too.
        return name.split(separator: ".").first.map(String.init)
    }
}
