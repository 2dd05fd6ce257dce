import DockerfileSyntax
import Proofs
import Testing
import Text

@Suite struct `Lines` {
    private func run(_ text: String) throws -> String {
        guard case .run(let run) = try instruction(text).command else { return "not RUN" }
        return shown(run.commandLine)
    }

    @Test(
        .proves("Comments, also inside continuations", "Continuation lines"),
        arguments: [
            ("RUN a \\\n  b", "shell a   b"),
            ("RUN a\\  \t\n b", "shell a b"),
            ("RUN a \\\n# gone\n  # gone too\n b", "shell a  b"),
            ("RUN a # kept", "shell a # kept"),
            ("RUN a \\\n b # kept \\\n c", "shell a  b # kept  c"),
            ("RUN a \\\n\n\n b", "shell a  b"),
            ("RUN a \\", "shell a"),
            ("RUN a \\\\", "shell a \\\\"),
            ("  \tRUN\t a", "shell a"),
            ("RUN a  ", "shell a"),
            ("RUN a\r", "shell a"),
            ("RUN a \\\r\n b\r", "shell a  b"),
            ("run a", "shell a"),
            ("rUn a", "shell a"),
            ("\\\nRUN a", "shell a"),
            ("RUN", "shell "),
        ]
    )
    func `are joined as BuildKit joins them`(text: String, expected: String) throws {
        #expect(try run(text) == expected)
    }

    @Test(.proves("# escape=")) func `with a backquote as escape keep backslashes and continue at backquotes`() throws {
        let dockerfile = try parse("# escape=`\nFROM scratch\nRUN dir c:\\ `\n  more\\\nWORKDIR a")
        #expect(dockerfile.stages[0].instructions.count == 2)
        #expect(dockerfile.stages[0].instructions[0].text.text == "RUN dir c:\\   more\\")
    }

    @Test(.proves("Byte order mark, empty file, file of comments")) func `a byte order mark is passed over`() throws {
        let dockerfile = try parse("\u{feff}FROM scratch\n")
        #expect(dockerfile.stages.count == 1)
    }

    @Test func `bytes that are not text survive`() throws {
        let content: [UInt8] = bytes("FROM scratch\nRUN a") + [0xff, 0xfe] + bytes("\n")
        let dockerfile = try Dockerfile(parsing: content, name: "Dockerfile")
        #expect(dockerfile.stages[0].instructions[0].text == bytes("RUN a") + [0xff, 0xfe])
    }

    @Test func `ranges lead back to the file`() throws {
        let dockerfile = try parse("FROM scratch\nCOPY --from=x \\\n  --chown=1 \\\n  a b /c\n")
        let copy = dockerfile.stages[0].instructions[0]
        #expect(copy.range.lines == 2...4)
        #expect(copy.flags[0].range.start == SourcePosition(line: 2, column: 6))
        #expect(copy.flags[0].range.end == SourcePosition(line: 2, column: 14))
        #expect(copy.flags[1].range.start == SourcePosition(line: 3, column: 3))
        guard case .copy(let transfer) = copy.command else {
            Issue.record("not COPY")
            return
        }
        #expect(transfer.sources[1].range.start == SourcePosition(line: 4, column: 5))
        #expect(transfer.destination.range.end == SourcePosition(line: 4, column: 9))
    }

    @Test(.proves("Continuation lines")) func `empty lines in a continuation are reported`() throws {
        let dockerfile = try parse("FROM scratch\nRUN a \\\n\n b\n")
        #expect(dockerfile.emptyContinuations.map(\.lines) == [4...4])
    }

    @Test(.proves("Doc comments")) func `comments above an instruction belong to it until an empty comment`() throws {
        let dockerfile = try parse("# lost\n#\n# base the base\n# two\n\nFROM scratch AS base\n# x\nRUN a")
        #expect(dockerfile.stages[0].instruction.comments.texts == ["base the base", "two"])
        #expect(dockerfile.stages[0].from.documentation?.text == "the base")
        #expect(dockerfile.stages[0].instructions[0].comments.texts == ["x"])
    }
}

@Suite struct `Directives` {
    @Test(.proves("Where directives may stand")) func `stand at the top in any order and letter case`() throws {
        let dockerfile = try parse("# Syntax = docker/dockerfile:1\n#ESCAPE=`\n# check=skip=all\nFROM scratch")
        #expect(dockerfile.directives.map(\.name) == [.syntax, .escape, .check])
        #expect(dockerfile.directive(.syntax)?.value.text == "docker/dockerfile:1")
        #expect(dockerfile.escape == "`")
    }

    @Test(
        .proves("Where directives may stand"),
        arguments: ["# a comment\n# escape=`", "\n# escape=`", "# unknown=1\n# escape=`", "ARG a\n# escape=`"]
    )
    func `after anything else are comments`(top: String) throws {
        let dockerfile = try parse(top + "\nFROM scratch")
        #expect(dockerfile.escape == "\\")
        #expect(dockerfile.directives.isEmpty)
    }

    @Test(.proves("Where directives may stand")) func `are given once`() {
        #expect(
            message("# escape=`\n# escape=\\\nFROM scratch") == "only one escape parser directive can be used"
        )
    }

    @Test(.proves("# escape=")) func `know two escape characters`() {
        #expect(message("# escape=x\nFROM scratch") == "invalid escape token 'x' does not match ` or \\")
    }

    @Test(
        .proves("# syntax= in its forms, BUILDKIT_SYNTAX"),
        arguments: [
            ("# syntax=a/b:1 --x y\nFROM scratch", "a/b:1", "a/b:1 --x y"),
            ("#!/usr/bin/env x\n# syntax=a/b\nFROM scratch", "a/b", "a/b"),
            ("// syntax=a/b\n{}", "a/b", "a/b"),
            ("{\"x\": [1, {\"y\": null}], \"syntax\": \"a/b\"}", "a/b", "a/b"),
            ("# escape=`\n# syntax=a/b\n", "a/b", "a/b"),
        ]
    )
    func `name the frontend in every form`(text: String, image: String, line: String) {
        let found = Directive.syntax(of: bytes(text))
        #expect(found?.image.text == image)
        #expect(found?.commandLine.text == line)
        let place = text.split(separator: "\n").firstIndex { $0.contains("syntax") }
        #expect(found?.line == place.map { $0 + 1 })
    }

    @Test(.proves("Where directives may stand"))
    func `of checks stand below the interpreter of a script, escape characters do not`() throws {
        let file = try parse("#!/bin/sh\n# check=skip=all\n# escape=`\nFROM scratch\nCOPY a\\\n b /c\n")
        #expect(file.directive(.check)?.value.text == "skip=all")
        #expect(file.escape == "\\")
        #expect(file.stages.first?.instructions.count == 1)
    }

    @Test(arguments: ["FROM scratch\n# syntax=a", "# x\n# syntax=a", "{\"syntax\": 1}", ""])
    func `do not name a frontend without the directive`(text: String) {
        #expect(Directive.syntax(of: bytes(text)) == nil)
    }
}
