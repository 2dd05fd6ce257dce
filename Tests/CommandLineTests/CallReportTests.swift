import BuildEngine
import CommandLine
import DockerfileFrontend
import DockerfileSyntax
import OCI
import Proofs
import Terminal
import Testing
import Text

/// Answers to `--call` as buildx prints them.
@Suite struct `Call reports` {
    private struct NoImages: ImageMetadataResolver {
        struct Absent: Error {}
        func resolve(_ reference: ImageReference, platform: Platform) async throws -> ResolvedBase { throw Absent() }
    }

    private func parse(_ text: String) throws -> Dockerfile {
        try Dockerfile(parsing: Array(text.utf8), name: "Dockerfile")
    }

    private func checked(_ text: String) async throws -> CheckReport {
        try await check(try parse(text), options: BuildOptions(), resolver: NoImages())
    }

    @Test func `a clean file`() async throws {
        let report = CallReport(.check(try await checked("FROM scratch\n")), isJSON: false)
        #expect(report.output == "Check complete, no warnings found.\n")
        #expect(report.error == nil)
        #expect(!report.hasFindings)
    }

    @Test(.proves("check")) func `findings, in the order of their lines, with the name that the user gave the file`()
        async throws
    {
        let checked = try await checked("FROM scratch\nCMD a\nMAINTAINER b\n")
        let report = CallReport(.check(checked), isJSON: false, fileName: "sub/File")
        #expect(
            report.output == """
                Check complete, 2 warnings have been found!

                WARNING: JSONArgsRecommended - https://docs.docker.com/go/dockerfile/rule/json-args-recommended/
                JSON arguments recommended for CMD to prevent unintended behavior related to OS signals
                sub/File:2
                --------------------
                   1 |     FROM scratch
                   2 | >>> CMD a
                   3 |     MAINTAINER b
                   4 |    \u{20}
                --------------------

                WARNING: MaintainerDeprecated - https://docs.docker.com/go/dockerfile/rule/maintainer-deprecated/
                Maintainer instruction is deprecated in favor of using label
                sub/File:3
                --------------------
                   1 |     FROM scratch
                   2 |     CMD a
                   3 | >>> MAINTAINER b
                   4 |    \u{20}
                --------------------

                """
        )
        #expect(report.hasFindings)
    }

    @Test(.proves("check of a file that cannot be built")) func `an error after the findings`() async throws {
        let report = CallReport(.check(try await checked("FROM scratch AS A\nSTOPSIGNAL b")), isJSON: false)
        #expect(report.output.hasPrefix("Check complete, 1 warning has been found!\n\nWARNING: StageNameCasing - "))
        #expect(report.output.hasSuffix("--------------------\n\n"))
        #expect(
            report.error == """
                ERROR: invalid signal: b
                Dockerfile:2
                --------------------
                   1 |     FROM scratch AS A
                   2 | >>> STOPSIGNAL b
                --------------------


                """
        )
    }

    @Test func `an error alone`() async throws {
        let report = CallReport(.check(try await checked("FROM scratch\nSTOPSIGNAL b")), isJSON: false)
        #expect(report.output == "")
        #expect(report.hasFindings)
    }

    @Test(.proves("outline")) func `an outline`() async throws {
        let text =
            "# all is it\nFROM scratch AS all\n# A says a\nARG A=1 LONGER\nRUN --mount=type=secret,id=s --mount=type=ssh [\"x\"]"
        let found = try await outline(try parse(text), options: BuildOptions(), resolver: NoImages())
        #expect(
            CallReport(.outline(found), isJSON: false).output
                == "TARGET:      all\nDESCRIPTION: is it\n\n"
                + "BUILD ARG   VALUE   DESCRIPTION\nA           1       says a\nLONGER              \n\n"
                + "SECRET   REQUIRED\ns        \n\n" + "SSH       REQUIRED\ndefault   \n\n"
        )
    }

    @Test(.proves("targets")) func `targets`() throws {
        let text = "# build makes it\nFROM scratch AS build\nFROM scratch\nFROM scratch AS last"
        #expect(
            CallReport(.targets(try parse(text)), isJSON: false).output
                == "TARGET         DESCRIPTION\nbuild          makes it\n               \nlast (default) \n"
        )
        #expect(
            CallReport(.targets(try parse("FROM scratch")), isJSON: false).output
                == "TARGET    DESCRIPTION\n(default) \n"
        )
    }

    @Test(.proves("subrequests.describe")) func `the list of requests`() {
        #expect(
            CallReport(.description, isJSON: false).output == """
                NAME                 VERSION DESCRIPTION
                outline              1.0.0   List all parameters current build target supports
                targets              1.0.0   List all targets current build supports
                subrequests.describe 1.0.0   List available subrequest types

                """
        )
    }

    @Test func `documents, each with a line end`() throws {
        let report = CallReport(.targets(try parse("FROM scratch")), isJSON: true)
        #expect(report.output == (try parse("FROM scratch")).targetsJSON.indented + "\n")
    }
}

@Suite struct `Call options` {
    @Test(
        .proves("format=, ignorestatus=", "--call, --check, --print"),
        arguments: [
            ("check", "lint", "", false), ("lint", "lint", "", false), ("outline", "outline", "", false),
            ("check,format=json", "lint", "json", false), ("format=text,targets", "targets", "text", false),
            ("check,ignorestatus=true", "lint", "", true), ("check,ignorestatus=0", "lint", "", false),
            ("build", "build", "", false), ("", "build", "", false), ("own.request", "own.request", "", false),
        ]
    )
    func `are read as buildx reads them`(text: String, name: String, format: String, ignoresStatus: Bool) throws {
        let option = try CallOption(parsing: Array(text.utf8))
        #expect(option.name == name)
        #expect(option.format == format)
        #expect(option.ignoresStatus == ignoresStatus)
        #expect(option.isQuestion == (name != "build"))
    }

    @Test(arguments: [
        ("check,outline", "invalid print value: check,outline"), ("check,form=json", "invalid print field: form=json"),
        ("check,ignorestatus=so", "invalid ignorestatus print value: so"),
    ])
    func `are refused as buildx refuses them`(text: String, expected: String) {
        let error = #expect(throws: FlagValueError.self) { try CallOption(parsing: Array(text.utf8)) }
        #expect(error?.reason.contains(expected) == true)
    }
}
