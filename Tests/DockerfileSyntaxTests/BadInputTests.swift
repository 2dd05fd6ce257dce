import DockerfileSyntax
import Proofs
import Testing

/// What is wrong with an instruction is said in BuildKit's words, and shown where it stands.
@Suite struct `Bad input` {
    private static let wrong: [(text: String, expected: String)] = [
        // Flags that an instruction does not have.
        ("ADD --form=a b c", "unknown flag: --form"),
        ("ADD --chmd=a b c", "unknown flag: --chmd (did you mean chmod?)"),
        ("CMD --chown=a b", "unknown flag: --chown"), ("COPY --checksum=a b c", "unknown flag: --checksum"),
        ("COPY --parent b c", "unknown flag: --parent (did you mean parents?)"),
        ("COPY --exlude=a b c", "unknown flag: --exlude (did you mean exclude?)"),
        ("ENTRYPOINT --a b", "unknown flag: --a"), ("ENV --a b=c", "unknown flag: --a"),
        ("EXPOSE --a 1", "unknown flag: --a"),
        ("FROM --pltform=a b", "unknown flag: --pltform (did you mean platform?)"),
        ("HEALTHCHECK --intervl=1s CMD a", "unknown flag: --intervl (did you mean interval?)"),
        ("HEALTHCHECK --start-perid=1s CMD a", "unknown flag: --start-perid (did you mean start-period?)"),
        ("LABEL --a b=c", "unknown flag: --a"), ("MAINTAINER --a b", "unknown flag: --a"),
        ("RUN --mnt=a b", "unknown flag: --mnt (did you mean mount?)"),
        ("RUN --netwrok=a b", "unknown flag: --netwrok (did you mean network?)"),
        ("SHELL --a [\"b\"]", "unknown flag: --a"), ("STOPSIGNAL --a 9", "unknown flag: --a"),
        ("USER --a b", "unknown flag: --a"), ("VOLUME --a /b", "unknown flag: --a"),
        ("WORKDIR --a /b", "unknown flag: --a"), ("ONBUILD --a RUN b", "unknown flag: --a"),
        // Flags given twice.
        ("FROM --platform=a --platform=b c", "duplicate flag specified: --platform"),
        ("ADD --chown=a --chown=b c d", "duplicate flag specified: --chown"),
        ("ADD --checksum=a --checksum=b c d", "duplicate flag specified: --checksum"),
        ("ADD --unpack --unpack c d", "duplicate flag specified: --unpack"),
        ("COPY --chmod=1 --chmod=2 c d", "duplicate flag specified: --chmod"),
        ("COPY --link --link=false c d", "duplicate flag specified: --link"),
        ("RUN --network=none --network=host a", "duplicate flag specified: --network"),
        ("RUN --security=sandbox --security=sandbox a", "duplicate flag specified: --security"),
        ("HEALTHCHECK --retries=1 --retries=2 CMD a", "duplicate flag specified: --retries"),
        // Flags without a value, or with a wrong one.
        ("FROM --platform a", "missing a value on flag: --platform"),
        ("ADD --keep-git-dir= a b", "missing a value on flag: --keep-git-dir"),
        ("ADD --keep-git-dir=1 a b", "expecting boolean value for flag --keep-git-dir, not: 1"),
        ("ADD --unpack=no a b", "expecting boolean value for flag --unpack, not: no"),
        ("COPY --chown a b", "missing a value on flag: --chown"),
        ("COPY --exclude a b", "missing a value on flag: --exclude"),
        ("COPY --from a b", "missing a value on flag: --from"),
        ("COPY --chmod a b", "missing a value on flag: --chmod"),
        ("ADD --chown a b", "missing a value on flag: --chown"),
        ("ADD --chmod a b", "missing a value on flag: --chmod"),
        ("ADD --checksum a b", "missing a value on flag: --checksum"),
        ("ADD --exclude a b", "missing a value on flag: --exclude"),
        ("ADD --link=x a b", "expecting boolean value for flag --link, not: x"),
        ("RUN --device a", "missing a value on flag: --device"),
        ("COPY --parents=on a b", "expecting boolean value for flag --parents, not: on"),
        ("RUN --mount a", "missing a value on flag: --mount"),
        ("RUN --network a", "missing a value on flag: --network"),
        ("RUN --network=NONE2 a", "invalid network mode \"NONE2\""),
        ("RUN --security=none a", "security \"none\" is not valid"),
        ("HEALTHCHECK --timeout=0.5ms CMD a", "Interval \"timeout\" cannot be less than 1ms"),
        ("HEALTHCHECK --start-period=-1s CMD a", "Interval \"start-period\" cannot be less than 1ms"),
        ("HEALTHCHECK --start-interval=1 CMD a", "time: missing unit in duration \"1\""),
        ("HEALTHCHECK --start-period=1s5q CMD a", "time: unknown unit \"q\" in duration \"1s5q\""),
        ("HEALTHCHECK --interval=x CMD a", "time: invalid duration \"x\""),
        // Arguments.
        (
            "ADD a",
            "ADD requires at least two arguments, but only one was provided. Destination could not be determined"
        ),
        ("ADD a <<b\nb", "ADD cannot accept a heredoc as a destination"),
        ("ARG ", "ARG requires at least one argument"),
        ("ARG =a", "ARG names can not be blank"), ("ENV a b=c=\nENV =", "ENV names can not be blank"),
        ("LABEL =a", "LABEL names can not be blank"), ("SHELL a", "SHELL requires the arguments to be in JSON form"),
        ("SHELL [1]", "when using JSON array syntax, arrays must be comprised of strings only"),
        ("VOLUME [\"\"]", "VOLUME specified can not be an empty string"),
        ("HEALTHCHECK NONE CMD", "HEALTHCHECK NONE takes no arguments"),
        ("HEALTHCHECK CMD []", "Missing command after HEALTHCHECK CMD"),
        ("FROM a AS", "FROM requires either one or three arguments"),
        ("FROM a AS b c", "FROM requires either one or three arguments"),
        ("FROM a AS -b", "invalid name for build stage: \"-b\", name can't start with a number or contain symbols"),
        ("ONBUILD FROM a", "FROM isn't allowed as an ONBUILD trigger"),
        ("RUN --mount=type=bind,target=/a,form=b c", "unexpected key 'form' in 'form=b' (did you mean from?)"),
    ]

    @Test(.proves("Flags: values, repetition, unknown names"), arguments: wrong)
    func `is refused in BuildKit's words, with its place`(text: String, expected: String) throws {
        let error = try #require(throws: DockerfileError.self) {
            try parse("FROM scratch\nUSER a\n" + text + "\nUSER b")
        }
        #expect(error.reason.description == expected)
        let lines = text.split(separator: "\n")
        let line = error.range?.start.line ?? 0
        #expect((3..<(3 + lines.count)).contains(line))
        #expect(error.frame.hasPrefix("Dockerfile:\(line)\n"))
        #expect(error.frame.contains("| >>> "))
    }

    @Test func `has a row for each instruction and each of its flags`() {
        let first = Self.wrong.map { $0.text.split(separator: " ")[0] }
        for keyword in Keyword.allCases { #expect(first.contains { $0 == keyword.name }, "\(keyword.name)") }
        let known = [
            "FROM": ["platform"], "RUN": ["mount", "network", "security", "device"],
            "COPY": ["chown", "chmod", "link", "parents", "exclude", "from"],
            "ADD": ["chown", "chmod", "link", "keep-git-dir", "checksum", "unpack", "exclude"],
            "HEALTHCHECK": ["interval", "timeout", "start-period", "start-interval", "retries"],
        ]
        for (keyword, flags) in known {
            for flag in flags {
                let rows = Self.wrong.filter { $0.text.hasPrefix("\(keyword) --\(flag)") }
                #expect(!rows.isEmpty, "\(keyword) --\(flag)")
            }
        }
    }

    @Test(
        arguments: [
            ("Add a b", nil), ("EXPOS 1", "EXPOSE"), ("volum /a", "volume"), ("HEALTCHECK NONE", "HEALTHCHECK"),
            ("WORKDR /a", "WORKDIR"), ("STOPSIGANL 9", "STOPSIGNAL"), ("ENTRYPONT a", "ENTRYPOINT"), ("USR a", "USER"),
            ("LABL a=b", "LABEL"), ("SHEL []", "SHELL"), ("MAINTANER a", "MAINTAINER"), ("ONBUID RUN a", "ONBUILD"),
            ("ARGS a", "ARG"), ("ENVS a=b", "ENV"), ("FORM a", "FROM"),
        ] as [(String, String?)]
    )
    func `with a misspelt instruction suggests the right one`(text: String, meant: String?) {
        let name = text.prefix { $0 != " " }
        #expect(
            instructionMessage(text) == meant.map { "unknown instruction: \(name) (did you mean \($0)?)" }
        )
    }
}
