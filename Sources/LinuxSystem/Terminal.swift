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

    /// The size of the terminal a descriptor leads to; nil where it leads to none. See ioctl_tty(2).
    package init?(of descriptor: CInt) {
        var rows: UInt16 = 0
        var columns: UInt16 = 0
        guard slipway_terminal_size(descriptor, &rows, &columns) == 0 else { return nil }
        self.init(rows: rows, columns: columns)
    }
}

/// Whether a descriptor leads to a terminal. See isatty(3).
package func isTerminal(_ descriptor: CInt) -> Bool { isatty(descriptor) == 1 }

/// The controlling side of a terminal that a program on the other side takes for a real one. See pty(7).
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
        return (PseudoTerminal(file), try OpenFile.open(FilePath(platformString: name), O_RDWR | O_NOCTTY))
    }

    /// What the program writes; ends when nobody has the other side open.
    package func makeReader() throws(SystemCallError) -> ByteReader { try ByteReader(file.duplicate()) }

    /// What the program reads.
    package func makeWriter() throws(SystemCallError) -> ByteWriter { try ByteWriter(file.duplicate()) }

    /// Sets its size; the program gets SIGWINCH. See ioctl_tty(2).
    package func resize(_ size: TerminalSize) throws(SystemCallError) {
        _ = try retryingSystemCall("ioctl TIOCSWINSZ", path: file.path) {
            slipway_set_terminal_size(file.descriptor, size.rows, size.columns)
        }
    }
}

/// The settings of a user's terminal, to be put back. See termios(3).
package struct TerminalSettings: Sendable {
    private let descriptor: CInt
    private let saved: termios

    /// Lets every byte typed pass through unseen by the terminal itself: no echo, no lines, no Ctrl-C.
    /// - Returns: what to put back; nil where the descriptor leads to no terminal.
    package static func enterRawMode(_ descriptor: CInt) -> TerminalSettings? {
        var settings = termios()
        guard tcgetattr(descriptor, &settings) == 0 else { return nil }
        let saved = settings
        cfmakeraw(&settings)
        guard tcsetattr(descriptor, TCSANOW, &settings) == 0 else { return nil }
        return TerminalSettings(descriptor: descriptor, saved: saved)
    }

    /// Puts the settings back.
    package func restore() {
        var settings = saved
        tcsetattr(descriptor, TCSADRAIN, &settings)
    }
}
