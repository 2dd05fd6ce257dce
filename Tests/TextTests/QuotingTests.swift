import Proofs
import Testing
import Text

@Suite struct `Quoting` {
    /// The values are those that the documentation and the tests of Go's strconv give for Quote.
    @Test(
        .proves("C7: text that BuildKit prints by %q"),
        arguments: [
            ("", #""""#), ("abc", #""abc""#), ("\u{7}\u{8}\u{c}\r\n\t\u{b}", #""\a\b\f\r\n\t\v""#), ("\\", #""\\""#),
            ("\"x\" é \\t", #""\"x\" é \\t""#), ("☺", #""☺""#), ("\u{7f}", #""\x7f""#),
            ("\u{0}\u{1}\u{1b}[0m", #""\x00\x01\x1b[0m""#),
            ("\u{a0}", #""\u00a0""#), ("\u{ad}", #""\u00ad""#), ("\u{200b}", #""\u200b""#), ("\u{2028}", #""\u2028""#),
            ("\u{3000}", #""\u3000""#), ("\u{feff}", #""\ufeff""#), ("\u{10ffff}", #""\U0010ffff""#),
            ("\u{fffd}", #""\#u{fffd}""#),
            ("\u{4}", #""\x04""#), ("!\u{a0}!\u{2000}!\u{3000}!", #""!\u00a0!\u2000!\u3000!""#),
            ("e\u{301}", "\"e\u{301}\""),
            ("😀", #""😀""#), ("'", #""'""#), ("$`", #""$`""#),
        ]
    ) func `is that of Go's percent q`(text: String, quotedText: String) {
        #expect(quoted(text) == quotedText)
    }

    @Test(
        .proves("C7: text that BuildKit prints by %q"),
        arguments: [
            ([0xff], #""\xff""#), ([0x61, 0xc3], #""a\xc3""#), ([0xc3, 0xa9], #""é""#),
            ([0xed, 0xa0, 0x80], #""\xed\xa0\x80""#),
            ([0xf4, 0x90, 0x80, 0x80], #""\xf4\x90\x80\x80""#), ([0xc0, 0xaf], #""\xc0\xaf""#),
        ]
    ) func `escapes each byte that is not UTF-8`(bytes: [UInt8], quotedText: String) {
        #expect(String(decoding: quoted(bytes), as: UTF8.self) == quotedText)
    }
}
