/// The names of Linux's signals, as `docker kill --signal` and STOPSIGNAL take them.
package enum SignalNames {
    /// From 1 on; the numbers of x86 and ARM.
    private static let names = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
        "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
        "WINCH", "IO", "PWR", "SYS",
    ]
    private static let aliases = ["CLD": "CHLD", "IOT": "ABRT", "POLL": "IO"]
    /// What programs see of the real-time signals: the C library keeps two for itself.
    private static let realTime: ClosedRange<CInt> = 34...64

    /// The highest number that a signal has.
    package static var highest: CInt { realTime.upperBound }

    /// The signal that a name stands for, in any case, with or without `SIG`; nil for anything else, numbers among it.
    package static func number(of name: String) -> CInt? {
        var name = name.uppercased()
        if name.hasPrefix("SIG") { name.removeFirst(3) }
        name = aliases[name] ?? name
        return names.firstIndex(of: name).map { CInt($0 + 1) } ?? realTimeNumber(name)
    }

    /// The name as kill(1) writes it; nil for a signal that has none.
    package static func name(of number: CInt) -> String? {
        if (1...names.count).contains(Int(number)) { return "SIG" + names[Int(number) - 1] }
        guard realTime.contains(number) else { return nil }
        if number == realTime.lowerBound { return "SIGRTMIN" }
        if number == realTime.upperBound { return "SIGRTMAX" }
        let distance = number - realTime.lowerBound
        return distance <= 15 ? "SIGRTMIN+\(distance)" : "SIGRTMAX-\(realTime.upperBound - number)"
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
}
