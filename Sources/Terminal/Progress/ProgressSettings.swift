/// What the environment says of how progress looks; the variables are BuildKit's.
package struct ProgressSettings: Sendable, Hashable {
    package var colors = DisplayColors()
    /// How many lines of a step's log the terminal's display shows (`BUILDKIT_TTY_LOG_LINES`).
    package var logLines = TerminalDisplay.defaultLogLines
    /// Whether the plain display cuts long names of steps (`PROGRESS_NO_TRUNC=0`).
    package var cutsNames = false
    /// How long to wait between two drawings (`TTY_DISPLAY_RATE`, in milliseconds).
    package var interval = Duration.milliseconds(100)

    package init() {}

    /// What is not understood of a variable says nothing, as with BuildKit.
    package init(environment: [String: String]) {
        colors = DisplayColors(environment: environment)
        logLines = TerminalDisplay.logLines(environment: environment)
        cutsNames = environment["PROGRESS_NO_TRUNC"] == "0"
        if let rate = environment["TTY_DISPLAY_RATE"].flatMap({ Int64($0) }), rate > 0 {
            interval = .milliseconds(min(rate, 60_000))
        }
    }
}
