import LLB
import Testing

@testable import RemoteSources

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

@Suite struct `What servers say` {
    @Test(
        arguments: [
            ("attachment; filename=a.txt", "a.txt"), ("attachment; filename=\"a b.txt\"; size=3", "a b.txt"),
            ("attachment; filename=\"x;y\\\"z\"", "x;y\"z"), ("attachment; FILENAME*=UTF-8''a%20%C3%A9", "a é"),
            ("inline; filename=plain; filename*=UTF-8''better", "better"),
            ("attachment; filename=\"../../etc/passwd\"", "passwd"),
            ("attachment; filename=\"..\"", nil), ("attachment; filename=\"a/\"", "a"), ("attachment", nil),
            ("attachment; filename=\"\"", nil), ("attachment; filename=\"a\u{0}b\"", nil), ("", nil), (";;=;", nil),
        ] as [(String, String?)]
    )
    func `file names are last components`(header: String, name: String?) {
        #expect(fileName(inDisposition: header) == name.map(bytes))
    }

    private static let main = String(repeating: "a", count: 40)
    private static let tag = String(repeating: "b", count: 40)
    private static let commit = String(repeating: "c", count: 40)

    @Test(
        arguments: [
            ("v1", tag + "\trefs/tags/v1\n" + commit + "\trefs/tags/v1^{}\n", commit, "refs/tags/v1"),
            ("v1", main + "\trefs/heads/v1\n" + commit + "\trefs/tags/v1\n", main, "refs/heads/v1"),
            ("v1", main + "\trefs/heads/other/v1\n", nil, nil),
            ("tags/v1", main + "\trefs/heads/v1\n" + commit + "\trefs/tags/v1\n", commit, "refs/tags/v1"),
            ("refs/heads/v1", main + "\trefs/heads/v1\n" + commit + "\trefs/tags/v1\n", main, "refs/heads/v1"),
            ("HEAD", main + "\tHEAD\n", main, "HEAD"),
            ("HEAD", "ref: refs/heads/trunk\tHEAD\n" + main + "\tHEAD\n", main, "refs/heads/trunk"),
            ("x", "--upload-pack=x\trefs/heads/x\n", nil, nil),
            ("x", "", nil, nil),
        ] as [(String, String, String?, String?)]
    )
    func `a name means a branch before a tag, and of a tag the commit`(
        name: String,
        list: String,
        id: String?,
        reference: String?
    ) {
        let commit = GitRepositories.choose(bytes(name), from: bytes(list))
        #expect(commit?.id == id)
        #expect(commit?.reference == reference.map(bytes))
    }

    @Test(arguments: [
        "-x", "--upload-pack=touch x", "a b", "a\nb", "a..b", "a~1", "a^", "a:b", "a*", "a?", "[a", "a\\b", "/a", "a/",
        "a//b",
        ".a", "a/.b", "a.lock", "a.lock/b", "a.", "a@{1}", "@", "", "a\u{7f}",
    ])
    func `anything but the name of a reference is not given to git`(name: String) {
        #expect(!GitRepositories.isReference(bytes(name)))
    }

    @Test(arguments: ["main", "feature/a-b", "v1.2.3", "refs/pull/1/merge", "é"])
    func `names of references are taken`(name: String) {
        #expect(GitRepositories.isReference(bytes(name)))
    }
}
