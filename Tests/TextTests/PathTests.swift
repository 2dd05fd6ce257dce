import Testing
import Text

@Suite struct `Paths as text` {
    @Test(arguments: [
        ("a//b/./c/", "a/b/c"), ("/a/../../b", "/b"), ("../a", "../a"), ("a/../..", ".."), ("", "."), ("/", "/"),
        ("/..", "/"),
    ])
    func `a cleaned path is Go's`(path: String, clean: String) {
        #expect(cleanedPath(bytes(path)) == bytes(clean))
    }

    @Test(arguments: [("/a//b/", "a/b"), ("../../a", "a"), ("a/../..", ""), ("/", ""), (".", ""), ("a/./b", "a/b")])
    func `a rooted path never leaves its root`(path: String, rooted: String) {
        #expect(rootedPath(bytes(path)) == bytes(rooted))
    }

    @Test(arguments: [
        ("a*c", "abc", true), ("a*c", "a/c", false), ("a**c", "a/c", false), ("[^a]b", "cb", true), ("?", "é", true),
        ("a\\*", "a*", true), ("a\\*", "ab", false),
    ])
    func `a glob stops at slashes, with two stars too`(pattern: String, name: String, matches: Bool) {
        #expect(GlobPattern(bytes(pattern))?.matches(bytes(name)) == matches)
    }

    @Test(arguments: ["[", "[]", "a\\", "[b-a]"]) func `a malformed glob is refused`(pattern: String) {
        #expect(GlobPattern(bytes(pattern)) == nil)
    }

    @Test(arguments: [("a*", true), ("a\\*", false), ("a/b[c]", true), ("plain", false)])
    func `a backslash takes a wildcard away`(path: String, isPattern: Bool) {
        #expect(GlobPattern.isPattern(bytes(path)) == isPattern)
    }
}
