/// How a process ended.
package enum ExitStatus: Sendable, Hashable {
    case exited(code: CInt)
    case signaled(Signal)

    package var isSuccess: Bool { self == .exited(code: 0) }

    /// The number that a shell gives: the exit code, or 128 and the signal.
    package var shellCode: CInt {
        switch self {
        case .exited(let code): code
        case .signaled(let signal): 128 + signal.rawValue
        }
    }

    /// From the fields of `siginfo_t`.
    ///
    /// See waitid(2).
    init(code: CInt, status: CInt) {
        self = code == 1 ? .exited(code: status) : .signaled(Signal(rawValue: status))
    }
}
