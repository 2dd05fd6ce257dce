import Testing

@testable import Containers

@Suite struct `Detach keys` {
    @Test func `keys are characters and control characters`() throws {
        #expect(try DetachKeys(parsing: "ctrl-p,ctrl-q") == .standard)
        #expect(try DetachKeys(parsing: "a,ctrl-@,ctrl-[,ctrl-_,DEL").bytes == [0x61, 0, 0x1b, 0x1f, 0x7f])
        for text in ["ctrl-1", "ctrl-A", "ctrl-", "ab", "a,,b", ""] {
            #expect(throws: ContainerError.invalidDetachKeys(text)) { try DetachKeys(parsing: text) }
        }
    }

    /// What passes of pieces typed one after another, and whether the last of them completes the keys.
    private func scan(_ keys: String, _ pieces: String...) throws -> (passed: String, isComplete: Bool) {
        var scanner = DetachScanner(try DetachKeys(parsing: keys))
        var passed: [UInt8] = []
        for piece in pieces {
            let (bytes, isComplete) = scanner.scan(Array(piece.utf8))
            passed += bytes
            if isComplete { return (String(decoding: passed, as: UTF8.self), true) }
        }
        return (String(decoding: passed, as: UTF8.self), false)
    }

    @Test func `keys are found across pieces, and what only begins like them passes`() throws {
        #expect(try scan("x,y", "axb", "cx", "y") == ("axbc", true))
        #expect(try scan("x,y", "xxy") == ("x", true))
        #expect(try scan("x,y", "x", "z") == ("xz", false))
        #expect(try scan("x,x,y", "xxay") == ("xxay", false))
    }

    @Test func `without keys everything passes`() {
        var scanner = DetachScanner(nil)
        let (passed, isComplete) = scanner.scan([0x10, 0x11])
        #expect(passed == [0x10, 0x11] && !isComplete)
    }
}
