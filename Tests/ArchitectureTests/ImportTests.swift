import Foundation
import Testing

/// The rules of docs/architecture.md and CONTRIBUTING.md that the compiler does not enforce.
@Suite struct `Architecture` {
    @Test func `a target imports only what its line in the manifest declares`() throws {
        let declared = try declaredDependencies()
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
        let forbidden = ["Process()", "NSRegularExpression", "try Regex(", "import Foundation\n"]
        let found = try sourceFiles().filter { !$0.isGenerated }.flatMap { file in
            forbidden.filter { file.text.contains($0) }.map { "\(file.name): \($0)" }
        }
        #expect(found.isEmpty, "\(found.joined(separator: "\n"))")
    }

    @Test func `only the platform target calls the kernel`() throws {
        let found = try sourceFiles().filter { file in
            !["LinuxSystem", "slipway"].contains(file.target) && !file.isGenerated
                && importedModules(in: file.text).contains("CLinux")
        }
        #expect(found.isEmpty, "\(found.map(\.name).joined(separator: "\n"))")
    }
}

/// One file of the product.
private struct SourceFile {
    let target: String
    /// The path below `Sources`.
    let name: String
    let text: String

    var isGenerated: Bool { name.hasSuffix(".pb.swift") || name.hasSuffix(".grpc.swift") }
}

private let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()

private func sourceFiles() throws -> [SourceFile] {
    let sources = root.appending(path: "Sources").resolvingSymlinksInPath()
    let enumerator = FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil)
    let urls = (enumerator?.allObjects as? [URL] ?? []).filter { $0.pathExtension == "swift" }
    try #require(urls.isEmpty == false)
    return try urls.map { url in
        let name = url.resolvingSymlinksInPath().path.dropFirst(sources.path.count + 1)
        return SourceFile(
            target: String(name.split(separator: "/")[0]),
            name: String(name),
            text: try String(contentsOf: url, encoding: .utf8)
        )
    }
}

/// The local dependencies of each target, read from the lines `Layered("Name", ["A", "B"]…` of the manifest.
private func declaredDependencies() throws -> [String: Set<String>] {
    let manifest = try String(contentsOf: root.appending(path: "Package.swift"), encoding: .utf8)
    var dependencies: [String: Set<String>] = [:]
    for part in manifest.components(separatedBy: "Layered(").dropFirst() {
        let call = part.prefix { $0 != ")" }
        let locals = call.split(separator: "external:")[0].split(separator: "system:")[0]
        let names = locals.components(separatedBy: "\"").enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
        if let name = names.first { dependencies[name] = Set(names.dropFirst()) }
    }
    // The executable is declared apart from the layers.
    dependencies["slipway"] = ["CommandLine", "LinuxSystem"]
    return dependencies
}

private func importedModules(in text: String) -> [String] {
    text.split(separator: "\n").compactMap { line in
        let words = line.split(separator: " ").filter { !$0.hasPrefix("@") }
        guard let index = words.firstIndex(of: "import"), index <= 1, index + 1 < words.count else { return nil }
        return String(words[index + 1])
    }
}
