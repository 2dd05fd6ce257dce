import LinuxSystem
import Proofs
import Testing
import Text

@Suite struct `Times in docker's flags` {
    private func moment(_ text: String) -> FileTime? {
        WrittenMoment(text).map { FileTime($0, now: FileTime(seconds: 1_700_000_000)) }
    }

    @Test(
        arguments: [
            ("1600000000", 1_600_000_000), ("0", 0), ("10m", 1_699_999_400), ("1h30m", 1_699_994_600),
            ("2021-03-04", 1_614_816_000), ("2021-03-04T03:24", 1_614_828_240),
            ("2021-03-04T03:24:42+01:00", 1_614_824_682), ("2021-03-04 03:24:42Z", 1_614_828_282),
        ] as [(String, Int64)]
    )
    func `are seconds since 1970, dates or a time ago`(text: String, seconds: Int64) {
        #expect(moment(text)?.seconds == seconds)
    }

    @Test(.proves("B9: logs --since and --until compare")) func `keep fractions of seconds`() {
        #expect(
            moment("1795872510.5") == FileTime(seconds: 1_795_872_510, nanoseconds: 500_000_000)
        )
        #expect(moment("1.5s") == FileTime(seconds: 1_699_999_998, nanoseconds: 500_000_000))
        let stamp = moment("2026-11-28T13:49:26.390000001Z")
        #expect(stamp == FileTime(seconds: 1_795_873_766, nanoseconds: 390_000_001))
    }

    @Test(arguments: ["1.x", "1.", "", "soon", "10x", "2021-03", "2021-13-01", "99999999999999999999h"])
    func `are refused where they are none of these`(text: String) {
        #expect(moment(text) == nil)
    }

    @Test(
        arguments: [
            (-1, "1969-12-31T23:59:59.999999999Z"), (0, "1970-01-01T00:00:00Z"),
            (1_500_000_000, "1970-01-01T00:00:01.5Z"), (951_782_400_000_000_000, "2000-02-29T00:00:00Z"),
        ] as [(Int64, String)]
    )
    func `nanoseconds before and after 1970 are written as Go writes them`(nanoseconds: Int64, text: String) {
        #expect(FileTime(nanosecondsSinceEpoch: nanoseconds).rfc3339 == text)
    }
}
