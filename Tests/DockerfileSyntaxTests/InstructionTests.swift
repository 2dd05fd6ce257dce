import DockerfileSyntax
import Proofs
import Testing
import Text

@Suite struct `Instructions` {
    @Test(
        .proves("JSON form and its fallback"),
        arguments: [
            ("CMD a b", "shell a b"), ("CMD [\"a\", \"b c\"]", "exec a|b c"), ("CMD []", "exec "), ("CMD", "shell "),
            ("CMD ['a']", "shell ['a']"), ("CMD [\"a\"", "shell [\"a\""), ("CMD [\"a\"] b", "shell [\"a\"] b"),
            ("CMD [\"\\u00e9\\ud83d\\ude00\\n\"]", "exec é😀\n"), ("CMD [\"a\\x\"]", "shell [\"a\\x\"]"),
            ("CMD \"[]\"", "shell \"[]\""), ("CMD  [ ] ", "exec "), ("CMD [\"\\ud800\"]", "exec \u{fffd}"),
        ]
    )
    func `with a command take JSON or shell text`(text: String, expected: String) throws {
        guard case .cmd(let line) = try instruction(text).command else {
            Issue.record("not CMD")
            return
        }
        #expect(shown(line) == expected)
    }

    @Test(
        .proves("JSON form and its fallback"),
        arguments: ["RUN [1]", "CMD [\"a\", null]", "ENTRYPOINT [[]]", "VOLUME [{}]", "COPY [\"a\", 1.5e3]"]
    )
    func `refuse a JSON array of other things`(text: String) {
        #expect(
            instructionMessage(text) == "when using JSON array syntax, arrays must be comprised of strings only"
        )
    }

    @Test(
        .proves("Words of each instruction"),
        arguments: [
            ("ENV a=b", "a=b"), ("ENV a b c", "a:b c"), ("ENV a=b c=d", "a=b c=d"),
            ("ENV a=\"b c\" d=e\\ f", "a=\"b c\" d=e\\ f"),
            ("ENV a='b \"c'", "a='b \"c'"), ("ENV a=", "a="), ("ENV a   b  c ", "a:b  c"), ("ENV a=b=c", "a=b=c"),
            ("ENV a=\"b\\\" c\"", "a=\"b\\\" c\""), ("LABEL \"a b\"=c", "\"a b\"=c"), ("ENV a=b\\", "a=b"),
        ]
    )
    func `with pairs keep quotes for expansion`(text: String, expected: String) throws {
        let pairs: [DockerfileSyntax.KeyValue]
        switch try instruction(text).command {
        case .env(let found), .label(let found): pairs = found
        default: pairs = []
        }
        let shown = pairs.map { $0.key.text + ($0.hasEquals ? "=" : ":") + $0.value.text }
        #expect(shown.joined(separator: " ") == expected)
    }

    @Test(.proves("ARG")) func `ARG takes names with and without defaults and their documentation`() throws {
        let arg = try instruction("# b what b is\nARG a b=\"x y\" c=")
        guard case .arg(let definitions) = arg.command else {
            Issue.record("not ARG")
            return
        }
        #expect(definitions.map(\.name.text) == ["a", "b", "c"])
        #expect(definitions.map { $0.value?.text } == [nil, "\"x y\"", ""])
        #expect(definitions[1].documentation?.text == "what b is")
    }

    @Test(.proves("FROM: forms, names, --platform")) func `FROM takes a platform and a name`() throws {
        let stage = try parse("FROM --platform=$BUILDPLATFORM a:1@sha256:x As Build").stages[0]
        #expect(stage.from.image.bytes.text == "a:1@sha256:x")
        #expect(stage.from.platform?.bytes.text == "$BUILDPLATFORM")
        #expect(stage.name == "build")
        #expect(stage.from.stageNameAsWritten?.bytes.text == "Build")
    }

    @Test(.proves("COPY: forms and flags")) func `COPY knows all its flags`() throws {
        let copy = try instruction(
            "COPY --from=b --chown=1:2 --chmod=u+x --link --parents=false --exclude=*.o --exclude=\"a b\" x y z/"
        )
        guard case .copy(let transfer) = copy.command else {
            Issue.record("not COPY")
            return
        }
        #expect(transfer.from?.bytes.text == "b")
        #expect(transfer.owner?.bytes.text == "1:2")
        #expect(transfer.mode?.bytes.text == "u+x")
        #expect(transfer.link)
        #expect(!transfer.parents)
        #expect(transfer.excludes.texts == ["*.o", "a b"])
        #expect(transfer.sources.texts == ["x", "y"])
        #expect(transfer.destination.bytes.text == "z/")
    }

    @Test(.proves("ADD: forms and flags")) func `ADD knows all its flags`() throws {
        let add = try instruction("ADD --keep-git-dir=true --checksum=sha256:x --unpack --link=FALSE [\"a b\", \"c\"]")
        guard case .add(let transfer) = add.command else {
            Issue.record("not ADD")
            return
        }
        #expect(transfer.keepsGitDirectory == true)
        #expect(transfer.unpacks == true)
        #expect(!transfer.link)
        #expect(transfer.checksum?.bytes.text == "sha256:x")
        #expect(transfer.sources.texts == ["a b"])
    }

    @Test func `RUN knows all its flags`() throws {
        let run = try instruction(
            "RUN --mount=type=cache,target=/c --mount=target=/b,from=x --network=none --security=insecure --device=v/d=1,required a"
        )
        guard case .run(let run) = run.command else {
            Issue.record("not RUN")
            return
        }
        #expect(run.mounts.count == 2)
        #expect(run.mounts[1].from?.text == "x")
        #expect(run.network == .none)
        #expect(run.security == .insecure)
        #expect(run.devices.map(\.name.text) == ["v/d=1"])
        #expect(run.devices.map(\.isRequired) == [true])
    }

    @Test(.proves("HEALTHCHECK")) func `HEALTHCHECK takes Go's durations`() throws {
        let check = try instruction(
            "HEALTHCHECK --interval=1m30s --timeout=1.5s --start-period=0 --start-interval=250ms --retries=3 CMD a b"
        )
        guard case .healthcheck(.test(let line, let options)) = check.command else {
            Issue.record("not HEALTHCHECK CMD")
            return
        }
        #expect(shown(line) == "shell a b")
        #expect(options.interval == 90_000_000_000)
        #expect(options.timeout == 1_500_000_000)
        #expect(options.startPeriod == 0)
        #expect(options.startInterval == 250_000_000)
        #expect(options.retries == 3)
        #expect(try instruction("HEALTHCHECK none").command == .healthcheck(.none))
    }

    @Test(
        .proves("ONBUILD"),
        arguments: [
            ("ONBUILD RUN a", "RUN a"), ("onbuild   copy . /x", "copy . /x"),
            ("ONBUILD RUN <<EOF\na\nEOF", "RUN <<EOF\na\nEOF"),
            ("ONBUILD COPY <<a <<b /\n1\na\n2\nb", "COPY <<a <<b /\n1\na\n2\nb"),
        ]
    )
    func `ONBUILD keeps its instruction's text`(text: String, expected: String) throws {
        guard case .onbuild(let trigger) = try instruction(text).command else {
            Issue.record("not ONBUILD")
            return
        }
        #expect(trigger.expression.text == expected)
    }

    @Test func `a trigger is parsed where it fires`() throws {
        let file = SourceText(name: "Dockerfile", bytes: bytes("ARG a\nFROM base\n"))
        let place = file.range(ofLines: 2...2)
        let copy = try Instruction(
            trigger: bytes("COPY <<EOF /x\nhello\nEOF"),
            firingAt: place,
            of: file,
            escape: "\\"
        )
        #expect(copy.range == place)
        #expect(copy.heredocs.map(\.content.text) == ["hello\n"])
        let error = #expect(throws: DockerfileError.self) {
            try Instruction(trigger: bytes("RUNN x"), firingAt: place, of: file, escape: "\\")
        }
        #expect(error?.frame.contains(">>> FROM base") == true)
        #expect(throws: DockerfileError.self) {
            try Instruction(trigger: bytes("RUN x\nRUN y"), firingAt: place, of: file, escape: "\\")
        }
    }

    @Test(.proves("Words of each instruction")) func `words of EXPOSE, VOLUME and the like are kept as written`()
        throws
    {
        #expect(try instruction("EXPOSE 80 443/tcp").command.words == ["80", "443/tcp"])
        #expect(try instruction("VOLUME [\"/a b\", \"/c\"]").command.words == ["/a b", "/c"])
        #expect(try instruction("WORKDIR  /a b ").command.words == ["/a b"])
        #expect(try instruction("USER \"x y\"").command.words == ["\"x y\""])
        #expect(try instruction("STOPSIGNAL SIGTERM").command.words == ["SIGTERM"])
        #expect(try instruction("MAINTAINER A <b@c>").command.words == ["A <b@c>"])
        #expect(try instruction("SHELL [\"/bin/bash\", \"-c\"]").command.words == ["/bin/bash", "-c"])
    }

    @Test(.proves("Letter case of instructions")) func `the tree can be printed`() throws {
        let text = """
            # escape=`
            ARG V=1
            FROM a:$V AS b
            RUN --network=none <<EOF
            echo
            EOF
            CMD ["x", "y z"]
            """
        #expect(
            try parse(text).dump == """
                1: # escape=`
                  2: arg V="1"
                stage 0 b
                  3: from "a:$V" as b
                  4-6: run --network="none" shell "<<EOF"
                    <<EOF "echo\\n"
                  7: cmd exec ["x" "y z"]

                """
        )
    }
}

extension Command {
    fileprivate var words: [String] {
        switch self {
        case .expose(let words), .volume(let words): words.texts
        case .workdir(let word), .user(let word), .stopsignal(let word), .maintainer(let word): [word.bytes.text]
        case .shell(let words): words.texts
        default: []
        }
    }
}
