import Proofs
import Testing

@testable import Text

@Suite struct `Expressions for names` {
    private func matches(_ pattern: String, _ text: String) throws -> Bool {
        try NameExpression(Array(pattern.utf8)).matches(Array(text.utf8))
    }

    @Test(
        .proves("B15: ps has docker's filters, names"),
        arguments: [
            ("web", "my-web-1"), ("^web$", "web"), ("^/?web$", "/web"), ("w.b", "wab"), ("", "anything"), ("a*b", "b"),
            ("^a+$", "aaa"), ("^(web|db)[0-9]+$", "db17"), ("^[^a-c]$", "d"), ("^a{2,3}$", "aaa"), ("^a{2}$", "aa"),
            ("^a{2,}$", "aaaaa"), ("^(?:ab)+?$", "abab"), ("(?i)WEB", "web"), ("^(?i:W)eb$", "web"),
            (#"\d\w\s\."#, "1a ."),
            (#"\bweb\b"#, "a-web-b"), ("^[[:alpha:]_-]+$", "a_b-c"), ("a{,2}", "a{,2}"), ("^[]a]$", "]"),
            ("^[a-]$", "-"),
            ("^(a|b|)$", ""), ("^x?y?z?$", "xz"), (#"\Aweb\z"#, "web"), ("^((a*)*)*$", "aaaa"), ("é", "café"),
        ]
    )
    func `match what RE2 matches`(pattern: String, text: String) throws {
        #expect(try matches(pattern, text))
    }

    @Test(
        .proves("B15: ps has docker's filters, names"),
        arguments: [
            ("^web$", "web1"), ("^web$", "/web"), ("w.b", "wb"), ("^a+$", ""), ("^(web|db)$", "web|db"), ("[^a]", "a"),
            ("^a{2,3}$", "aaaa"), ("^a{2}$", "a"), ("WEB", "web"), (#"\bweb\b"#, "aweb"), (#"\D"#, "12"), ("^.$", "\n"),
            ("(?i)a(?-i)B", "ab"), (#"\."#, "a"), ("^[a-c]$", "d"), ("^[^[:digit:]]$", "7"),
        ]
    )
    func `do not match what RE2 does not match`(pattern: String, text: String) throws {
        #expect(try !matches(pattern, text))
    }

    @Test(
        .proves("B15: ps has docker's filters, names"),
        arguments: [
            "(", ")", "[a", "*a", "a**", "a+?+", #"\"#, #"\p{L}"#, #"\Qa\E"#, "(?P<n>a)", "(?=a)", "(?s).", "a{1001}",
            "a{3,2}", "[z-a]", #"[\d-z"#, "((a{100}){100}){100}",
            String(repeating: "(", count: 60) + String(repeating: ")", count: 60),
            String(repeating: "a", count: 1001), #"\1"#,
        ]
    )
    func `are refused where they are wrong or not supported`(pattern: String) {
        #expect(throws: NameExpression.Refusal.self) { try NameExpression(Array(pattern.utf8)) }
    }

    @Test(.proves("B15: ps has docker's filters, names"))
    func `take no longer where there are many ways to match`() throws {
        // A matcher that goes back would try 2 to the 5,000th ways.
        #expect(try !matches("^((a+)+)+b$", String(repeating: "a", count: 5000)))
        #expect(try !matches("^(a?){100}a{100}$", String(repeating: "a", count: 99)))
    }

    @Test(arguments: [
        ("^docker-image://(.*):(.*)$", "docker-image://a/b:1", "x://${1}@$2", "x://a/b@1"),
        ("(a+?)(a*)", "aaa", "<$1|$2>", "<a|aa>"), ("(a|ab)(c|bcd)", "abcd", "$1,$2", "a,bcd"),
        ("a", "banana", "o", "bonono"), ("(x)?b", "ab", "[$1]", "a[]"), ("b", "abc", "$$$9", "a$c"),
        ("(?:a)(b)", "ab", "$1x ${1}x", " bx"), ("z", "abc", "y", "abc"), ("", "ab", "-", "-a-b-"),
        ("a*", "baac", "x", "xbxcx"),
    ])
    func `put what their groups matched into a text`(
        pattern: String,
        text: String,
        template: String,
        expected: String
    ) throws {
        let expression = try NameExpression(Array(pattern.utf8))
        let replaced = expression.replacingMatches(in: Array(text.utf8), with: Array(template.utf8))
        #expect(String(decoding: replaced, as: UTF8.self) == expected)
    }
}
