package import BuildGraph

/// How a build shows its progress (`--progress`).
package enum ProgressMode: String, Sendable, Hashable, CaseIterable {
    case auto, plain, tty, quiet, rawjson, none

    /// The display of this mode.
    ///
    /// `auto` is the terminal's if there is one.
    /// - Parameters:
    ///   - isTerminal: Whether the output is a terminal.
    ///   - settings: What the environment says of the look.
    /// - Returns: A display that has seen nothing yet.
    package func display(isTerminal: Bool, _ settings: ProgressSettings) -> any ProgressDisplay {
        switch self {
        case .auto where isTerminal, .tty: TerminalDisplay(colors: settings.colors, logLines: settings.logLines)
        case .auto, .plain: PlainDisplay(cutsNames: settings.cutsNames)
        case .rawjson: JSONDisplay()
        case .quiet, .none: QuietDisplay()
        }
    }
}

/// Turns progress events into what is written to a terminal or a file.
///
/// It has no clock and writes nothing itself.
package protocol ProgressDisplay: Sendable {
    /// Takes an event in; what it looks like comes with the next refresh.
    mutating func update(_ event: ProgressEvent, at moment: DisplayMoment)

    /// What is to be written now.
    mutating func refresh(at moment: DisplayMoment) -> [UInt8]

    /// What is to be written at the end, after all events.
    mutating func finish(at moment: DisplayMoment) -> [UInt8]

    /// How many bytes of output wait for the next refresh, roughly.
    var pendingBytes: Int { get }
}

/// When a display is asked for its output, and how much room there is.
package struct DisplayMoment: Sendable, Hashable {
    package let now: Timestamp
    /// Columns of the terminal.
    package let width: Int
    /// Lines of the terminal.
    package let height: Int

    package init(now: Timestamp, width: Int = 80, height: Int = 10) {
        self.now = now
        self.width = max(0, width)
        self.height = max(0, height)
    }
}

/// Shows nothing.
package struct QuietDisplay: ProgressDisplay {
    package init() {}
    package mutating func update(_ event: ProgressEvent, at moment: DisplayMoment) {}
    package mutating func refresh(at moment: DisplayMoment) -> [UInt8] { [] }
    package mutating func finish(at moment: DisplayMoment) -> [UInt8] { [] }
    package var pendingBytes: Int { 0 }
}
