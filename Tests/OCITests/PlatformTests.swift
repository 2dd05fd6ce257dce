import OCI
import Testing

@Suite struct `Platforms` {
    @Test(
        arguments: [
            ("linux/amd64", "linux/amd64", nil), ("linux/aarch64", "linux/arm64", nil),
            ("linux/arm", "linux/arm/v7", nil),
            ("windows(10.0.17763)/amd64", "windows(10.0.17763)/amd64", "10.0.17763"),
            ("Windows(10.0.A)/x86_64/v2", "windows(10.0.A)/amd64/v2", "10.0.A"),
        ] as [(String, String, String?)]
    )
    func `are read with the version of the system, and written with it`(
        text: String,
        written: String,
        version: String?
    ) throws {
        let platform = try Platform(parsing: text)
        #expect(platform.description == written)
        #expect(platform.osVersion == version)
    }

    @Test(arguments: [
        "", "/", "linux/", "a/b/c/d", "linux/amd64(1)", "windows()/amd64", "windows(1/amd64", "windows)1(/amd64",
        "windows(1)(2)/amd64", "windows(a b)/amd64", "(1)/amd64",
    ])
    func `are refused where a part is malformed`(text: String) {
        #expect(throws: OCIError.self) { try Platform(parsing: text) }
    }

    @Test(arguments: [("linux/", ""), ("linux/a b", "a b"), ("*", "*")])
    func `are refused with the part that is malformed`(text: String, part: String) {
        let error = #expect(throws: OCIError.self) { try Platform(parsing: text) }
        #expect(error?.description.contains("\"\(part)\" is an invalid component of \"\(text)\"") == true)
    }

    @Test func `of Windows are for one version where one is asked for`() throws {
        func platform(_ text: String) throws -> Platform { try Platform(parsing: text) }
        let old = try platform("windows(10.0.1)/amd64")
        let new = try platform("windows(10.0.2)/amd64")
        let any = try platform("windows/amd64")
        #expect(old.accepts(old) && !old.accepts(new) && any.accepts(new) && new.accepts(any))
        #expect(try platform("linux(1)/amd64").accepts(platform("linux(2)/amd64")))
    }
}
