import LinuxSystem
import SystemPackage
import Testing
import Text

/// Signals as docker's flags and STOPSIGNAL write them.
@Suite struct `Signals` {
    @Test(arguments: [
        ("9", 9), ("64", 64), ("KILL", 9), ("SIGKILL", 9), ("sigterm", 15), ("Usr1", 10), ("CLD", 17), ("SIGIOT", 6),
        ("POLL", 29), ("SIGSYS", 31), ("SIGRTMIN", 34), ("SIGRTMIN+3", 37), ("RTMIN+15", 49), ("RTMAX-14", 50),
        ("SIGRTMAX", 64),
    ])
    func `a signal is read by name or number`(_ text: String, _ number: CInt) {
        #expect(Signal(text)?.rawValue == number)
    }

    @Test(arguments: ["", "0", "-9", "65", "SIG", "NOTHING", "RTMIN+0", "RTMIN+16", "RTMIN+03", "RTMAX-15", "RTMAX-+1"])
    func `anything but a signal is refused`(_ text: String) { #expect(Signal(text) == nil) }

    @Test func `every signal is read again as it is printed`() {
        for number in CInt(1)...64 {
            let signal = Signal(rawValue: number)
            #expect(Signal(signal.description) == signal, "\(signal)")
        }
        #expect(Signal.windowChange.description == "SIGWINCH" && Signal.terminate.description == "SIGTERM")
        #expect(Signal(rawValue: 37).description == "SIGRTMIN+3" && Signal(rawValue: 32).description == "32")
    }

    @Test func `writing to a pipe without a reader is an error, not the end of the process`() async throws {
        // The end to read from is closed, as nothing refers to it.
        let pipe = try makePipe().writing
        let error = await #expect(throws: SystemCallError.self) {
            try await onBlockingPool { try pipe.write("lost") }
        }
        #expect(error?.errno == .brokenPipe)
    }
}
