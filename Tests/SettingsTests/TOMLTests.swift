import Settings
import Testing

/// What https://toml.io/en/v1.0.0 permits and forbids.
@Suite struct `TOML documents` {
    private func value(_ text: String) throws -> TOMLValue? { try TOMLValue.table(parsing: "a = \(text)")["a"] }

    @Test(arguments: [
        (#""""#, ""),
        (#""b\\b \"q\" \t\n\r\f\b|""#, "b\\b \"q\" \t\n\r\u{c}\u{8}|"),
        (#""\u00e9 \U0001f600""#, "\u{e9} \u{1f600}"),
        ("\"# \u{e9}\"", "# \u{e9}"),
        (#"'C:\n "x"'"#, #"C:\n "x""#),
        ("\"\"\"\none\r\ntwo\"\"\"", "one\r\ntwo"),
        ("\"\"\"one \\  \n\n   two\"\"\"", "one two"),
        ("\"\"\"\"one\"\"two\"\"\"\"\"", "\"one\"\"two\"\""),
        ("'''\n\\n\n'''", "\\n\n"),
        ("''''one'''''", "'one''"),
        ("\"\"\"\"\"\"", ""),
    ])
    func `have strings of four kinds`(text: String, string: String) throws {
        #expect(try value(text) == .string(string))
    }

    @Test(arguments: [
        ("0", 0), ("-0", 0), ("+17", 17), ("1_000", 1000), ("0xDEAD_beef", 0xdead_beef), ("0o755", 493),
        ("0b1101", 13), ("9223372036854775807", Int64.max), ("-9223372036854775808", Int64.min),
    ])
    func `have integers of 64 bits in four bases`(text: String, number: Int64) throws {
        #expect(try value(text) == .integer(number))
    }

    @Test(arguments: [
        ("1.0", 1), ("-0.5", -0.5), ("5e+22", 5e22), ("1E06", 1e6), ("-2e-2", -0.02), ("6.26e-3", 0.00626),
        ("9_224.4_4", 9224.44), ("inf", .infinity), ("+inf", .infinity), ("-inf", -.infinity),
    ])
    func `have floating-point numbers`(text: String, number: Double) throws {
        #expect(try value(text) == .float(number))
    }

    @Test func `know what is not a number`() throws {
        for text in ["nan", "+nan", "-nan"] {
            guard case .float(let number) = try value(text) else {
                Issue.record("\(text) is not a float")
                continue
            }
            #expect(number.isNaN)
        }
    }

    @Test(arguments: [
        "1979-05-27T07:32:00Z", "1979-05-27t00:32:00.999-07:00", "1979-05-27 07:32:60", "2000-02-29", "23:59:59.5",
    ])
    func `have dates, times and both as they were written`(text: String) throws {
        #expect(try value("\(text) # \(text)") == .date(text))
    }

    @Test func `have arrays of any values on any number of lines`() throws {
        #expect(
            try value("[ 1, # one\n\n 'two', [], [true , false,\n],{}]")
                == .array([
                    .integer(1), .string("two"), .array([]), .array([.boolean(true), .boolean(false)]), .table([:]),
                ])
        )
    }

    @Test func `have tables by header, by dotted key and in braces`() throws {
        let document = """
            \u{feff}top."quoted key".'literal' = 1
            3.14 = { x.y = 2, "" = '' }\t# no number
            [ a . b ]\r
            c = 1
            [a]
            d.e = 2
            [a.d.f]
            [[a.list]]
            n = 1
            [a.list.inner]
            [[a.list]]
            """
        let expected: [String: TOMLValue] = [
            "top": .table(["quoted key": .table(["literal": .integer(1)])]),
            "3": .table(["14": .table(["x": .table(["y": .integer(2)]), "": .string("")])]),
            "a": .table([
                "b": .table(["c": .integer(1)]),
                "d": .table(["e": .integer(2), "f": .table([:])]),
                "list": .array([.table(["n": .integer(1), "inner": .table([:])]), .table([:])]),
            ]),
        ]
        #expect(try TOMLValue.table(parsing: document) == expected)
    }

    @Test(arguments: ["", "\n", "# only a comment", "\t \r\n"])
    func `may be empty`(document: String) throws {
        #expect(try TOMLValue.table(parsing: document).isEmpty)
    }

    @Test(arguments: [
        "a = 1\na = 2", "a.b = 1\na.b.c = 2", "a = 1\n[a]", "[a]\n[a]", "[a]\n[[a]]", "[[a]]\n[a]", "a = []\n[[a]]",
        "a.b = 1\n[a]", "[a.b]\n[[a]]", "[a.b.c]\n[a]\nb.d = 1", "[[a]]\n[b]\n[a.c]\n[a.c]", "a = {}\n[a.b]",
        "a = {}\na.b = 1", "a = {b = 1, b.c = 2}", "a = {b = 1}\n[a]", "[a.b]\n[a]\nb = 1", "[[a.b]]\n[a]\nb.c = 1",
    ])
    func `define nothing twice`(document: String) {
        #expect(throws: TOMLError.self) { try TOMLValue.table(parsing: document) }
    }

    @Test(arguments: [
        "[}", "[1 2]", "[,]", "[1,,]", "[", "{", "{a = 1,}", "{a = 1\n}", "{,}", "{a}", "]", "", "nul", "True", "01",
        "-01",
        "1_", "_1", "1__0", "+0x1", "0x", "0b2", "0o8", "1.", ".1", "1.e1", "1e", "01.5", "1e1_", "--1",
        "9223372036854775808",
        "1979-13-01", "1979-02-29", "1979-05-27T", "1979-05-27T24:00:00", "07:32", "07:60:00", "1979-05-27 07:32:00x",
        "'", "\"", "'a\nb'", "\"\\x\"", "\"\\u12\"", "\"\\ud800\"", "\"\\U00110000\"", "\"\\u+123\"", "\"\u{7f}\"",
        "'\u{1}'",
        "\"\"\"a", "'''a''", "\"a\\", "\"\"\"\\ x\"\"\"", "1 2", "1 # \u{0}", "1\r", "'a' 'b'", "\"\"\"\"\"\"\"\"\"",
    ])
    func `refuse values that break the grammar`(text: String) {
        #expect(throws: TOMLError.self) { try value(text) }
    }

    @Test(arguments: [
        "a", "a =", "= 1", "a b = 1", "a. = 1", ".a = 1", "[a", "[a]]", "[[a]", "[a] b", "[ [a]]", "é = 1", "\u{0}",
    ])
    func `refuse lines that break the grammar`(document: String) {
        #expect(throws: TOMLError.self) { try TOMLValue.table(parsing: document) }
    }

    @Test(arguments: [
        ("\n\u{e9} = 1", "line 2, column 1: expected a key"),
        ("# \u{e9}\r\nb = '\u{e9}' x", "line 2, column 9: expected the end of the line"),
        ("[a]\nb = 1\n[a]", "line 3, column 1: a is defined twice"),
        ("a = 1\n'a'.\"\\u001b\" = 2", "line 2, column 1: a is defined already, and cannot be added to here"),
        ("a = bare", "line 1, column 5: expected a value: strings have quotes"),
        ("a = 0x8000000000000000", "line 1, column 5: the number does not fit 64 bits"),
    ])
    func `are refused with the place and the reason`(document: String, message: String) {
        let error = #expect(throws: TOMLError.self) { try TOMLValue.table(parsing: document) }
        #expect(error?.description == message)
    }

    @Test(arguments: ["[", "{a=", "[{a=", "a.a="])
    func `nest 64 deep and no deeper`(unit: String) throws {
        for count in [100, 100_000] {
            let text =
                unit == "a.a="
                ? String(repeating: "a.", count: count) + "a=1" : "a=" + String(repeating: unit, count: count)
            let error = #expect(throws: TOMLError.self) { try TOMLValue.table(parsing: text) }
            #expect(error?.reason == "values are nested more than 64 deep")
        }
        let key = String(repeating: "a.", count: 40) + "a"
        #expect(throws: TOMLError.self) { try TOMLValue.table(parsing: "[\(key)]\n\(key) = 1") }
        let arrays = "a=" + String(repeating: "[", count: 60) + String(repeating: "]", count: 60)
        #expect(throws: Never.self) { try TOMLValue.table(parsing: arrays) }
    }
}
