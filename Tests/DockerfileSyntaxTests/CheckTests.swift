import DockerfileSyntax
import Proofs
import Testing

@Suite struct `Checks` {
    private func rules(_ text: String) throws -> [String] {
        let dockerfile = try parse(text)
        return dockerfile.syntaxWarnings(try dockerfile.lintOptions).map {
            "\($0.rule.rawValue) \($0.range.start.line)"
        }
    }

    @Test(arguments: [
        ("FROM scratch AS Base\n", ["StageNameCasing 1"]), ("FROM scratch as base\n", ["FromAsCasing 1"]),
        ("from scratch AS base\n", ["FromAsCasing 1"]), ("FROM a AS b\nFROM c AS b\n", ["DuplicateStageName 2"]),
        ("FROM a AS context\n", ["ReservedStageName 1"]), ("FROM a\nMAINTAINER x\n", ["MaintainerDeprecated 2"]),
        ("FROM a\nRUN a \\\n\n b\n", ["NoEmptyContinuation 4"]),
        ("FROM a\nrun b\nRUN c\n", ["ConsistentInstructionCasing 2"]),
        ("FROM a\nRun b\n", ["ConsistentInstructionCasing 2"]),
        ("FROM a AS b\nRUN c\n", []),
        ("# check=experimental=all\n#\n# says nothing\nFROM a AS b\n", ["InvalidDefinitionDescription 4"]),
        ("# b is a stage\nFROM a AS b\n", []),
    ])
    func `find what the text shows`(text: String, expected: [String]) throws {
        #expect(try rules(text) == expected)
    }

    @Test(
        .proves("SecretsUsedInArgOrEnv"),
        arguments: [
            ("API_TOKEN", true), ("password", true), ("SECRET_x", true), ("PUBLIC_KEY", false), ("TOKEN_FILE", false),
            ("MONKEY", false), ("KEY_VERSION", false), ("AUTHOR", false), ("key", true),
        ]
    )
    func `know names of secrets`(name: String, expected: Bool) {
        #expect(namesSecret(bytes(name)) == expected)
    }

    @Test func `can be skipped for a file or one instruction`() throws {
        #expect(try rules("# check=skip=all\nFROM a AS B\nMAINTAINER x\n") == [])
        #expect(try rules("# check=skip=StageNameCasing\nFROM a AS B\nMAINTAINER x\n") == ["MaintainerDeprecated 3"])
        #expect(
            try rules("FROM a AS b\n# check=skip=MaintainerDeprecated\nMAINTAINER x\nMAINTAINER y") == [
                "MaintainerDeprecated 4"
            ]
        )
    }

    @Test func `options are read strictly`() throws {
        let options = try LintOptions(parsing: "skip=A, B;error=true;experimental=all")
        #expect(options.skipped == ["A", "B"])
        #expect(options.failsBuild)
        #expect(options.enablesAllExperimental)
        for text in ["skip", "foo=1", "error=maybe"] {
            #expect(throws: DockerfileError.self) { try LintOptions(parsing: text) }
        }
    }

    @Test func `have pages`() {
        #expect(LintRule.jsonArgsRecommended.url == "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/")
        #expect(LintRule.stageNameCasing.url == "https://docs.docker.com/go/dockerfile/rule/stage-name-casing/")
        #expect(LintRule.allCases.count == 22)
    }
}
