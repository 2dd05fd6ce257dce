import OCI
import Testing

@Suite struct `Image references` {
    @Test(arguments: [
        ("python", "docker.io/library/python", "python"),
        ("python:3-alpine", "docker.io/library/python:3-alpine", "python:3-alpine"),
        ("me/app", "docker.io/me/app", "me/app"),
        ("localhost/app:1", "localhost/app:1", "localhost/app:1"),
        ("localhost:5000/a/b:x", "localhost:5000/a/b:x", "localhost:5000/a/b:x"),
        ("index.docker.io/library/x", "docker.io/library/x", "x"),
        ("a__b/c-d.e", "docker.io/a__b/c-d.e", "a__b/c-d.e"),
    ])
    func `are read as docker reads them`(text: String, full: String, familiar: String) throws {
        let reference = try ImageReference(parsing: text)
        #expect(reference.description == full)
        #expect(reference.familiar == familiar)
    }

    @Test(arguments: ["docker.io/example.com/app:1", "docker.io/localhost/app", "docker.io/a.b/c/d"])
    func `keep Docker Hub's host where the rest would name another`(text: String) throws {
        let reference = try ImageReference(parsing: text)
        #expect(reference.familiar == text)
        #expect(try ImageReference(parsing: reference.familiar) == reference)
    }

    @Test(arguments: [
        "", "Python", "a//b", "a:", "a:-x", "a@sha256:1", "-a", "a_", "a___b", "a b", "a\r\nb", "ⓚ/x", "a:\u{301}x",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    ])
    func `outside the grammar are refused`(text: String) {
        #expect(throws: OCIError.self) { try ImageReference(parsing: text) }
    }

    @Test func `an upper-case repository is named in the error`() throws {
        let error = #expect(throws: OCIError.self) { try ImageReference(parsing: "MyImage") }
        #expect(error?.description.contains("repository name (MyImage) must be lowercase") == true)
    }
}
