import Proofs
import Testing
import Text

@Suite struct `Ignore files` {
    private func ignores(_ file: String, _ path: String) throws -> Bool {
        try IgnoreFile(parsing: bytes(file)).ignores(bytes(path))
    }

    @Test(
        .proves("Patterns"),
        arguments: [
            ("a", "a", true), ("a", "b", false), ("a", "a/b/c", true), ("a", "x/a", false), ("/a", "a", true),
            ("a/", "a", true), ("./a", "a", true), ("a//b", "a/b", true), ("a/../b", "b", true), ("  a  ", "a", true),
            ("*.o", "x.o", true), ("*.o", "d/x.o", false), ("*/*.o", "d/x.o", true), ("*", "d/x", true),
            ("?", "ab", false),
            ("?.c", "é.c", true), ("a*b", "a/b", false), ("**/*.o", "x.o", true), ("**/*.o", "a/b/x.o", true),
            ("**/x", "x", true), ("**/x", "a/b/x", true), ("**/x", "a/xy", false), ("a/**", "a", false),
            ("a/**", "a/b/c", true),
            ("a/**/b", "a/b", true), ("a/**/b", "a/x/y/b", true), ("a/**/b", "axb", false),
            ("**", "anything/at/all", true),
            ("**x", "ab/cx", true), ("[a-c]x", "bx", true), ("[^a-c]x", "bx", false), ("[^a-c]x", "dx", true),
            ("\\*", "*", true),
            ("\\*", "a", false), ("\\#a", "#a", true), ("#a", "#a", false), ("  #a", "#a", true),
            ("**/a/b", "x/a/b", true),
            ("**/a/b", "a/b", true), ("**/a/b", "xa/b", false), ("a/*", "a/b/c", true),
            ("**/a/**/b", "x/a/y/z/b", true), ("**/a/**/b", "a/b/c", true), ("**/*/c", "c", false),
            ("**/*/c", "x/y/c", true),
            ("a**b", "ab", true), ("a**b", "ax/b", true), ("a**b", "axb", false), ("a*c*e", "abcde", true),
            ("a*b", "ab", true),
            ("ab*ba", "aba", false), ("a/**/**/b", "a/x/b", true), ("**/**", "x", true), ("*/**", "x", false),
            ("*/**", "x/y", true),
        ]
    )
    func `match as docker's do`(file: String, path: String, expected: Bool) throws {
        #expect(try ignores(file, path) == expected)
    }

    @Test(
        .proves("Order of patterns"),
        arguments: [
            ("*\n!a", "a", false), ("*\n!a", "b", true), ("!a\n*", "a", true),
            ("*.md\n!README*.md\nREADME-secret.md", "README.md", false),
            ("*.md\n!README*.md\nREADME-secret.md", "README-secret.md", true),
            ("*.md\nREADME-secret.md\n!README*.md", "README-secret.md", false),
            ("d\n!d/keep", "d/keep", false), ("d\n!d/keep", "d/other", true), ("d\n!d/keep", "d/keep/below", false),
            ("**\n!**/*.go", "a/b.go", false), ("**\n!**/*.go", "a/b.c", true), ("! a", "a", false),
            ("a\n!/a", "a", false),
            ("**/*.log\n!d", "d/x.log", false),
        ]
    )
    func `let the last match win`(file: String, path: String, expected: Bool) throws {
        #expect(try ignores(file, path) == expected)
    }

    @Test(.proves("Marks, comments, blanks, !, leading slashes"))
    func `are read with marks, comments, blanks and carriage returns`() throws {
        let file = try IgnoreFile(parsing: bytes("\u{feff}a\r\n\r\n# c\n  \n!b/\r\n"))
        #expect(file.patterns == ["a", "!b"].map { bytes($0) })
    }

    @Test(.proves("Marks, comments, blanks, !, leading slashes")) func `refuse what means nothing`() {
        #expect(throws: IgnoreFileError.loneNegation) { try IgnoreFile(parsing: bytes("a\n!\n")) }
        #expect(throws: IgnoreFileError.invalidPattern("[a")) { try IgnoreFile(parsing: bytes("[a")) }
        #expect(throws: IgnoreFileError.invalidPattern("a\\")) { try IgnoreFile(parsing: bytes("a\\")) }
        #expect(throws: IgnoreFileError.invalidPattern("[]a]")) { try IgnoreFile(parsing: bytes("[]a]")) }
        #expect(throws: IgnoreFileError.invalidPattern("x[b-a]")) { try IgnoreFile(parsing: bytes("x[b-a]")) }
    }

    @Test func `judge a walk step by step as they judge whole paths`() throws {
        let file = try IgnoreFile(parsing: bytes("a\n!a/b\na/b/c\n**/x\n!a/**/keep\n*.o"))
        for path in ["a", "a/b", "a/b/c", "a/b/c/d", "q/x", "q/x/y", "a/z/keep", "m.o", "n"] {
            var verdict = IgnoreFile.Verdict.root
            var walked: [UInt8] = []
            for part in bytes(path).split(separator: "/") {
                walked += (walked.isEmpty ? [] : bytes("/")) + part
                verdict = file.verdict(for: walked, in: verdict)
            }
            #expect(try verdict.isIgnored == ignores("a\n!a/b\na/b/c\n**/x\n!a/**/keep\n*.o", path), "\(path)")
        }
    }

    @Test(arguments: [
        ("d\n!d/keep", "d", true), ("d\n!e/keep", "d", false), ("!d/keep\nd", "d", false), ("d\n!**/keep", "d", true),
        ("d\n!d/*/keep", "d", true), ("d", "d", false), ("d\n!de/x", "d", false), ("d\n!d", "d", false),
    ])
    func `tell whether an ignored directory must be entered`(file: String, directory: String, expected: Bool) throws {
        let ignore = try IgnoreFile(parsing: bytes(file))
        let verdict = ignore.verdict(for: bytes(directory))
        #expect(ignore.mayReinclude(below: bytes(directory), verdict: verdict) == expected)
    }

    @Test func `tell names apart that text would not`() throws {
        let composed: [UInt8] = [0xc3, 0xa9]
        let decomposed: [UInt8] = [0x65, 0xcc, 0x81]
        let file = try IgnoreFile(patterns: [composed, [0xff]])
        #expect(file.ignores(composed))
        #expect(!file.ignores(decomposed))
        #expect(file.ignores([0xff]))
        #expect(!file.ignores([0xfe]))
    }

    @Test func `stay fast with many rules and hostile ones`() throws {
        let rules = (0..<5_000).map {
            "dir\($0)/file\n**/name\($0)\n*.ext\($0)\nsrc/*/gen\($0)/**\n!**/keep\($0)/*.md\n"
        }.joined()
        let file = try IgnoreFile(parsing: bytes(rules))
        let time = try ContinuousClock().measure {
            for index in 0..<2_000 { #expect(!file.ignores(bytes("src/module\(index)/main.swift"))) }
            let stars = try IgnoreFile(parsing: bytes(String(repeating: "*a", count: 200) + "b"))
            #expect(!stars.ignores([UInt8](repeating: "a", count: 4_000)))
        }
        #expect(time < .seconds(60))
        #expect(throws: IgnoreFileError.tooManyWildcards(limit: 1_000)) {
            try IgnoreFile(parsing: bytes((0..<2_000).map { "*a\($0)*\n" }.joined()))
        }
    }
}
