import BuildGraph
import LLB
import OCI
import Testing

@testable import Operations

/// Each field of a source is in its key, or on a list here with the reason why it is not.
///
/// A field that is added to a source and to neither fails these tests.
@Suite struct `Cache keys of sources` {
    private func fields(of value: Any) -> Set<String> { Set(Mirror(reflecting: value).children.compactMap(\.label)) }

    @Test func `every field of a file of a web server is in the key or left out for a reason`() {
        var source = HTTPSource(url: bytes("http://example.org/a"))
        source.checksum = Digest.sha256(of: bytes("content"))
        source.file.name = bytes("a")
        func key(_ change: (inout HTTPSource) -> Void = { _ in }) -> [KeyComponent] {
            var changed = source
            change(&changed)
            return HTTPOperation.key(of: changed, found: nil)
        }
        let keyed: [String: (inout HTTPSource) -> Void] = [
            "checksum": { $0.checksum = Digest.sha256(of: bytes("other")) },
            "file": { $0.file.name = bytes("b") },
        ]
        let keyedOfFile: [String: (inout SourceFile) -> Void] = [
            "name": { $0.name = bytes("b") },
            "permissions": { $0.permissions = 0o644 },
            "user": { $0.user = 1 },
            "group": { $0.group = 1 },
        ]
        let leftOut: [String: (inout HTTPSource) -> Void] = [
            // The content and the name of the file stand for the address.
            "url": { $0.url = bytes("http://example.com/a") },
            // What proves the user, and what is sent beside it, decide whether the content comes, not what it is.
            "authorizationSecret": { $0.authorizationSecret = bytes("s") },
            "headers": { $0.headers = ["Accept": bytes("x")] },
            // It is checked each time.
            "signature": { $0.signature = HTTPSource.Signature(bytes("s"), by: bytes("k")) },
        ]
        for (field, change) in keyed { #expect(key(change) != key(), "\(field) is not in the key") }
        for (field, change) in keyedOfFile {
            #expect(key { change(&$0.file) } != key(), "\(field) of the file is not in the key")
        }
        #expect(fields(of: source.file) == Set(keyedOfFile.keys))
        for (field, change) in leftOut { #expect(key(change) == key(), "\(field) is in the key") }
        #expect(fields(of: source) == Set(keyed.keys).union(leftOut.keys))
    }

    @Test func `every field of a repository is in the key or left out for a reason`() throws {
        let remote = try #require(GitRemote(parsing: bytes("https://example.org/a.git")))
        let other = try #require(GitRemote(parsing: bytes("https://example.com/b.git")))
        let commit = String(repeating: "a", count: 40)
        let blob = "docker-image+blob://example.org/a@\(Digest.sha256(of: bytes("bundle")))"
        let bundle = try ImageBlobSource(Source(identifier: bytes(blob), attributes: [:]))
        func key(_ change: (inout GitSource) -> Void = { _ in }) -> [KeyComponent] {
            var source = GitSource(remote: remote)
            change(&source)
            return GitOperation.key(of: source, commit: commit, reference: bytes("refs/heads/main"))
        }
        let keyed: [String: (inout GitSource) -> Void] = [
            "subdirectory": { $0.subdirectory = bytes("d") },
            "keepsGitDirectory": { $0.keepsGitDirectory = true },
            "skipsSubmodules": { $0.skipsSubmodules = true },
            "hasCheckoutTimes": { $0.hasCheckoutTimes = true },
            "makesBundle": { $0.makesBundle = true },
        ]
        let leftOut: [String: (inout GitSource) -> Void] = [
            // The commit stands for where it is and by which name it was found.
            "remote": { $0.remote = other },
            "reference": { $0.reference = bytes("v1") },
            "checksum": { $0.checksum = bytes("aaaa") },
            "bundle": { $0.bundle = bundle },
            // What proves the user or the server decides whether the commit comes, not what it is.
            "tokenSecret": { $0.tokenSecret = bytes("s") },
            "authorizationSecret": { $0.authorizationSecret = bytes("s") },
            "agent": { $0.agent = bytes("a") },
            "knownHosts": { $0.knownHosts = bytes("h") },
            // It is checked each time.
            "signing": { $0.signing = GitSource.Signing(publicKeys: bytes("k")) },
        ]
        for (field, change) in keyed { #expect(key(change) != key(), "\(field) is not in the key") }
        for (field, change) in leftOut { #expect(key(change) == key(), "\(field) is in the key") }
        #expect(fields(of: GitSource(remote: remote)) == Set(keyed.keys).union(leftOut.keys))
        var kept = GitSource(remote: remote)
        kept.keepsGitDirectory = true
        // What .git says of itself.
        #expect(
            GitOperation.key(of: kept, commit: commit, reference: bytes("refs/heads/main"))
                != GitOperation.key(of: kept, commit: commit, reference: bytes("refs/tags/v1"))
        )
        #expect(
            GitOperation.key(of: kept, commit: commit, reference: nil)
                != GitOperation.key(of: kept, commit: String(repeating: "b", count: 40), reference: nil)
        )
    }

    @Test func `every field of an image is in the key or left out for a reason`() throws {
        let digest = Digest.sha256(of: bytes("image"))
        let name = try ImageReference(parsing: "example.org/a:1")
        func key(_ reference: ImageReference, _ platform: Platform = .current) -> [KeyComponent] {
            ImageOperation.key(of: reference, platform: platform)
        }
        #expect(key(name) != key(try ImageReference(parsing: "example.org/a:2")))
        #expect(key(name) != key(name, Platform(os: "linux", architecture: "s390x")))
        #expect(key(name.replacing(digest: digest)) != key(name.replacing(digest: Digest.sha256(of: bytes("other")))))
        // The same image under another name is the same image; so is one in a layout of the client's.
        #expect(key(name.replacing(digest: digest)) == key(try ImageReference(parsing: "b").replacing(digest: digest)))
    }

    @Test func `a directory of the client is known by its files alone`() {
        // Its name tells directories apart within one build. Patterns and paths decide which files there are, and those are in
        // the keys of what uses them; so is what is there of a file that came without its content. The hint, the session and how a
        // copy is compared only say where files come from and what is sent again.
        #expect(
            fields(of: LocalSource(name: bytes("context")))
                == [
                    "name", "includePatterns", "excludePatterns", "followPaths", "sharedKeyHint", "session",
                    "comparesMetadata", "metadataExceptions",
                ]
        )
    }
}
