internal import CLinux
internal import Glibc
internal import SystemPackage

/// How large a terminal is, in characters.
package struct TerminalSize: Sendable, Hashable {
    package var rows: UInt16
    package var columns: UInt16

    package init(rows: UInt16, columns: UInt16) {
        self.rows = rows
        self.columns = columns
    }

    /// The size of the terminal a descriptor leads to; nil where it leads to none, or to one that does not know.
    ///
    /// See ioctl_tty(2).
    package init?(of descriptor: CInt) {
        var rows: UInt16 = 0
        var columns: UInt16 = 0
        guard slipway_terminal_size(descriptor, &rows, &columns) == 0, rows > 0, columns > 0 else {
            return nil
        }
        self.init(rows: rows, columns: columns)
    }
}

/// Whether a descriptor leads to a terminal.
///
/// See isatty(3).
package func isTerminal(_ descriptor: CInt) -> Bool { isatty(descriptor) == 1 }

/// The controlling side of a terminal that a program on the other side takes for a real one.
///
/// See pty(7).
package struct PseudoTerminal: Sendable {
    private let file: OpenFile

    /// Takes the controlling side.
    package init(_ file: OpenFile) { self.file = file }

    /// Makes a terminal, and opens its other side for a child process.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func make() throws(SystemCallError) -> (terminal: PseudoTerminal, device: OpenFile) {
        var name = [CChar](repeating: 0, count: 64)
        let descriptor = try retryingSystemCall("posix_openpt") { slipway_open_terminal(&name, name.count) }
        let file = OpenFile(owning: descriptor, path: "/dev/ptmx")
        return (
            PseudoTerminal(file),
            try OpenFile.open(FilePath(platformString: name), [.readWrite, .noControllingTerminal])
        )
    }

    /// What the program writes; ends when nobody has the other side open.
    package func makeReader() throws(SystemCallError) -> ByteReader { try ByteReader(file.duplicate()) }

    /// What the program reads.
    package func makeWriter() throws(SystemCallError) -> ByteWriter { try ByteWriter(file.duplicate()) }

    /// A second handle of the controlling side, for another process.
    package func duplicate() throws(SystemCallError) -> OpenFile { try file.duplicate() }

    /// Sets its size, of which the program is told by SIGWINCH: ioctl_tty(2).
    package func resize(_ size: TerminalSize) throws(SystemCallError) {
        _ = try retryingSystemCall("ioctl TIOCSWINSZ", path: file.path) {
            slipway_set_terminal_size(file.descriptor, size.rows, size.columns)
        }
    }
}

/// The settings of a terminal.
///
/// See termios(3).
package struct TerminalModes: Sendable {
    private var raw: termios

    /// The settings now in force; nil where the descriptor leads to no terminal.
    package init?(of descriptor: CInt) {
        var raw = termios()
        guard tcgetattr(descriptor, &raw) == 0 else { return nil }
        self.raw = raw
    }

    /// The same, but what is typed is not shown.
    package var withoutEcho: TerminalModes {
        var settings = self
        settings.raw.c_lflag &= ~tcflag_t(ECHO)
        settings.raw.c_lflag |= tcflag_t(ECHONL)
        return settings
    }

    /// The same, but every byte typed passes through unseen by the terminal itself: no echo, no lines, no Ctrl-C.
    package var unprocessed: TerminalModes {
        var settings = self
        cfmakeraw(&settings.raw)
        return settings
    }

    /// Puts the settings in force.
    package func apply(to descriptor: CInt) throws(SystemCallError) {
        var raw = raw
        _ = try retryingSystemCall("tcsetattr") { tcsetattr(descriptor, TCSADRAIN, &raw) }
    }
}
