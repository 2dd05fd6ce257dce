import Testing
import Text

@testable import Terminal

private struct Options: Sendable, Equatable {
    var quiet = false
    var interactive = false
    var terminal = false
    var format: String?
    var tags: [[UInt8]] = []
    var ports: [[UInt8]] = []
    var last: Int?
    var names: [[UInt8]] = []
}

private let flags: [Flag<Options>] = [
    .toggle("quiet", short: "q", \.quiet, help: ""),
    .toggle("interactive", short: "i", \.interactive, help: ""),
    .toggle("tty", short: "t", \.terminal, help: ""),
    .text("format", \.format, help: ""),
    .list("env", short: "e", \.tags, help: ""),
    .list("publish", short: "p", \.ports, help: ""),
    .value("last", short: "n", \.last, placeholder: "int", help: "", FlagValues.integer),
    .values("names", \.names, placeholder: "strings", help: "", FlagValues.commaSeparated),
]

private func parse(_ line: [String], interspersed: Bool = true) throws(UsageError) -> (
    Options, [String], ParsedArguments
) {
    var options = Options()
    let parser = FlagParser(flags, allowsFlagsAfterArguments: interspersed)
    let parsed = try parser.parse(line.map { Array($0.utf8) }, into: &options)
    return (options, parsed.positional.map { String(decoding: $0, as: UTF8.self) }, parsed)
}

private func texts(_ list: [[UInt8]]) -> [String] { list.map { String(decoding: $0, as: UTF8.self) } }

@Suite struct `Flags` {
    @Test(
        arguments: [
            (["-q"], true), (["--quiet"], true), (["--quiet=true"], true), (["--quiet=false"], false),
            (["-q=0"], false),
            (["-q", "-q=F"], false), (["--quiet=T"], true),
        ] as [([String], Bool)]
    )
    func `a switch takes its value only behind an equal sign`(line: [String], isQuiet: Bool) throws {
        #expect(try parse(line).0.quiet == isQuiet)
    }

    @Test(arguments: [
        ["-p8000:80"], ["-p", "8000:80"], ["-p=8000:80"], ["--publish", "8000:80"], ["--publish=8000:80"],
        ["-itp", "8000:80"], ["-itp8000:80"],
    ])
    func `a value may follow, be attached, or stand behind an equal sign`(line: [String]) throws {
        #expect(texts(try parse(line).0.ports) == ["8000:80"])
    }

    @Test func `letters may be joined`() throws {
        let options = try parse(["-it"]).0
        #expect(options.interactive && options.terminal && !options.quiet)
    }

    @Test func `a repeated list grows and a repeated value is replaced`() throws {
        let options = try parse(["-e", "A=1", "-e", "B", "--format", "a", "--format=b"]).0
        #expect(texts(options.tags) == ["A=1", "B"])
        #expect(options.format == "b")
    }

    @Test func `a value may look like a flag or be empty`() throws {
        let options = try parse(["--format", "--quiet", "-e", "", "-e="]).0
        #expect(options.format == "--quiet" && !options.quiet)
        #expect(texts(options.tags) == ["", "="])
    }

    @Test func `flags may follow arguments where the command allows it`() throws {
        let (options, arguments, _) = try parse(["a", "-q", "b"])
        #expect(options.quiet && arguments == ["a", "b"])
    }

    @Test func `flags after the first argument belong to the container where the command says so`() throws {
        let (options, arguments, _) = try parse(["-q", "alpine", "ls", "-i", "--", "-x"], interspersed: false)
        #expect(options.quiet && !options.interactive)
        #expect(arguments == ["alpine", "ls", "-i", "--", "-x"])
    }

    @Test func `two dashes end the flags and one dash is an argument`() throws {
        let (options, arguments, parsed) = try parse(["-", "--", "-q", "--"])
        #expect(!options.quiet && arguments == ["-", "-q", "--"] && parsed.countBeforeTerminator == 1)
    }

    @Test func `arguments and values need not be text`() throws {
        var options = Options()
        let parser = FlagParser(flags, allowsFlagsAfterArguments: true)
        let parsed = try parser.parse([[0x2d, 0x65, 0xff], [0xfe, 0x20]], into: &options)
        #expect(options.tags == [[0xff]] && parsed.positional == [[0xfe, 0x20]])
    }

    @Test(arguments: [["--help"], ["-h"], ["-qh"], ["a", "--help", "--nonsense"]])
    func `help wins over what follows`(line: [String]) throws {
        #expect(try parse(line).2.asksForHelp)
    }

    @Test(
        arguments: [
            (["--badflag"], "unknown flag: --badflag", 125),
            (["--fromat", "x"], "unknown flag: --fromat\n\nDid you mean this?\n\t--format", 125),
            (["-X"], "unknown shorthand flag: 'X' in -X", 125),
            (["-itX"], "unknown shorthand flag: 'X' in -X", 125),
            (["-iXq"], "unknown shorthand flag: 'X' in -Xq", 125),
            (["--format"], "flag needs an argument: --format", 125),
            (["-p"], "flag needs an argument: 'p' in -p", 125),
            (["-ip"], "flag needs an argument: 'p' in -p", 125),
            (["--=x"], "bad flag syntax: --=x", 125),
            (["---x"], "bad flag syntax: ---x", 125),
            (["-q=3"], "invalid argument \"3\" for \"-q, --quiet\" flag: it is neither true nor false", 125),
            (["-n", "x"], "invalid argument \"x\" for \"-n, --last\" flag: it is not a whole number", 125),
            (["--names", "\"a"], "invalid argument \"\"a\" for \"--names\" flag: a quoted field has no end", 125),
        ] as [([String], String, Int32)]
    )
    func `a wrong flag is named`(line: [String], message: String, status: Int32) throws {
        let error = try #require(throws: UsageError.self) { _ = try parse(line) }
        #expect(error.message == message && error.exitStatus.rawValue == status)
    }
}

@Suite struct `Flag values` {
    @Test(
        arguments: [
            ("a,b", ["a", "b"]), ("\"a,b\",c", ["a,b", "c"]), ("", [""]), ("a,", ["a", ""]),
            ("\"say \"\"x\"\"\"", ["say \"x\""]),
        ] as [(String, [String])]
    )
    func `commas separate and quotes protect`(text: String, fields: [String]) throws {
        #expect(texts(try FlagValues.commaSeparated(Array(text.utf8))) == fields)
    }

    @Test(
        arguments: [
            ("512", 512), ("1k", 1024), ("64m", 67_108_864), ("1.5g", 1_610_612_736), ("2GiB", 2_147_483_648),
            ("10 MB", 10_485_760), ("0", 0),
        ] as [(String, Int64)]
    )
    func `sizes are binary`(text: String, size: Int64) throws {
        #expect(try FlagValues.size(Array(text.utf8), allowsUnlimited: false) == size)
    }

    @Test(arguments: ["", "x", "1x", "-5", "1kk", "99999999999999999p", "-1"])
    func `anything but a size is refused`(text: String) {
        #expect(throws: FlagValueError("invalid size: '\(text)'")) {
            try FlagValues.size(Array(text.utf8), allowsUnlimited: false)
        }
    }

    @Test(
        arguments: [
            ("90s", 90.0), ("1h30m", 5400), ("1.5h", 5400), ("0", 0), ("250ms", 0.25), ("-2m", -120),
        ] as [(String, Double)]
    )
    func `durations are Go's`(text: String, seconds: Double) throws {
        #expect(try FlagValues.seconds(Array(text.utf8)) == seconds)
    }

    @Test func `a filter has a name and a value`() throws {
        #expect(try ListFilter(parsing: "Label = a=b") == ListFilter(name: "label", value: "a=b"))
        #expect(throws: FlagValueError.self) { try ListFilter(parsing: "dangling") }
    }

    @Test func `suggestions are near`() {
        #expect(Suggestions.nearest(to: "bild", among: ["build", "pull", "push"]) == ["build"])
        #expect(Suggestions.nearest(to: "imgaes", among: ["image", "images"]).first == "images")
        #expect(Suggestions.nearest(to: "zzzz", among: ["build", "pull"]).isEmpty)
    }
}
