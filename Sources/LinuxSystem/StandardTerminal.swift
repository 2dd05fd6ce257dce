internal import CLinux
internal import Glibc
internal import SystemPackage

/// Questions about a terminal, by descriptor.
package enum StandardTerminal {
    /// Whether the descriptor is a terminal. See isatty(3).
    package static func isTerminal(_ descriptor: CInt) -> Bool { isatty(descriptor) == 1 }

    /// Its size in characters; nil where it is no terminal or does not know. See ioctl_tty(2).
    package static func size(_ descriptor: CInt) -> (columns: Int, rows: Int)? {
        var columns: CUnsignedShort = 0
        var rows: CUnsignedShort = 0
        guard slipway_window_size(descriptor, &columns, &rows) == 0, columns > 0, rows > 0 else { return nil }
        return (Int(columns), Int(rows))
    }
}

/// The settings of a terminal. See termios(3).
package struct TerminalModes: Sendable {
    private var raw: termios

    /// The settings now in force.
    /// - Throws: `SystemCallError`, with `ENOTTY` where the descriptor is no terminal.
    package init(of descriptor: CInt) throws(SystemCallError) {
        var raw = termios()
        _ = try retryingSystemCall("tcgetattr") { tcgetattr(descriptor, &raw) }
        self.raw = raw
    }

    /// The same, but what is typed is not shown.
    package var withoutEcho: TerminalModes {
        var settings = self
        settings.raw.c_lflag &= ~tcflag_t(ECHO)
        settings.raw.c_lflag |= tcflag_t(ECHONL)
        return settings
    }

    /// Puts the settings in force.
    package func apply(to descriptor: CInt) throws(SystemCallError) {
        var raw = raw
        _ = try retryingSystemCall("tcsetattr") { tcsetattr(descriptor, TCSADRAIN, &raw) }
    }
}
