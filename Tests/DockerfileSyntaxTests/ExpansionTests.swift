import DockerfileSyntax
import Proofs
import Testing
import Text

@Suite struct `Word expansion` {
    private let variables = Variables([
        (bytes("v"), bytes("value")), (bytes("empty"), []), (bytes("path"), bytes("/usr/local/lib/x.tar.gz")),
        (bytes("stars"), bytes("a*b?c\\d")), (bytes("two"), bytes("one two")), (bytes("é"), bytes("accent")),
        (bytes("lines"), bytes("ab\ncd")), (bytes("multi"), bytes("aäoöuü")),
    ])

    private func expand(_ text: String, _ change: (inout WordExpander) -> Void = { _ in }) -> String {
        var expander = WordExpander()
        change(&expander)
        do throws(ExpansionError) {
            return try expander.expand(bytes(text), with: variables).text.text
        } catch {
            guard case .inWord(_, let inner) = error else { return "outer \(error)" }
            return "error: \(inner)"
        }
    }

    @Test(
        .proves("$v, ${v}"),
        arguments: [
            ("$v", "value"), ("${v}", "value"), ("a$v-b", "avalue-b"), ("$v$v", "valuevalue"), ("$none", ""),
            ("${none}x", "x"), ("$", "$"), ("$.", "$."), ("a$", "a$"), ("$vx", ""), ("$1a", "a"), ("$@a$#", "a"),
            ("$é.", "accent."), ("${v}}", "value}"), ("$$v", "v"),
        ]
    )
    func `replaces variables`(text: String, expected: String) {
        #expect(expand(text) == expected)
    }

    @Test(
        .proves("${v:-w}, ${v-w}, ${v:+w}, ${v+w}, ${v:?m}, ${v?m}", "Nested expansions"),
        arguments: [
            ("${none:-w}", "w"), ("${none-w}", "w"), ("${empty:-w}", "w"), ("${empty-w}", ""), ("${v:-w}", "value"),
            ("${none:+w}", ""), ("${none+w}", ""), ("${empty:+w}", ""), ("${empty+w}", "w"), ("${v:+w}", "w"),
            ("${v?}", "value"), ("${v:?}", "value"), ("${empty?x}", ""),
            ("${none:-${v}}", "value"), ("${none:-${also:-${v:+deep}}}", "deep"), ("${none:-a b}", "a b"),
            ("${none:-\\}}", "}"), ("${none:-'$v'}", "$v"), ("${none:-\"$v\"}", "value"),
        ]
    )
    func `knows defaults and alternatives`(text: String, expected: String) {
        #expect(expand(text) == expected)
    }

    @Test(
        .proves("${v#p}, ${v##p}, ${v%p}, ${v%%p}"),
        arguments: [
            ("${path#*/}", "usr/local/lib/x.tar.gz"), ("${path##*/}", "x.tar.gz"),
            ("${path%.*}", "/usr/local/lib/x.tar"),
            ("${path%%.*}", "/usr/local/lib/x"), ("${path#x}", "/usr/local/lib/x.tar.gz"),
            ("${path#/???/}", "local/lib/x.tar.gz"),
            ("${path%/*}", "/usr/local/lib"), ("${path##*}", ""), ("${path#*}", "/usr/local/lib/x.tar.gz"),
            ("${path%%/local*}", "/usr"), ("${v#va}", "lue"), ("${v%ue}", "val"), ("${v%%*l}", "value"),
            ("${v#*l*}", "ue"),
            ("${v##*l*}", ""), ("${none#x}", ""), ("${stars#a\\*}", "b?c\\d"), ("${stars%\\\\d}", "a*b?c"),
            ("${stars#a*b\\?}", "c\\d"), ("${multi%?}", "aäoöu"), ("${multi#??}", "oöuü"), ("${multi#a?o}", "öuü"),
            ("${lines#*c}", "ab\ncd"), ("${lines##*b}", "\ncd"), ("${path#$none*/}", "usr/local/lib/x.tar.gz"),
            ("${path#\"/usr\"}", "/local/lib/x.tar.gz"), ("${path#\\/usr}", "/local/lib/x.tar.gz"),
        ]
    )
    func `strips prefixes and suffixes`(text: String, expected: String) {
        #expect(expand(text) == expected)
    }

    @Test(
        .proves("${v/p/r}, ${v//p/r}"),
        arguments: [
            ("${v/a/A}", "vAlue"), ("${path/l/L}", "/usr/Local/lib/x.tar.gz"),
            ("${path//l/L}", "/usr/LocaL/Lib/x.tar.gz"),
            ("${path//\\//:}", ":usr:local:lib:x.tar.gz"), ("${v//x/y}", "value"), ("${v/*/z}", "z"),
            ("${v//?/z}", "zzzzz"),
            ("${v/l*/L}", "vaL"), ("${two// /_}", "one_two"), ("${v//a/}", "vlue"), ("${v/a/$v}", "vvaluelue"),
            ("${v//z*/x}", "value"), ("${none/a/b}", ""), ("${path//l*\\//}", "/usr/x.tar.gz"),
        ]
    )
    func `replaces patterns`(text: String, expected: String) {
        #expect(expand(text) == expected)
    }

    @Test(
        .proves("Errors"),
        arguments: [
            ("${}", "syntax error: bad substitution"), ("${:x}", "syntax error: bad substitution"),
            ("${{v}", "syntax error: bad substitution"), ("${v", "syntax error: missing '}'"),
            ("${", "syntax error: missing '}'"), ("${v:-x", "syntax error: missing '}'"),
            ("${none:-${v}", "syntax error: missing '}'"), ("${v:=x}", "unsupported modifier (:=) in substitution"),
            ("${v:#x}", "unsupported modifier (:#) in substitution"),
            ("${v!}", "unsupported modifier (!) in substitution"),
            ("${none?}", "none: is not allowed to be unset"), ("${none:?say why}", "none: say why"),
            ("${empty:?}", "empty: is not allowed to be empty"), ("${v/a}", "syntax error: missing '/' in ${}"),
            ("${v/a/b", "syntax error: missing '}'"),
            ("${v#a\\b}", "invalid pattern (a\\b) in substitution: invalid escape '\\b'"),
            ("'a", "unexpected end of statement while looking for matching single-quote"),
            ("\"a", "unexpected end of statement while looking for matching double-quote"),
        ]
    )
    func `says what is wrong`(text: String, expected: String) {
        #expect(expand(text) == "error: " + expected)
    }

    @Test(
        .proves("Quotes and escapes"),
        arguments: [
            ("'a b'", "a b"), ("\"a b\"", "a b"), ("'$v'", "$v"), ("\"$v\"", "value"), ("\\$v", "$v"),
            ("\"\\$v\"", "$v"),
            ("\"a\\\"b\"", "a\"b"), ("\"a\\tb\"", "a\\tb"), ("a\\tb", "atb"), ("'a\\'", "a\\"), ("a\\", "a"),
            ("\"\\\\\"", "\\"),
            ("a'b'\"c\"d", "abcd"), ("", ""), ("''", ""), ("\\\\", "\\"),
        ]
    )
    func `takes quotes and escapes as a shell does`(text: String, expected: String) {
        #expect(expand(text) == expected)
    }

    @Test(.proves("Quotes and escapes")) func `with another escape character leaves backslashes`() {
        #expect(expand("c:\\$v`$v", { $0.escape = "`" }) == "c:\\value$v")
    }

    @Test func `in a document leaves quotes alone`() {
        #expect(expand("it's \"$v\" \\$v", { $0.ignoresQuotes = true }) == "it's \"value\" $v")
    }

    @Test(arguments: [
        ("\"$none\" '$v' $v ${none:-x}", "\"$none\" '$v' value ${none:-x}"),
        ("${none/a/b} ${none}", "${none/a/b} ${none}"),
    ])
    func `for titles keeps quotes and what is not set`(text: String, expected: String) {
        let shown = expand(text) {
            $0.keepsQuotes = true
            $0.keepsUnset = true
        }
        #expect(shown == expected)
    }

    @Test func `splits at blanks outside quotes, also in values`() throws {
        let result = try WordExpander().expand(bytes(" a $two 'b c' \"\" d$empty ${two}x "), with: variables)
        #expect(result.words.texts == ["a", "one", "two", "b c", "d", "one", "twox"])
    }

    @Test func `tells which variables it used`() throws {
        let result = try WordExpander().expand(bytes("$v ${none:-$other} '$quoted'"), with: variables)
        #expect(result.matched == [bytes("v")])
        #expect(result.unmatched == [bytes("none"), bytes("other")])
    }

    @Test func `keeps bytes that are not text`() throws {
        var variables = Variables()
        variables.set(bytes("b"), to: [0xff, 0x2f, 0xfe])
        let result = try WordExpander().expand([0xc3] + bytes("${b#?}${b%/?}"), with: variables)
        #expect(result.text == [0xc3, 0x2f, 0xfe, 0xff])
    }

    @Test(.proves("Nested expansions")) func `is bounded in depth, length and work`() throws {
        let deep = String(repeating: "${a:-", count: 10_000) + String(repeating: "}", count: 10_000)
        #expect(expand(deep) == "error: substitutions are nested more than 64 deep")
        var variables = Variables()
        variables.set(bytes("a"), to: [UInt8](repeating: "a", count: 200_000))
        #expect(throws: ExpansionError.self) {
            try WordExpander().expand(bytes("$a$a$a$a$a$a"), with: variables)
        }
        let clock = ContinuousClock()
        let time = clock.measure {
            #expect(throws: ExpansionError.self) {
                try WordExpander().expand(bytes("${a//*a*a*a*b/}"), with: variables)
            }
        }
        #expect(time < .seconds(60))
        // A glob that a backtracking matcher takes exponential time for.
        variables.set(bytes("a"), to: [UInt8](repeating: "a", count: 2_000))
        let result = try WordExpander().expand(bytes("${a#*a*a*a*a*a*a*a*a*b}"), with: variables)
        #expect(result.text.count == 2_000)
    }
}
