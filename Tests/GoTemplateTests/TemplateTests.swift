import Testing

@testable import GoTemplate

/// What `docker context ls --format` works on, so that expectations could be checked against Docker itself.
private let row = TemplateValue.record(
    TemplateRecord(
        name: "*formatter.clientContextContext",
        [
            ("Current", .boolean(true)), ("Description", .text("a & b")), ("Error", .text("")),
            ("Name", .text("default")),
        ],
        methods: ["Label": { $0[0] == "k" ? "v" : "" }]
    )
)

private func render(_ template: String, _ value: TemplateValue = row) throws(TemplateError) -> String {
    try Template(template).render(value)
}

@Suite struct `Templates` {
    @Test(
        arguments: [
            ("{{.Name}}", "default"), ("{{ .Name }}{", "default{"), ("x}}y", "x}}y"), ("{{(.Name)}}", "default"),
            ("{{.Name}} {{- \" x\" -}}   y", "default xy"), ("{{- .Name -}}", "default"), ("{{/* c */}}z", "z"),
            ("a {{- /* c */ -}} z", "az"), ("{{.Name | upper}}", "DEFAULT"), ("{{.Name | }}", "default"),
            ("{{if eq .Name \"default\"}}yes{{else}}no{{end}}", "yes"),
            ("{{if false}}a{{else if eq 1 2}}b{{else}}c{{end}}", "c"),
            ("{{if and (eq 1 1) (ne 1 2)}}ok{{else if true}}e{{end}}", "ok"),
            ("{{with .Error}}a{{else}}none{{end}}", "none"), ("{{with \"\"}}a{{else with \"q\"}}b{{.}}{{end}}", "bq"),
            ("{{$x := .Name}}{{$x}} {{$x = \"b\"}}{{$x}}", "default b"),
            ("{{range $i, $e := split \"a,b\" \",\"}}{{$i}}={{$e}};{{end}}", "0=a;1=b;"),
            ("{{range split \"\" \",\"}}[{{.}}]{{else}}none{{end}}", "[]"), ("{{range 3}}{{.}}{{end}}", "012"),
            ("{{range split \"a,b,c\" \",\"}}{{if eq . \"b\"}}{{continue}}{{end}}{{.}}{{end}}", "ac"),
            ("{{range split \"a,b,c\" \",\"}}{{if eq . \"b\"}}{{break}}{{end}}{{.}}{{end}}", "a"),
            ("{{range split \"a,b\" \",\"}}{{$.Name}}{{end}}", "defaultdefault"),
            ("{{.Label \"k\"}}", "v"), ("{{json .Name}} {{json .Current}}", "\"default\" true"),
            ("{{json .}}", "{\"Current\":true,\"Description\":\"a & b\",\"Error\":\"\",\"Name\":\"default\"}"),
        ] as [(String, String)]
    )
    func `text, fields and control`(template: String, text: String) throws {
        #expect(try render(template) == text)
    }

    @Test(
        arguments: [
            ("{{1}} {{1.5}} {{true}} {{\"q\\t\\\"x\"}} {{`raw\\n`}} {{'a'}}", "1 1.5 true q\t\"x raw\\n 97"),
            ("{{0x1F}} {{1_000}} {{-3}} {{1e3}}", "31 1000 -3 1000"),
            (
                "{{lt \"a\" \"b\"}} {{gt 2 1}} {{ne 1 2}} {{and 1 0}} {{or 0 \"x\"}} {{not true}}",
                "true true true 0 x false"
            ),
            ("{{le 1 2}} {{ge \"b\" \"a\"}} {{eq \"a\" \"b\" \"a\"}} {{gt 1.5 1.0}}", "true true true true"),
            (
                "{{len (split \"a,b\" \",\")}} {{\"a\" | len}} {{index \"abc\" 1}} {{index (split \"a,b\" \",\") 1 0}}",
                "2 1 98 98"
            ),
            ("{{slice \"abcdef\" 1 3}} {{slice (split \"a,b,c\" \",\") 1}}", "bc [b c]"),
            ("{{split \"a,b\" \",\"}} {{join (split \"a b\" \" \") \", \" | upper}}", "[a b] A, B"),
            (
                "{{title \"o'neil hello wOrld\"}} {{lower \"ABC\"}} {{truncate \"abcdef\" 3}}",
                "O'Neil Hello WOrld abc abc"
            ),
            ("{{pad .Name 3 4}}|{{pad \"\" 1 1}}|", "   default    ||"),
            ("{{print 1 2 \"a\" \"b\"}} {{print \"a\" 1}} {{print nil}} {{println 1 \"a\"}}", "1 2ab a1 <nil> 1 a\n"),
            ("{{html \"a&b\\\"c'<\"}} {{urlquery \"a b/\"}}", "a&amp;b&#34;c&#39;&lt; a+b%2F"),
        ] as [(String, String)]
    )
    func `literals and functions`(template: String, text: String) throws {
        // `title` of Go makes capitals after every character that belongs to no word.
        #expect(try render(template) == text)
    }

    @Test(
        arguments: [
            (
                "{{printf \"%6.2f|%+d|% d|%x|%X|%#x|%08b|%-5t|\" 3.14159 5 5 255 255 255 5 true}}",
                "  3.14|+5| 5|ff|FF|0xff|00000101|true |"
            ),
            (
                "{{printf \"%q %v %s\" \"a\\\"b\" (split \"a,b\" \",\") (split \"a,b\" \",\")}}",
                "\"a\\\"b\" [a b] [a b]"
            ),
            ("{{printf \"%5.1s|%-5s|%05s\" \"abc\" \"ab\" \"ab\"}}", "    a|ab   |000ab"),
            ("{{printf \"%.3g %g %e %G\" 1234.5 0.00001 12.0 1e20}}", "1.23e+03 1e-05 1.200000e+01 1E+20"),
            (
                "{{printf \"%-10s|%5d|%05.1f|%v|%+v|%T|%c|%U|%o|%b|%e|%g|%%\" \"a\" 5 1.25 nil true 1 65 65 8 5 1.5 1.5}}",
                "a         |    5|001.2|<nil>|true|int|A|U+0041|10|101|1.500000e+00|1.5|%"
            ),
            (
                "{{printf \"%d\" \"x\"}} {{printf \"%s\"}} {{printf \"x\" 1}} {{printf \"%s\" 5}}",
                "%!d(string=x) %!s(MISSING) x%!(EXTRA int=1) %!s(int=5)"
            ),
            ("{{printf \"%z\" 1}} {{printf \"%\"}} {{1 | printf \"%d\"}}", "%!z(int=1) %!(NOVERB) 1"),
        ] as [(String, String)]
    )
    func `printf is Go's`(template: String, text: String) throws {
        #expect(try render(template) == text)
    }

    @Test(
        arguments: [
            ("{{foo}}", ":1: function \"foo\" not defined"), ("{{.Name", ":1: unclosed action"),
            ("{{end}}", ":1: unexpected {{end}}"), ("{{if}}x{{end}}", ":1: missing value for if"),
            ("{{else}}", ":1: unexpected {{else}}"), ("{{\"abc}}", ":1: unterminated quoted string"),
            ("{{| upper}}", ":1: unexpected \"|\" in command"), ("{{range .}}x", ":1: unexpected EOF"),
            ("{{range}}{{end}}", ":1: missing value for range"), ("{{break}}", ":1: {{break}} outside {{range}}"),
            ("{{$y}}", ":1: undefined variable \"$y\""),
            ("{{with $x := .Name}}{{end}}{{$x}}", ":1: undefined variable \"$x\""),
            ("{{.Name!}}", ":1: bad character U+0021 '!'"), ("{{.a-b}}", ":1: bad character U+002D '-'"),
            ("{{#}}", ":1: unexpected \"#\" in command"), ("{{-.Name}}", ":1: bad number syntax: \"-.N\""),
            ("{{.Name | 1}}", ":1: non executable command in pipeline stage 2"),
            ("{{()}}", ":1: missing value for parenthesized pipeline"),
            ("{{)}}", ":1: unexpected right paren"), ("{{(}}", ":1: unclosed left paren"),
            ("{{\"\\q\"}}", ":1: invalid syntax"),
            ("{{/* unclosed", ":1: unclosed comment"), ("{{  }}", ":1: missing value for command"),
            ("a\nb{{foo}}", ":2: function \"foo\" not defined"), ("{{ .  Name }}", ":1: function \"Name\" not defined"),
        ] as [(String, String)]
    )
    func `a template that cannot be read says why`(template: String, message: String) {
        let error = #expect(throws: TemplateError.self) { try render(template) }
        #expect(error?.description == "template parsing error: template: \(message)")
    }

    @Test(
        arguments: [
            (
                "{{.Foo}}",
                ":1:2: executing \"\" at <.Foo>: can't evaluate field Foo in type *formatter.clientContextContext"
            ),
            ("{{.Name.Foo}}", ":1:7: executing \"\" at <.Name.Foo>: can't evaluate field Foo in type string"),
            ("{{.Name.x.y}}", ":1:7: executing \"\" at <.Name.x.y>: can't evaluate field x in type string"),
            (
                "{{index (split \"a,b\" \",\") 5}}",
                ":1:2: executing \"\" at <index (split \"a,b\" \",\") 5>: error calling index: index out of range: 5"
            ),
            (
                "{{index (split \"a,b\" \",\") \"x\"}}",
                ":1:2: executing \"\" at <index (split \"a,b\" \",\") \"x\">: error calling index: cannot index slice/array with type string"
            ),
            ("{{eq 1 1.0}}", ":1:2: executing \"\" at <eq 1 1.0>: error calling eq: incompatible types for comparison"),
            (
                "{{lt true false}}",
                ":1:2: executing \"\" at <lt true false>: error calling lt: invalid type for comparison"
            ),
            ("{{.Name .Name}}", ":1:2: executing \"\" at <.Name>: wrong number of args for Name: want 0 got 1"),
            ("{{upper}}", ":1:2: executing \"\" at <upper>: wrong number of args for upper: want 1 got 0"),
            ("{{upper 1}}", ":1:8: executing \"\" at <1>: expected string; found 1"),
            (
                "{{join .Name \",\"}}",
                ":1:7: executing \"\" at <.Name>: wrong type for value; expected []string; got string"
            ),
            ("{{nil}}", ":1:2: executing \"\" at <nil>: nil is not a command"),
            ("{{len 3}}", ":1:2: executing \"\" at <len 3>: error calling len: len of type int"),
            ("{{1 2}}", ":1:2: executing \"\" at <1>: can't give argument to non-function 1"),
            ("{{range \"ab\"}}{{.}}{{end}}", ":1:8: executing \"\" at <\"ab\">: range can't iterate over ab"),
            ("{{eq 1}}", ":1:2: executing \"\" at <eq 1>: error calling eq: missing argument for comparison"),
            ("{{ne 1}}", ":1:2: executing \"\" at <ne>: wrong number of args for ne: want 2 got 1"),
            (
                "{{slice \"abc\" 2 1}}",
                ":1:2: executing \"\" at <slice \"abc\" 2 1>: error calling slice: invalid slice index: 2 > 1"
            ),
        ] as [(String, String)]
    )
    func `a template that cannot be run says where`(template: String, message: String) {
        let error = #expect(throws: TemplateError.self) { try render(template) }
        #expect(error?.description == "template parsing error: template: \(message)")
    }

    @Test func `documents and maps know which of their keys are data`() throws {
        let document = TemplateValue.record(
            TemplateRecord(
                name: nil,
                [
                    ("Id", .text("sha256:1")),
                    (
                        "Config",
                        .record(
                            TemplateRecord(
                                name: nil,
                                [
                                    ("Labels", .labels(["b": "2", "a": "1"])), ("Entrypoint", .null(printedAs: "[]")),
                                    ("Healthcheck", .null(printedAs: "<nil>")),
                                ]
                            )
                        )
                    ),
                ]
            )
        )
        #expect(
            try render("{{.Config.Labels}} {{index .Config.Labels \"a\"}}{{index .Config.Labels \"x\"}}", document)
                == "map[a:1 b:2] 1"
        )
        #expect(
            try render("{{.Config.Labels.x}} {{.Config.Entrypoint}} {{.Config.Healthcheck}}", document)
                == "<no value> [] <nil>"
        )
        #expect(
            try render("{{json .Config.Entrypoint}} {{range $k, $v := .Config.Labels}}{{$k}}{{$v}} {{end}}", document)
                == "null a1 b2 "
        )
        let error = #expect(throws: TemplateError.self) { try render("{{.Nope}}", document) }
        #expect(error?.description.hasSuffix("at <.Nope>: map has no entry for key \"Nope\"") == true)
    }

    @Test func `JSON is Go's`() {
        let value = TemplateValue.record(
            TemplateRecord(
                name: nil,
                [
                    ("text", .text("<a&b>\"\\\n\u{1}\u{2028}é")),
                    ("list", .list([.integer(1), .number(1.5), .nothing])),
                    ("empty", .list([])), ("map", .labels(["k": "v"])),
                ]
            )
        )
        #expect(value.json() == #"{"text":"<a&b>\"\\\n\u0001\u2028é","list":[1,1.5,null],"empty":[],"map":{"k":"v"}}"#)
        #expect(
            value.indentedJSON().contains(
                "\n    \"list\": [\n        1,\n        1.5,\n        null\n    ],\n    \"empty\": [],\n"
            )
        )
    }
}
