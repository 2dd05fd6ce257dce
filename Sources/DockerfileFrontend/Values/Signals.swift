/// Whether STOPSIGNAL may hold this: a number other than 0, or the name of a Linux signal with or without `SIG`.
func isSignal(_ text: String) -> Bool {
    if let number = Int(text) { return number != 0 }
    var name = text.uppercased()
    if name.hasPrefix("SIG") { name.removeFirst(3) }
    if signalNames.contains(name) { return true }
    for (prefix, limit) in [("RTMIN+", 15), ("RTMAX-", 14)] where name.hasPrefix(prefix) {
        let digits = name.dropFirst(prefix.count)
        guard let number = Int(digits), String(number) == digits else { return false }
        return (1...limit).contains(number)
    }
    return false
}

private let signalNames: Set<String> = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL",
    "PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1",
    "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
]
