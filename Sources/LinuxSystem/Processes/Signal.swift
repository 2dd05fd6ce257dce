internal import Glibc

/// A signal by its number.
///
/// See signal(7).
package struct Signal: RawRepresentable, Sendable, Hashable {
    package let rawValue: CInt
    package init(rawValue: CInt) { self.rawValue = rawValue }

    package static let hangUp = Signal(rawValue: SIGHUP)
    package static let interrupt = Signal(rawValue: SIGINT)
    package static let quit = Signal(rawValue: SIGQUIT)
    package static let kill = Signal(rawValue: SIGKILL)
    package static let user1 = Signal(rawValue: SIGUSR1)
    package static let user2 = Signal(rawValue: SIGUSR2)
    package static let brokenPipe = Signal(rawValue: SIGPIPE)
    package static let terminate = Signal(rawValue: SIGTERM)
    package static let windowChange = Signal(rawValue: SIGWINCH)

    /// From 1 on; the numbers of x86 and ARM.
    private static let names = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
        "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
        "WINCH", "IO", "PWR", "SYS",
    ]
    private static let aliases = ["CLD": "CHLD", "IOT": "ABRT", "POLL": "IO"]
    /// What programs see of the real-time signals: the C library keeps two for itself.
    private static let realTime: ClosedRange<CInt> = 34...64
}

extension Signal: CustomStringConvertible {
    /// Reads a signal as `docker kill --signal` and STOPSIGNAL take it: a number, or a name in any case, with or without `SIG`.
    package init?(_ text: String) {
        if let number = CInt(text) {
            guard (1...Self.realTime.upperBound).contains(number) else { return nil }
            self.init(rawValue: number)
            return
        }
        var name = text.uppercased()
        if name.hasPrefix("SIG") { name.removeFirst(3) }
        name = Self.aliases[name] ?? name
        if let index = Self.names.firstIndex(of: name) {
            self.init(rawValue: CInt(index + 1))
        } else if let number = Self.realTimeNumber(name) {
            self.init(rawValue: number)
        } else {
            return nil
        }
    }

    /// `RTMIN`, `RTMIN+1` to `RTMIN+15`, `RTMAX-14` to `RTMAX-1`, `RTMAX`.
    private static func realTimeNumber(_ name: String) -> CInt? {
        func distance(after prefix: String, atMost limit: CInt) -> CInt? {
            guard name.hasPrefix(prefix) else { return nil }
            let digits = name.dropFirst(prefix.count)
            guard let number = CInt(digits), String(number) == digits else { return nil }
            return (1...limit).contains(number) ? number : nil
        }
        if name == "RTMIN" { return realTime.lowerBound }
        if name == "RTMAX" { return realTime.upperBound }
        if let distance = distance(after: "RTMIN+", atMost: 15) { return realTime.lowerBound + distance }
        return distance(after: "RTMAX-", atMost: 14).map { realTime.upperBound - $0 }
    }

    /// The name as kill(1) writes it, or the number of one that has none.
    package var description: String {
        if (1...Self.names.count).contains(Int(rawValue)) { return "SIG" + Self.names[Int(rawValue) - 1] }
        guard Self.realTime.contains(rawValue) else { return "\(rawValue)" }
        if rawValue == Self.realTime.lowerBound { return "SIGRTMIN" }
        if rawValue == Self.realTime.upperBound { return "SIGRTMAX" }
        let distance = rawValue - Self.realTime.lowerBound
        return distance <= 15 ? "SIGRTMIN+\(distance)" : "SIGRTMAX-\(Self.realTime.upperBound - rawValue)"
    }
}
