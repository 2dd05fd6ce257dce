import OCI
import Proofs
import Testing

@Suite struct `Credentials in text` {
    @Test(
        .proves("A7: passwords in addresses in excerpts"),
        arguments: [
            ("http://user:pass@host/x", "http://xxxxx:xxxxx@host/x"),
            ("https://token@host/x", "https://xxxxx@host/x"),
            ("a http://u:p@h/ b https://u:p@h c", "a http://xxxxx:xxxxx@h/ b https://xxxxx:xxxxx@h c"),
            ("ADD [\"http://u:p@h/x\",\"/y\"]", "ADD [\"http://xxxxx:xxxxx@h/x\",\"/y\"]"),
            ("http://u:p@ss@h/x@y", "http://xxxxx:xxxxx@h/x@y"), ("http://u:@h", "http://xxxxx:xxxxx@h"),
            ("ssh://git:pass@h/x", "ssh://xxxxx:xxxxx@h/x"), ("socks5://u:p@h:1", "socks5://xxxxx:xxxxx@h:1"),
            ("HTTP_PROXY=http://u:p@proxy:3128\nnext", "HTTP_PROXY=http://xxxxx:xxxxx@proxy:3128\nnext"),
        ]
    ) func `are masked as BuildKit masks them`(text: String, masked: String) {
        #expect(withoutCredentials(text) == masked)
        #expect(withoutCredentials(Array(text.utf8)) == Array(masked.utf8))
        #expect(withoutCredentials(masked) == masked)
    }

    @Test(arguments: [
        "", ":", "://", "http://", "http://host/a@b", "http://host?a=b:c@d", "ssh://git@host/x", "git@host:x", "a:b@c",
        "http://host http://other@", "user:pass@host",
    ]) func `are not found in an address without them`(text: String) {
        // A web address with a name alone is masked; the last one has no host but a name.
        let expected = text == "http://host http://other@" ? "http://host http://xxxxx@" : text
        #expect(withoutCredentials(text) == expected)
    }
}
