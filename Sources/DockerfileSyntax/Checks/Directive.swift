internal import Text

/// A parser directive: `# name=value` at the very top of a Dockerfile.
package struct Directive: Hashable, Sendable {
    package enum Name: String, Sendable, CaseIterable {
        case syntax, escape, check
    }

    package let name: Name
    package let value: [UInt8]
    package let range: SourceRange
}

extension Directive {
    /// Finds the frontend that a Dockerfile asks for: a `# syntax=` directive, a `// syntax=` one, or a JSON object with the
    /// key `syntax`; a first line that begins with `#!` is passed over.
    ///
    /// - Returns: the image, the image with the arguments after it, and the line; nil where none is asked for.
    package static func syntax(of bytes: [UInt8]) -> (image: [UInt8], commandLine: [UInt8], line: Int)? {
        var rest = bytes[...]
        var firstLine = 1
        if rest.starts(with: "\u{feff}") { rest = rest.dropFirst(3) }
        if rest.starts(with: "#!") {
            rest = rest.firstIndex(of: 0x0a).map { rest[($0 + 1)...] } ?? []
            firstLine = 2
        }
        for comment: StaticString in ["#", "//"] {
            var reader = DirectiveReader(comment: comment)
            let lines = rest.split(separator: 0x0a, maxSplits: 8, omittingEmptySubsequences: false).prefix(8)
            for (number, line) in lines.enumerated() {
                guard let found = reader.read(Array(line)) else { break }
                guard case .directive(.syntax, let value) = found else { continue }
                return (Array(value.prefix { $0 != 0x20 }), value, firstLine + number)
            }
        }
        return JSONForm.stringMember("syntax", of: Array(rest)).map { ($0, $0, firstLine) }
    }
}

/// Recognises directives line by line until the first line of another kind.
struct DirectiveReader {
    enum Line {
        case directive(Directive.Name, [UInt8])
        case repeated(Directive.Name)
    }

    private let comment: StaticString
    private var seen: Set<Directive.Name> = []
    private var isDone = false

    init(comment: StaticString = "#") { self.comment = comment }

    /// Looks at the next line; nil for the first other line and for all after it.
    mutating func read(_ line: [UInt8]) -> Line? {
        guard !isDone, let (name, value) = parse(line) else {
            isDone = true
            return nil
        }
        return seen.insert(name).inserted ? .directive(name, value) : .repeated(name)
    }

    private func parse(_ line: [UInt8]) -> (Directive.Name, [UInt8])? {
        let line = line.trimmed
        guard line.starts(with: comment) else { return nil }
        let text = Array(line.dropFirst(comment.utf8CodeUnitCount))
        guard let equals = text.firstIndex(of: "=") else { return nil }
        let name = Array(text[..<equals]).trimmed
        let value = Array(text[(equals + 1)...]).trimmed
        guard !value.isEmpty, let known = Directive.Name(rawValue: name.asciiLowercased.displayText) else { return nil }
        return (known, value)
    }
}
