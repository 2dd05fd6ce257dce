import DockerfileFrontend
import DockerfileSyntax
import LLB
import OCI
import Proofs
import Testing
import Text

/// The checks of BuildKit 0.32 by name, text and line; the texts are those of its rule set.
@Suite struct `Findings` {
    private func findings(
        _ text: String,
        images: Images = Images([alpine: image()]),
        _ change: (inout BuildOptions) -> Void = { _ in }
    ) async throws -> [String] {
        try await plan(text, images: images, change).warnings.map {
            "\($0.rule.rawValue) \($0.range.start.line): \($0.message)"
        }
    }

    @Test(
        .proves(
            "StageNameCasing",
            "FromAsCasing",
            "NoEmptyContinuation",
            "ConsistentInstructionCasing",
            "DuplicateStageName",
            "ReservedStageName",
            "JSONArgsRecommended",
            "MaintainerDeprecated",
            "UndefinedArgInFrom",
            "WorkdirRelativePath",
            "UndefinedVar",
            "MultipleInstructionsDisallowed",
            "LegacyKeyValueFormat",
            "RedundantTargetPlatform",
            "SecretsUsedInArgOrEnv",
            "FromPlatformFlagConstDisallowed",
            "InvalidDefinitionDescription",
            "ExposeProtoCasing",
            "ExposeInvalidFormat"
        ),
        arguments: [
            ("FROM alpine AS Base\n", "StageNameCasing 1: Stage name 'Base' should be lowercase"),
            ("FROM alpine as base\n", "FromAsCasing 1: 'as' and 'FROM' keywords' casing do not match"),
            ("FROM alpine\nRUN a \\\n\n  b\n", "NoEmptyContinuation 4: Empty continuation line"),
            (
                "FROM alpine\nRUN a\nUSER b\nuser c\n",
                "ConsistentInstructionCasing 4: Command 'user' should match the case of the command majority (uppercase)"
            ),
            (
                "from alpine\nrun a\nUSER b\n",
                "ConsistentInstructionCasing 3: Command 'USER' should match the case of the command majority (lowercase)"
            ),
            (
                "FROM alpine AS a\nFROM alpine AS a\n",
                "DuplicateStageName 2: Duplicate stage name \"a\", stage names should be unique"
            ),
            (
                "FROM alpine AS context\n",
                "ReservedStageName 1: Stage name should not use the same name as reserved stage \"context\""
            ),
            (
                "FROM alpine\nENTRYPOINT a\n",
                "JSONArgsRecommended 2: JSON arguments recommended for ENTRYPOINT to prevent unintended behavior related to OS signals"
            ),
            (
                "FROM alpine\nMAINTAINER a\n",
                "MaintainerDeprecated 2: Maintainer instruction is deprecated in favor of using label"
            ),
            (
                "ARG VERSION=3\nFROM alpine$VERSIN\n",
                "UndefinedArgInFrom 2: FROM argument 'VERSIN' is not declared (did you mean VERSION?)"
            ),
            (
                "FROM alpine\nWORKDIR app/\n",
                "WorkdirRelativePath 2: Relative workdir \"app/\" can have unexpected results if the base image changes"
            ),
            (
                "FROM alpine\nENV NAME=1\nUSER $NAM\n",
                "UndefinedVar 3: Usage of undefined variable '$NAM' (did you mean $NAME?)"
            ),
            (
                "FROM alpine\nHEALTHCHECK NONE\nHEALTHCHECK CMD [\"a\"]\n",
                "MultipleInstructionsDisallowed 2: Multiple HEALTHCHECK instructions should not be used in the same stage because only the last one will be used"
            ),
            (
                "FROM alpine\nLABEL a b\n",
                "LegacyKeyValueFormat 2: \"LABEL key=value\" should be used instead of legacy \"LABEL key value\" format"
            ),
            (
                "FROM --platform=$TARGETPLATFORM alpine\n",
                "RedundantTargetPlatform 1: Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior"
            ),
            (
                "FROM alpine\nARG GITHUB_TOKEN\n",
                "SecretsUsedInArgOrEnv 2: Do not use ARG or ENV instructions for sensitive data (ARG \"GITHUB_TOKEN\")"
            ),
            (
                "FROM alpine\nENV key=x\n",
                "SecretsUsedInArgOrEnv 2: Do not use ARG or ENV instructions for sensitive data (ENV \"key\")"
            ),
            (
                "FROM --platform=linux/amd64 alpine AS a\n",
                "FromPlatformFlagConstDisallowed 1: FROM --platform flag should not use constant value \"linux/amd64\""
            ),
            (
                "FROM alpine\nEXPOSE 80/UdP\n",
                "ExposeProtoCasing 2: Defined protocol '80/UdP' in EXPOSE instruction should be lowercase"
            ),
            (
                "FROM alpine\nEXPOSE 127.0.0.1:80:80\n",
                "ExposeInvalidFormat 2: EXPOSE instruction should not define an IP address or host-port mapping, found '127.0.0.1:80:80'"
            ),
            (
                "# check=experimental=InvalidDefinitionDescription\n#\n# about a\nARG a=1\nFROM alpine\n",
                "InvalidDefinitionDescription 4: Comment for ARG should follow the format: `# a <description>`"
            ),
            (
                "# check=experimental=all\n#\n# about a\nARG a=1 b=2\nFROM alpine\n",
                "InvalidDefinitionDescription 4: Comment for ARG should follow the format: `# <arg_key> <description>`"
            ),
            (
                "# check=experimental=all\n#\n# builds\nFROM alpine AS b\n",
                "InvalidDefinitionDescription 4: Comment for FROM should follow the format: `# b <description>`"
            ),
        ]
    )
    func `have BuildKit's names, texts and lines`(text: String, expected: String) async throws {
        #expect(try await findings(text) == [expected])
    }

    @Test(.proves("InvalidDefaultArgInFrom")) func `about arguments of FROM look at defaults`() async throws {
        let found = try await findings("ARG TAG\nFROM alpine:${TAG}\n") {
            $0.buildArguments.set(bytes("TAG"), to: bytes("latest"))
        }
        #expect(
            found == [
                "InvalidDefaultArgInFrom 2: Default value for ARG alpine:${TAG} results in empty or invalid base image name"
            ]
        )
    }

    @Test(.proves("InvalidBaseImagePlatform"))
    func `about the base's platform name both platforms, also for images that are copied from`() async throws {
        let text = "FROM alpine AS base\nCOPY --from=debian /a /b\n"
        let images = Images([alpine: image(), "docker.io/library/debian:latest": image()])
        let found = try await findings(text, images: images) {
            $0.platform = Platform(os: "linux", architecture: "arm64")
        }
        #expect(
            found == [
                "InvalidBaseImagePlatform 1: Base image alpine was pulled with platform \"linux/amd64\", expected \"linux/arm64\" for current build",
                "InvalidBaseImagePlatform 2: Base image debian was pulled with platform \"linux/amd64\", expected \"linux/arm64\" for current build",
            ]
        )
    }

    @Test(
        .proves("CopyIgnoredFile"),
        arguments: [
            ("secret.txt", "COPY secret.txt /", ["Copy file \"secret.txt\""]),
            ("secret.txt", "ADD ./secret.txt /", ["Add file \"secret.txt\""]),
            ("dir", "COPY dir/a /", ["Copy file \"dir/a\""]), ("*", "COPY . /", ["Copy file \".\""]),
            ("a", "COPY . /", []), ("*\n!secret.txt", "COPY other /", []), ("a", "COPY --from=alpine a /", []),
        ]
    )
    func `about ignored files name the file`(ignored: String, text: String, expected: [String]) async throws {
        let found = try await findings("FROM alpine\n" + text) {
            $0.ignoreFile = try? IgnoreFile(parsing: bytes(ignored))
        }
        #expect(
            found == expected.map { "CopyIgnoredFile 2: Attempting to \($0) that is excluded by .dockerignore" }
        )
    }

    @Test(
        .proves("FromPlatformFlagConstDisallowed"),
        arguments: [
            "FROM alpine\nSHELL [\"/bin/ash\", \"-c\"]\nCMD a\n", "FROM alpine\nCMD [\"a\"]\n",
            "FROM alpine\nARG KEY_FILE\n",
            "FROM alpine\nARG MONKEY AUTHOR TOKENS\n", "FROM --platform=linux/amd64 alpine AS on-amd64\n",
            "FROM --platform=$BUILDPLATFORM alpine\n", "FROM alpine AS a\nENV X=1\nFROM a\nUSER $X\n",
            "FROM alpine AS a\nARG X\nFROM a\nUSER $X\n",
            "FROM alpine\nUSER ${X:-root}\nARG Y=$BUILDKIT_SBOM_SCAN_STAGE\n"
                .replacing("${X:-root}", with: "root"),
            "FROM alpine\nWORKDIR /a\nWORKDIR b\n", "FROM alpine AS a\nWORKDIR /a\nFROM a\nWORKDIR b\n",
            "FROM alpine AS a\nCMD [\"a\"]\nFROM a\nCMD [\"b\"]\n",
        ]
    )
    func `are not made of what is right`(text: String) async throws {
        #expect(try await findings(text) == [])
    }

    @Test func `of unused stages are only those of their text`() async throws {
        let text = "FROM alpine AS Unused\nENV a b\nARG TOKEN\nCMD x\nCMD y\nMAINTAINER z\nFROM alpine\n"
        #expect(
            try await findings(text).map { $0.prefix { $0 != ":" } } == ["StageNameCasing 1", "MaintainerDeprecated 6"]
        )
    }

    @Test(.proves("Order and number of findings")) func `come in BuildKit's order, each as often as it is made`()
        async throws
    {
        let text = "FROM alpine\nENV A=$x B=$x\nMAINTAINER a\nenv b c\n"
        #expect(
            try await findings(text).map { $0.prefix { $0 != ":" } } == [
                "MaintainerDeprecated 3", "ConsistentInstructionCasing 4", "UndefinedVar 2", "UndefinedVar 2",
                "LegacyKeyValueFormat 4",
            ]
        )
    }

    @Test(.proves("Letter case of instructions")) func `show names as they are written`() async throws {
        let text = "from alpine\nenv a b\nCmd x\n"
        #expect(
            try await findings(text) == [
                "ConsistentInstructionCasing 3: Command 'Cmd' should match the case of the command majority (lowercase)",
                "LegacyKeyValueFormat 2: \"env key=value\" should be used instead of legacy \"env key value\" format",
                "JSONArgsRecommended 3: JSON arguments recommended for Cmd to prevent unintended behavior related to OS signals",
            ]
        )
    }

    @Test func `are made of triggers too`() async throws {
        let found = try await findings(
            "FROM alpine\nCMD [\"own\"]\n",
            images: Images([alpine: image { $0.onBuild = ["CMD base", "ENV a b"] }])
        )
        #expect(
            found.map { $0.prefix { $0 != ":" } } == [
                "JSONArgsRecommended 1", "LegacyKeyValueFormat 1", "MultipleInstructionsDisallowed 1",
            ]
        )
    }

    @Test(.proves("# check=, also above one instruction", "BUILDKIT_SYNTAX, BUILDKIT_DOCKERFILE_CHECK"))
    func `are silenced for a file, for one instruction, and by the build argument`() async throws {
        let text =
            "# check=skip=JSONArgsRecommended\nFROM alpine AS A\n# check=skip=MaintainerDeprecated\nMAINTAINER x\nCMD y\n"
        #expect(try await findings(text).map { $0.prefix { $0 != " " } } == ["StageNameCasing"])
        let found = try await findings(text) {
            $0.buildArguments.set(bytes("BUILDKIT_DOCKERFILE_CHECK"), to: bytes("skip=StageNameCasing"))
        }
        // The argument takes the place of the directive; the comment above the instruction still holds.
        #expect(found.map { $0.prefix { $0 != " " } } == ["JSONArgsRecommended"])
        // Checks of the file as a whole are not silenced by a comment above one instruction.
        let casing = try await findings("FROM alpine\n# check=skip=all\nuser a\n")
        #expect(casing.map { $0.prefix { $0 != " " } } == ["ConsistentInstructionCasing"])
    }

    @Test(
        .proves("# check=, also above one instruction"),
        arguments: [
            ("skip", "invalid check option \"skip\""), ("a=b", "invalid check option \"a\""),
            ("skip=A;", "invalid check option \"\""),
            (
                "error=maybe",
                "failed to parse check option \"error=maybe\": strconv.ParseBool: parsing \"maybe\": invalid syntax"
            ),
        ]
    )
    func `are configured strictly`(option: String, expected: String) async {
        #expect(await message("# check=\(option)\nFROM scratch\n") == "failed to parse check options: \(expected)")
    }

    @Test func `say which argument configures them wrongly`() async {
        let found = await message("FROM scratch\n") {
            $0.buildArguments.set(bytes("BUILDKIT_DOCKERFILE_CHECK"), to: bytes("a=b"))
        }
        #expect(found == "failed to parse build-arg:BUILDKIT_DOCKERFILE_CHECK: invalid check option \"a\"")
    }

    @Test func `reach whoever listens also when the build fails`() async {
        var heard: [String] = []
        let dockerfile = try? Dockerfile(parsing: bytes("# check=error=true\nFROM scratch AS A\nCMD x\n"), name: "D")
        guard let dockerfile else { return #expect(Bool(false)) }
        await #expect(throws: FrontendError.self) {
            try await translate(dockerfile, options: BuildOptions(), resolver: Images()) {
                heard.append($0.rule.rawValue)
            }
        }
        #expect(heard == ["StageNameCasing", "JSONArgsRecommended"])
    }
}
