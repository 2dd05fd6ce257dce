import GoTemplate
import LinuxSystem
import Testing
import Text

@testable import Terminal

@Suite struct `Times` {
    @Test(
        arguments: [
            (0, "Less than a second"), (1, "1 second"), (59, "59 seconds"), (60, "About a minute"),
            (119, "About a minute"),
            (120, "2 minutes"), (3599, "59 minutes"), (3600, "About an hour"), (5399, "About an hour"),
            (5400, "2 hours"),
            (47 * 3600, "47 hours"), (48 * 3600, "2 days"), (13 * 86_400, "13 days"), (14 * 86_400, "2 weeks"),
            (59 * 86_400, "8 weeks"), (60 * 86_400, "2 months"), (729 * 86_400, "24 months"), (730 * 86_400, "2 years"),
        ] as [(Int64, String)]
    )
    func `rough lengths`(seconds: Int64, text: String) {
        #expect(DurationText.rough(seconds: seconds) == text)
    }

    @Test(
        arguments: [
            ("2021-03-04T02:24:42Z", 1_614_824_682, 0), ("2021-03-04T03:24:42.5+01:00", 1_614_824_682, 500_000_000),
            ("2021-03-04", 1_614_816_000, 0), ("1970-01-01T00:00:00.000000001Z", 0, 1),
            ("2021-03-04T03:24", 1_614_828_240, 0),
            ("0001-01-01T00:00:00Z", -62_135_596_800, 0),
        ] as [(String, Int64, Int32)]
    )
    func `RFC 3339 is read`(text: String, seconds: Int64, nanoseconds: Int32) {
        #expect(FileTime(partOfRFC3339: text) == FileTime(seconds: seconds, nanoseconds: nanoseconds))
    }

    @Test(arguments: ["", "yesterday", "2021-13-01", "2021-03-04T25:00", "2021-03-04T03:24:42+1", "2021-03-04x"])
    func `anything but a time is refused`(text: String) {
        #expect(FileTime(partOfRFC3339: text) == nil)
    }

    @Test func `times are written as they are read`() {
        let time = FileTime(seconds: 1_614_824_682, nanoseconds: 120_000_000)
        #expect(time.rfc3339 == "2021-03-04T02:24:42.12Z")
        #expect(time.withNanoseconds == "2021-03-04T02:24:42.120000000")
        #expect(FileTime(rfc3339: time.rfc3339) == time)
    }
}

@Suite struct `Tables` {
    @Test func `columns are as wide as their widest cell and three`() {
        var table = TextTable()
        table.append(["NAME", "DESCRIPTION", "ERROR"])
        table.append(["default *", "Current", ""])
        #expect(table.rendered() == "NAME        DESCRIPTION   ERROR\ndefault *   Current       \n")
    }

    @Test func `columns are at least ten wide`() {
        var table = TextTable()
        table.append(["NAME", "ID"])
        table.append(["a", "b"])
        #expect(table.rendered() == "NAME      ID\na         b\n")
    }

    private static let columns = [Listing.Column("Name", "NAME"), Listing.Column("Size", "SIZE")]

    private func list(_ format: String?) throws -> String {
        try Listing(
            ListingFormat(format, columns: Self.columns),
            type: "*formatter.imageContext",
            headers: ["Name": "NAME", "Size": "SIZE"]
        ).render([
            (["Name": .text("a"), "Size": .text("1kB")], ["Label": { "<\($0[0])>" }]),
            (["Name": .text("bb"), "Size": .text("2kB")], ["Label": { "<\($0[0])>" }]),
        ])
    }

    @Test(
        arguments: [
            (nil, "NAME      SIZE\na         1kB\nbb        2kB\n"),
            ("table", "NAME      SIZE\na         1kB\nbb        2kB\n"),
            ("table {{.Size}}\\t{{.Name}}", "SIZE      NAME\n1kB       a\n2kB       bb\n"),
            ("{{.Name}}\\t{{.Size}}", "a\t1kB\nbb\t2kB\n"),
            ("json", "{\"Name\":\"a\",\"Size\":\"1kB\"}\n{\"Name\":\"bb\",\"Size\":\"2kB\"}\n"),
            ("{{json .}}", "{\"Name\":\"a\",\"Size\":\"1kB\"}\n{\"Name\":\"bb\",\"Size\":\"2kB\"}\n"),
            ("table {{.Label \"com.example.my-key\"}}", "MY KEY\n<com.example.my-key>\n<com.example.my-key>\n"),
        ] as [(String?, String)] as [(String?, String)]
    )
    func `formats`(format: String?, text: String) throws {
        #expect(try list(format) == text)
    }
}

@Suite struct `Completion scripts` {
    @Test func `ask the program and hold no list`() {
        for script in [CompletionScripts.bash, CompletionScripts.zsh, CompletionScripts.fish] {
            #expect(script.contains("slipway __complete --"))
            #expect(!script.contains("images"))
        }
    }
}
