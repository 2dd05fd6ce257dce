import Testing
import Text

@Suite struct `Sizes` {
    @Test(
        arguments: [
            (0, "0B"), (1, "1B"), (999, "999B"), (1000, "1kB"), (1024, "1.02kB"), (13_256, "13.3kB"),
            (1_090_000, "1.09MB"),
            (7_340_000, "7.34MB"), (124_000_000, "124MB"), (1_000_000_000, "1GB"), (1_236_000_000, "1.24GB"),
            (999_900, "1e+03kB"), (999_400, "999kB"),
        ] as [(Int64, String)]
    )
    func `three digits in listings`(size: Int64, text: String) {
        #expect(ByteCount.decimal(size, digits: 3) == text)
    }

    @Test(
        arguments: [(0, "0B"), (1_234_567, "1.235MB"), (212_300_000, "212.3MB"), (999_950, "1000kB")]
            as [(Int64, String)]
    )
    func `four digits in totals`(size: Int64, text: String) {
        #expect(ByteCount.decimal(size, digits: 4) == text)
    }

    @Test func `binary units`() {
        #expect(ByteCount.binary(1536) == "1.5KiB" && ByteCount.binary(8_589_934_592) == "8GiB")
    }

    @Test(
        arguments: [
            (1.0, "1"), (0.1, "0.1"), (1e21, "1e+21"), (1e20, "1e+20"), (123_456, "123456"),
            (1_234_567, "1.234567e+06"), (0.00001, "1e-05"), (-2.5, "-2.5"),
        ] as [(Double, String)]
    )
    func `floats print as short as they can`(number: Double, text: String) {
        #expect(GoNumbers.shortest(number) == text)
    }
}

@Suite struct `Quantities` {
    @Test(arguments: [
        ("1", 1), ("1k", 1024), ("1.5kb", 1536), ("2MiB", 2 << 20), ("1 g", 1 << 30), ("1x", nil), ("", nil),
        ("1kk", nil), ("1ki", nil), ("1kib", 1024),
        ("99999999999g", nil),
    ])
    func `sizes have units of 1024`(text: String, expected: Int64?) {
        #expect(parsedByteCount(text) == expected)
    }

    @Test(arguments: [
        ("0", 0, "0s"), ("1ns", 1, "1ns"), ("1.5us", 1_500, "1.5µs"), ("2ms", 2_000_000, "2ms"),
        ("1.5s", 1_500_000_000, "1.5s"), ("90s", 90_000_000_000, "1m30s"), ("1h0.5s", 3_600_500_000_000, "1h0m0.5s"),
        ("100h", 360_000_000_000_000, "100h0m0s"), ("-1s", -1_000_000_000, "-1s"),
    ])
    func `durations are Go's`(text: String, nanoseconds: Int64, shown: String) {
        #expect(parsedDuration(bytes(text)) == nanoseconds)
        #expect(durationText(nanoseconds) == shown)
    }

    @Test(arguments: ["", "1", "s", "1x", ".s", "1s1", "9999999999h", "1 s", "--1s"])
    func `a malformed duration is refused`(text: String) {
        #expect(parsedDuration(bytes(text)) == nil)
    }
}
