import DockerfileSyntax
import Proofs
import Testing
import Text

@Suite struct `Errors` {
    @Test(
        .proves("Unknown instruction, with a suggestion", "Flags: values, repetition, unknown names", "SHELL"),
        arguments: [
            ("RUNN a", "unknown instruction: RUNN (did you mean RUN?)"),
            ("copi a b", "unknown instruction: copi (did you mean copy?)"),
            ("FOOBAR a", "unknown instruction: FOOBAR"),
            ("COPY --form=x a b", "unknown flag: --form (did you mean from?)"),
            ("ADD --from=x a b", "unknown flag: --from"),
            ("CMD --x a", "unknown flag: --x"),
            ("COPY --from=a --from=b x y", "duplicate flag specified: --from"),
            ("COPY --from x y", "missing a value on flag: --from"),
            ("COPY --link= x y", "missing a value on flag: --link"),
            ("COPY --link=yes x y", "expecting boolean value for flag --link, not: yes"),
            (
                "COPY a",
                "COPY requires at least two arguments, but only one was provided. Destination could not be determined"
            ),
            (
                "COPY",
                "COPY requires at least two arguments, but only one was provided. Destination could not be determined"
            ),
            (
                "ADD []",
                "ADD requires at least two arguments, but only one was provided. Destination could not be determined"
            ),
            ("ENV", "ENV requires at least one argument"),
            ("ENV a", "ENV must have two arguments"),
            ("LABEL a", "LABEL must have two arguments"),
            ("ENV a=b c", "Syntax error - can't find = in \"c\". Must be of the form: name=value"),
            ("ENV =b", "ENV names can not be blank"),
            ("ARG =b", "ARG names can not be blank"),
            ("ARG", "ARG requires at least one argument"),
            ("WORKDIR", "WORKDIR requires exactly one argument"),
            ("USER", "USER requires exactly one argument"),
            ("STOPSIGNAL", "STOPSIGNAL requires exactly one argument"),
            ("MAINTAINER", "MAINTAINER requires exactly one argument"),
            ("EXPOSE", "EXPOSE requires at least one argument"),
            ("VOLUME", "VOLUME requires at least one argument"),
            ("VOLUME [\" \"]", "VOLUME specified can not be an empty string"),
            ("SHELL []", "SHELL requires at least one argument"),
            ("SHELL bash -c", "SHELL requires the arguments to be in JSON form"),
            ("FROM", "FROM requires either one or three arguments"),
            ("FROM a b", "FROM requires either one or three arguments"),
            ("FROM a is b", "FROM requires either one or three arguments"),
            ("FROM a AS 1b", "invalid name for build stage: \"1b\", name can't start with a number or contain symbols"),
            (
                "FROM a AS b/c",
                "invalid name for build stage: \"b/c\", name can't start with a number or contain symbols"
            ),
            ("ONBUILD", "ONBUILD requires at least one argument"),
            ("ONBUILD ONBUILD RUN a", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
            ("ONBUILD from a", "FROM isn't allowed as an ONBUILD trigger"),
            ("ONBUILD MAINTAINER a", "MAINTAINER isn't allowed as an ONBUILD trigger"),
            ("HEALTHCHECK", "HEALTHCHECK requires at least one argument"),
            ("HEALTHCHECK NONE a", "HEALTHCHECK NONE takes no arguments"),
            ("HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"),
            ("HEALTHCHECK RUN a", "Unknown type \"RUN\" in HEALTHCHECK (try CMD)"),
            ("HEALTHCHECK --interval=1us CMD a", "Interval \"interval\" cannot be less than 1ms"),
            ("HEALTHCHECK --interval=5 CMD a", "time: missing unit in duration \"5\""),
            ("HEALTHCHECK --retries=-1 CMD a", "--retries cannot be negative (-1)"),
            ("HEALTHCHECK --retries=x CMD a", "invalid number \"x\""),
            ("RUN --network=foo a", "invalid network mode \"foo\""),
            ("RUN --security=foo a", "security \"foo\" is not valid"),
        ]
    )
    func `say what BuildKit says`(text: String, expected: String) {
        #expect(instructionMessage(text) == expected)
    }

    @Test func `name the line where BuildKit does`() {
        #expect(
            message("FROM scratch\n\nRUNN a")
                == "dockerfile parse error on line 3: unknown instruction: RUNN (did you mean RUN?)"
        )
    }

    @Test(
        .proves("Byte order mark, empty file, file of comments"),
        arguments: [
            ("", "the Dockerfile cannot be empty"), ("# a\n\n# b\n", "file with no instructions"),
            ("\n", "file with no instructions"), ("ARG a", "dockerfile contains no stages to build"),
            ("RUN a\nFROM b", "no build stage in current context"),
        ]
    )
    func `about the whole file are clear`(text: String, expected: String) {
        #expect(message(text) == expected)
    }

    @Test(.proves("Places of errors and warnings")) func `show the lines at fault as BuildKit shows them`() throws {
        let error = #expect(throws: DockerfileError.self) {
            try parse("FROM scratch\n\nRUN a\nRUNN b\nRUN c\nRUN d\nRUN e\n")
        }
        #expect(
            error?.description
                == """
                Dockerfile:4
                --------------------
                   2 |     \u{20}
                   3 |     RUN a
                   4 | >>> RUNN b
                   5 |     RUN c
                   6 |     RUN d
                --------------------
                dockerfile parse error on line 4: unknown instruction: RUNN (did you mean RUN?)
                """.replacing("    \u{20}\n", with: "    \n")
        )
    }

    @Test(.proves("Places of errors and warnings")) func `mark every line of an instruction`() throws {
        let error = #expect(throws: DockerfileError.self) { try parse("FROM scratch\nCOPI a \\\n  b \\\n  c\nRUN a") }
        #expect(
            error?.frame == """
                Dockerfile:2
                --------------------
                   1 |     FROM scratch
                   2 | >>> COPI a \\
                   3 | >>>   b \\
                   4 | >>>   c
                   5 |     RUN a
                --------------------

                """
        )
    }

    @Test func `never steer the terminal`() throws {
        let error = #expect(throws: DockerfileError.self) { try parse("FROM scratch\nRUNN \u{1b}[31m") }
        #expect(error?.frame.contains("\\x1b[31m") == true)
        #expect(error?.frame.contains("\u{1b}") == false)
    }

    @Test(arguments: [
        ("kitten", "sitting", 3), ("", "abc", 3), ("abc", "abc", 0), ("flaw", "lawn", 2), ("a", "b", 1),
    ])
    func `suggest words by edit distance`(left: String, right: String, distance: Int) {
        // Three edits are too many to be a slip of the pen.
        let found = suggestion(for: left, among: [right])
        #expect((found != nil) == (distance > 0 && distance < 3))
    }
}

@Suite struct `Limits` {
    @Test func `a file of a million lines is parsed or refused at once`() throws {
        let comments = "FROM scratch\n" + String(repeating: "#\n", count: 1_000_000)
        #expect(try parse(comments).stages.count == 1)
        let runs = "FROM scratch\n" + String(repeating: "RUN\n", count: 1_000_000)
        #expect(message(runs) == "the Dockerfile has more than the limit of 10000 instructions")
        let long = "FROM scratch\n" + String(repeating: "RUN true\n", count: 1_000_000)
        #expect(message(long) == "the Dockerfile is larger than the limit of 4194304 bytes")
    }

    @Test(.proves("Length of a line")) func `a very long line is refused`() {
        let text = "FROM scratch\nRUN " + String(repeating: "a", count: 1 << 20)
        #expect(message(text) == "dockerfile line greater than max allowed size of 1048576")
    }

    @Test func `an instruction has a limit of words`() {
        let text = "FROM scratch\nENV " + String(repeating: "a=b ", count: 200_000)
        #expect(message(text) == "the instruction has more than the limit of 100000 words")
    }

    @Test func `deep nesting does not crash`() throws {
        _ = try parse("FROM scratch\nRUN " + String(repeating: "[", count: 500_000))
        _ = try parse("FROM scratch\nRUN " + String(repeating: "${a:-", count: 100_000) + "<<EOF")
        _ = try parse("FROM scratch\nRUN " + String(repeating: "{\"a\":", count: 100_000))
    }

    @Test func `a great many arguments below as many comments are parsed`() throws {
        let comments = String(repeating: "# c\n", count: 100_000)
        let text = comments + "# a7 is the one\nARG" + (0..<20_000).map { " a\($0)" }.joined() + "\nFROM scratch"
        guard case .arg(let definitions) = try parse(text).globalArguments[0].command else { return }
        #expect(definitions.compactMap(\.documentation).map(\.text) == ["is the one"])
    }

    @Test func `a great many heredocs and continuations are parsed`() throws {
        let count = 20_000
        let heredocs =
            "FROM scratch\nRUN " + String(repeating: "<<A ", count: count) + "\n"
            + String(repeating: "x\nA\n", count: count)
        #expect(try parse(heredocs).stages[0].instructions[0].heredocs.count == count)
        let lines = "FROM scratch\nRUN " + String(repeating: "a \\\n", count: 200_000) + "b"
        #expect(try parse(lines).stages[0].instructions.count == 1)
    }
}
