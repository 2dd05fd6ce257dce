internal import Glibc
internal import Text

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
}

extension Signal: CustomStringConvertible {
    /// Reads a signal as `docker kill --signal` and STOPSIGNAL take it: a number, or a name in any case, with or without `SIG`.
    package init?(_ text: String) {
        guard let number = CInt(text) ?? SignalNames.number(of: text), (1...SignalNames.highest).contains(number) else {
            return nil
        }
        self.init(rawValue: number)
    }

    /// The name as kill(1) writes it, or the number of one that has none.
    package var description: String { SignalNames.name(of: rawValue) ?? "\(rawValue)" }
}
