import Testing
import Text

@Suite struct `Documents as text` {
    @Test func `JSON keeps the order of members and escapes for HTML and terminals`() {
        let document = JSONValue.object([
            .init("b", .array([.null, .bool(true), .number(-1)])), .init("a", .string("<\u{1b}\u{202e}\"")),
        ])
        #expect(document.text() == #"{"b":[null,true,-1],"a":"\u003c\u001b\u202e\""}"#)
        #expect(document.text(escapesHTML: false).contains("<"))
        #expect(JSONValue.object([.init("a", .array([]))]).indented == "{\n  \"a\": []\n}")
    }

    @Test func `an object that is read keeps every kind of value`() throws {
        let text = #"{"a":{"c":[1.5,9007199254740993,"x",true,null]},"b":{}}"#
        let members = try JSONValue.members(parsing: bytes(text))
        #expect(JSONValue.object(members).text() == text)
    }

    @Test(arguments: ["[]", "{", "1", ""]) func `a document that is not an object is refused`(text: String) {
        #expect(throws: (any Error).self) { try JSONValue.members(parsing: bytes(text)) }
    }

    @Test(arguments: [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")])
    func `base64 has padding, which may be missing where it is read`(plain: String, encoded: String) {
        #expect(base64(bytes(plain)) == encoded)
        #expect(bytes(ofBase64: encoded) == bytes(plain))
        #expect(bytes(ofBase64: String(encoded.prefix { $0 != "=" })) == bytes(plain))
    }

    @Test(arguments: ["Z", "Zg==Zg==", "Zm 8", "Zm-_", "é"]) func `malformed base64 is refused`(text: String) {
        #expect(bytes(ofBase64: text) == nil)
    }

    @Test(arguments: [
        ("a,b", ["a", "b"]), ("\"a,b\",c", ["a,b", "c"]), ("\"a\"\"b\"", ["a\"b"]), ("a,", ["a", ""]), ("", []),
    ])
    func `comma-separated values may be quoted`(line: String, fields: [String]) throws {
        #expect(try commaSeparatedFields(bytes(line)) == fields.map { bytes($0) })
    }

    @Test(arguments: [
        ("a\"b", CommaSeparatedError.bareQuote), ("\"a", .openQuote), ("\"a\"b", .textAfterQuote),
    ])
    func `a quote in the wrong place is refused`(line: String, error: CommaSeparatedError) {
        #expect(throws: error) { try commaSeparatedFields(bytes(line)) }
    }
}
