import Testing
import Text

/// Bytes written as text: what the literals mean, and what they refuse.
@Suite struct `Byte literals` {
    @Test func `a character is its ASCII byte`() {
        let slash: UInt8 = "/"
        #expect(slash == 0x2f)
        #expect([0x41, 0x42].firstIndex(of: "B" as UInt8) == 1)
        let letters: ClosedRange<UInt8> = "a"..."z"
        #expect(letters.contains(0x61) && letters.contains(0x7a) && !letters.contains(0x60) && !letters.contains(0x7b))
    }

    @Test func `a character matches as a case, alone and in a range`() {
        func kind(_ byte: UInt8) -> String {
            switch byte {
            case "/": "slash"
            case "0"..."9": "digit"
            default: "other"
            }
        }
        let first: UInt8? = 0x2f
        if case "/" = first {} else { Issue.record("an optional byte is matched too") }
        #expect(kind(0x2f) == "slash" && kind(0x30) == "digit" && kind(0x39) == "digit")
        #expect(kind(0x3a) == "other")
    }

    @Test func `a character beyond ASCII stops the program instead of becoming another byte`() async {
        await #expect(processExitsWith: .failure) {
            let byte: UInt8 = "é"
            _ = byte
        }
    }

    @Test func `text is its UTF-8 bytes, also beyond ASCII`() {
        let text: [UInt8] = "aé\0"
        #expect(text == [0x61, 0xc3, 0xa9, 0])
        #expect(("" as [UInt8]).isEmpty)
        #expect(("x" as [UInt8]) == [0x78] && ("é" as [UInt8]) == [0xc3, 0xa9])
        #expect(("e\u{301}" as [UInt8]) == [0x65, 0xcc, 0x81])
    }

    @Test func `text that Swift's String takes for equal stays different`() {
        let composed: [UInt8] = "é"
        let decomposed: [UInt8] = "e\u{301}"
        #expect("é" == "e\u{301}" && composed != decomposed)
    }

    @Test func `arrays and slices are compared and joined with literals`() {
        let path: [UInt8] = [0x2f, 0x78]
        #expect(path == "/x" && path != "/y" && path[1...] == "x" && path.suffix(1) != "y")
        #expect(path + ".lock" == "/x.lock" && "." + path == "./x")
        var longer = path
        longer += "/y"
        #expect(longer == "/x/y" && ["/x", "y"] == [path, [0x79]])
    }

    @Test func `the beginning is compared with a literal`() {
        let variable: [UInt8] = "PATH=/bin"
        #expect(variable.starts(with: "PATH=") && variable.starts(with: "") && variable[5...].starts(with: "/bin"))
        #expect(!variable.starts(with: "PATH=/bin/") && !variable.starts(with: "path="))
    }

    @Test func `interpolation keeps bytes that are not UTF-8, and writes numbers in digits`() {
        let name: [UInt8] = [0xff, 0x2f]
        let text = "né"
        let line: [UInt8] = "\(name)=\(text) \(-7)\(name[1...])"
        #expect(line == [0xff, 0x2f, 0x3d, 0x6e, 0xc3, 0xa9, 0x20, 0x2d, 0x37, 0x2f])
    }
}
