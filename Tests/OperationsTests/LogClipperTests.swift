import Operations
import Proofs
import Testing
import Text

/// How the output of a step is cut; the texts are BuildKit's.
@Suite struct `Logs of steps` {
    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test func `are whole without limits`() {
        var clipper = LogClipper(LogLimits())
        let much = [UInt8](repeating: 0x61, count: 8 << 20)
        #expect(clipper.take(much, after: 0) == much)
        #expect(clipper.take(much, after: 0.5) == much)
        #expect(clipper.finish() == [])
    }

    @Test(.proves("Environment variables of progress and logs"))
    func `end where their size does, and their last words come at the end`() {
        var clipper = LogClipper(LogLimits(size: 6))
        #expect(text(clipper.take("four", after: 0)) == "four")
        #expect(text(clipper.take("five5", after: 0)) == "fi\n[output clipped, log limit 6B reached]\n")
        #expect(text(clipper.take("more", after: 60)) == "")
        #expect(text(clipper.finish()) == "ve5more")
    }

    @Test func `of endless output keep a quarter of a mebibyte of the end`() {
        var clipper = LogClipper(LogLimits(size: 0))
        for piece in 0..<1000 { _ = clipper.take([UInt8](repeating: UInt8(piece % 251), count: 4096), after: 1) }
        let end = clipper.finish()
        #expect(end.count == 256 << 10)
        #expect(end.last == UInt8(999 % 251))
    }

    @Test(.proves("Environment variables of progress and logs")) func `go on when their speed allows it`() {
        var clipper = LogClipper(LogLimits(speed: 2048))
        let second = [UInt8](repeating: 0x61, count: 2048)
        #expect(clipper.take(second, after: 0.2) == second)
        #expect(text(clipper.take([0x62], after: 0.9)) == "\n[output clipped, log limit 2KiB/s reached]\n")
        #expect(clipper.take([0x63], after: 1.1) == [0x63])
        #expect(clipper.finish() == [], "what came late is all there")
    }

    @Test(arguments: [(2 << 20, "2MiB"), (1536, "1.5KiB"), (1000, "1000B"), (5 << 30, "5GiB")])
    func `name the limit in its largest unit`(size: Int, name: String) {
        // The speed does not fit a number of bytes after two seconds: the size counts.
        var full = LogClipper(LogLimits(size: size, speed: .max))
        // Reached piece by piece: no test wants to hold that much.
        var shown: [UInt8] = []
        let piece = [UInt8](repeating: 0x61, count: min(size + 1, 64 << 20))
        for _ in 0...(size / piece.count) { shown = full.take(piece, after: 3) }
        #expect(text(shown.suffix(60)).hasSuffix("\n[output clipped, log limit \(name) reached]\n"))
    }
}
