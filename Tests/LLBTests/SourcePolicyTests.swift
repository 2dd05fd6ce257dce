import LLB
import Testing

/// Policies as BuildKit's tools write them.
@Suite struct `Source policies` {
    private func evaluate(_ policies: [String], _ identifier: String, _ attributes: [String: String] = [:]) throws
        -> (identifier: String, attributes: [String: String])
    {
        let source = Source(
            identifier: Array(identifier.utf8),
            attributes: attributes.mapValues { Array($0.utf8) }
        )
        let result = try SourcePolicy.evaluate(policies.map { try SourcePolicy(json: Array($0.utf8)) }, source)
        return (
            String(decoding: result.identifier, as: UTF8.self),
            result.attributes.mapValues { String(decoding: $0, as: UTF8.self) }
        )
    }

    private func policy(_ rules: String...) -> String { "{\"rules\": [\(rules.joined(separator: ", "))]}" }

    private func rule(_ action: String, _ identifier: String, _ more: String = "") -> String {
        "{\"action\": \"\(action)\", \"selector\": {\"identifier\": \"\(identifier)\"\(more)}}"
    }

    private let image = "docker-image://docker.io/library/alpine:3"

    @Test func `of the rules that allow or deny a source the last one holds`() throws {
        let denied = policy(rule("ALLOW", image), rule("DENY", "docker-image://*"))
        #expect(throws: SourcePolicyError.denied(Array(image.utf8))) { try evaluate([denied], image) }
        let allowed = policy(rule("DENY", "*"), rule("ALLOW", "docker-image://docker.io/*"))
        #expect(try evaluate([allowed], image).identifier == image)
        #expect(throws: SourcePolicyError.self) { try evaluate([allowed], "https://example.com/x") }
        #expect(throws: SourcePolicyError.self) { try evaluate([allowed, denied], image) }
    }

    @Test(arguments: [
        (
            "docker-image://docker.io/library/*:*", "WILDCARD", "docker-image://mirror/${1}@${2}",
            "docker-image://mirror/alpine@3"
        ),
        ("docker-image://docker.io/library/alpine:3", "EXACT", "docker-image://other:$1", "docker-image://other:$1"),
        (
            #"^docker-image://docker\\.io/(.*):3$"#, "REGEX", "docker-image://r/$1:4",
            "docker-image://r/library/alpine:4"
        ),
        (
            "docker-image://docker.io/library/alpine", "EXACT", "docker-image://never",
            "docker-image://docker.io/library/alpine:3"
        ),
    ])
    func `a source is changed to what its rule says`(
        selector: String,
        kind: String,
        update: String,
        expected: String
    ) throws {
        let rule = """
            {"action": "CONVERT", "selector": {"identifier": "\(selector)", "matchType": "\(kind)"},
             "updates": {"identifier": "\(update)", "attrs": {"key": "value"}}}
            """
        let result = try evaluate([policy(rule)], image)
        #expect(result.identifier == expected)
        #expect(result.attributes == (expected == image ? [:] : ["key": "value"]))
    }

    @Test func `a source that was changed is judged again, and not for ever`() throws {
        let convert = """
            {"action": "CONVERT", "selector": {"identifier": "\(image)"}, "updates": {"identifier": "https://a/b"}}
            """
        #expect(throws: SourcePolicyError.denied(Array("https://a/b".utf8))) {
            try evaluate([policy(convert), policy(rule("DENY", "https://a/b"))], image)
        }
        let back = """
            {"action": "CONVERT", "selector": {"identifier": "https://a/b"}, "updates": {"identifier": "\(image)"}}
            """
        #expect(throws: SourcePolicyError.self) { try evaluate([policy(convert, back)], image) }
    }

    @Test(arguments: [
        ("EQUAL", "1", true), ("EQUAL", "2", false), ("NOTEQUAL", "1", false), ("MATCHES", "^[0-9]$", true),
    ])
    func `constraints look at attributes`(condition: String, value: String, matches: Bool) throws {
        let constraint = """
            , "constraints": [{"key": "k", "value": "\(value)", "condition": "\(condition)"}]
            """
        let denial = policy(rule("DENY", "*", constraint))
        if matches {
            #expect(throws: SourcePolicyError.self) { try evaluate([denial], image, ["k": "1"]) }
        } else {
            #expect(try evaluate([denial], image, ["k": "1"]).identifier == image)
        }
    }

    @Test(arguments: [
        #"{"rules": [{"action": "CONVERT"}]}"#, "nothing",
        #"{"rules": [{"action": "DENY", "selector": {"identifier": "(", "matchType": "REGEX"}}]}"#,
        #"{"rules": [{"action": "DENY", "selector": {"identifier": "a**"}}]}"#,
    ])
    func `policies that make no sense are refused`(text: String) {
        #expect(throws: SourcePolicyError.self) { try SourcePolicy(json: Array(text.utf8)) }
    }

    @Test func `the directory of a repository is judged by the name that it comes to`() throws {
        let denial = policy(rule("DENY", "git://github.com/user/repo.git#main:a/b"))
        #expect(throws: SourcePolicyError.self) {
            let source = Source(identifier: Array("git://github.com/user/repo.git#main:../a/./c/../b".utf8))
            return try SourcePolicy.evaluate([SourcePolicy(json: Array(denial.utf8))], source.normalized)
        }
    }
}
