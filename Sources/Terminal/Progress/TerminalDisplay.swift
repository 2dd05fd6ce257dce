package import BuildGraph

/// Progress drawn in place on a terminal: BuildKit's look.
///
///     [+] Building 4.2s (5/9)
///      => CACHED [1/3] FROM docker.io/library/python:3-alpine          0.0s
///      => [2/3] RUN make                                               1.3s
///      => => # the last lines of its output
package struct TerminalDisplay: ProgressDisplay {
    /// How many lines of a step's log are shown, where `BUILDKIT_TTY_LOG_LINES` does not say.
    package static let defaultLogLines = 6

    /// What the terminal shows of a step beside its trace.
    private struct Drawing {
        var screen: LogScreen
        var logBytes = 0
        /// How often its log was shown: others get their turn.
        var timesShown = 0
    }

    /// One line of the display.
    private struct Row {
        var text: String
        var count = ""
        var seconds: Double
        var isCompleted: Bool
        var color: String
        /// The step whose log may follow.
        var step: Int?
        var showsLog = false
    }

    private let phase: String
    private let colors: DisplayColors
    private let logLines: Int
    private var trace = ProgressTrace(tail: LogTail(lineLimit: 10_000, byteLimit: 256 << 10))
    private var drawings: [Int: Drawing] = [:]
    private var drawnLines = 0

    package let pendingBytes = 0

    /// - Parameters:
    ///   - colors: The colours of finished steps.
    ///   - phase: What is going on, as the first line says.
    ///   - logLines: How many lines of a step's log are shown.
    package init(
        colors: DisplayColors = DisplayColors(),
        phase: String = "Building",
        logLines: Int = TerminalDisplay.defaultLogLines
    ) {
        self.colors = colors
        self.logLines = logLines
        self.phase = phase
    }

    /// What `BUILDKIT_TTY_LOG_LINES` says; what is no positive number says nothing, as with BuildKit.
    package static func logLines(environment: [String: String]) -> Int {
        guard let value = environment["BUILDKIT_TTY_LOG_LINES"].flatMap({ Int($0) }), value > 0 else {
            return defaultLogLines
        }
        return min(value, 1000)
    }

    package mutating func update(_ event: ProgressEvent, at moment: DisplayMoment) {
        switch trace.take(event) {
        case .log(let number, let data, _):
            drawings[number, default: Drawing(screen: LogScreen(height: logLines))].screen.append(data)
            drawings[number]?.logBytes += data.count
        case .step, .status, .warning, .nothing: break
        }
    }

    package mutating func refresh(at moment: DisplayMoment) -> [UInt8] { Array(frame(moment, isLast: false).utf8) }

    package mutating func finish(at moment: DisplayMoment) -> [UInt8] {
        Array((frame(moment, isLast: true) + trace.errorLogs()).utf8)
    }
}

extension TerminalDisplay {
    private mutating func frame(_ moment: DisplayMoment, isLast: Bool) -> String {
        var rows = rows(at: moment.now)
        chooseLogs(&rows, height: moment.height)
        if !isLast {
            let logCount = rows.reduce(0) { $0 + ($1.showsLog ? logLines(of: $1.step).count : 0) }
            rows = fitting(rows, into: moment.height - 2 - logCount)
        }
        var lines = [clipped(header(at: moment, isLast: isLast), to: moment.width)]
        for row in rows {
            guard let line = text(of: row, width: moment.width) else { continue }
            lines.append(line)
            guard row.showsLog, let step = row.step else { continue }
            for log in logLines(of: step) {
                let text = clipped(" => => # \(log)", to: max(0, moment.width - 1))
                lines.append(colors.faint.isEmpty ? text : "\(colors.faint)\(text)\u{1b}[0m")
            }
            drawings[step]?.timesShown += 1
        }
        // The cursor goes up to the first line drawn last time; each line ends by erasing what was right of it.
        let up = drawnLines > 0 ? "\u{1b}[\(drawnLines)A" : ""
        drawnLines = lines.count
        let body = lines.map { $0 + "\u{1b}[K\n" }.joined()
        return "\u{1b}[?25l\(up)\r\(body)\u{1b}[J\u{1b}[?25h"
    }

    private func header(at moment: DisplayMoment, isLast: Bool) -> String {
        let (done, total) = (trace.completedCount, trace.steps.count)
        let seconds = moment.now.seconds(since: trace.firstStart ?? moment.now)
        let state = isLast && done > 0 && done == total ? " FINISHED" : ""
        return "[+] \(phase) \(fixedPoint(seconds, decimals: 1))s (\(done)/\(total))\(state)"
    }

    private func rows(at now: Timestamp) -> [Row] {
        trace.started.flatMap { number -> [Row] in
            let step = trace.steps[number]
            let name = safeText(step.progress.name).replacing("\t", with: " ")
            var first = Row(
                text: name,
                seconds: step.seconds(at: now),
                isCompleted: step.isCompleted,
                color: colors.run,
                step: number
            )
            if step.progress.isCanceled {
                first.text = "CANCELED \(name)"
                first.color = colors.cancel
            } else if step.hasFailed {
                first.text = "ERROR \(name)"
                first.color = colors.error
            }
            if step.progress.cached { first.text = "CACHED \(first.text)" }
            let counters = step.statuses.map { status in
                Row(
                    text: "=> \(safeText(status.id))",
                    count: progressCount(status.current, of: status.total),
                    seconds: (status.completed ?? now).seconds(since: status.started ?? now),
                    isCompleted: status.completed != nil || step.isCompleted,
                    color: colors.run
                )
            }
            let warnings = step.warnings.map { warning in
                Row(
                    text: "WARN: \(safeText(warning.short))",
                    seconds: step.seconds(at: now),
                    isCompleted: true,
                    color: colors.warning
                )
            }
            return [first] + counters + warnings
        }
    }

    private func logLines(of step: Int?) -> [String] { step.flatMap { drawings[$0]?.screen.lines } ?? [] }

    /// Shows the log of the running steps that say most, as far as there is room.
    private func chooseLogs(_ rows: inout [Row], height: Int) {
        let logRoom = logLines + 3
        var free = height - 2 - rows.count { !$0.isCompleted }
        func weight(_ drawing: Drawing) -> Int { drawing.logBytes + drawing.timesShown * 50 }
        let candidates = rows.indices.filter { index in
            !rows[index].isCompleted && rows[index].step.flatMap { drawings[$0] } != nil
        }.sorted { left, right in
            let weights = [left, right].map { index in rows[index].step.flatMap { drawings[$0] }.map(weight) ?? 0 }
            return weights[0] > weights[1]
        }
        for candidate in candidates where free > logRoom {
            rows[candidate].showsLog = true
            free -= logRoom
        }
    }

    /// The last rows that fit; rows of running steps that would be cut off take the place of completed ones.
    private func fitting(_ rows: [Row], into limit: Int) -> [Row] {
        if rows.count <= limit { return rows }
        if limit <= 0 { return [] }
        let hidden = rows.dropLast(limit).filter { !$0.isCompleted }
        var replaceable = hidden.count
        let kept = rows.suffix(limit).filter { row in
            if row.isCompleted, replaceable > 0 {
                replaceable -= 1
                return false
            }
            return true
        }
        return hidden.suffix(limit - kept.count) + kept
    }

    /// The line of a row, or nil if the terminal is too narrow for it to say anything.
    private func text(of row: Row, width: Int) -> String? {
        let timer = "\(fixedPoint(row.seconds < 0.05 ? 0 : row.seconds, decimals: 1))s"
        let prefix = " => "
        var left = width - prefix.count - timer.count - 3
        var count = ""
        if !row.count.isEmpty, left + row.count.count > 20 {
            count = " " + row.count
            left -= count.count
        }
        if left < 12 { return nil }
        let text = prefix + clipped(row.text, to: left) + count
        let line = padded(text, to: width - timer.count - 2) + " " + timer
        if !row.isCompleted || row.color.isEmpty { return line }
        return "\(row.color)\(line)\u{1b}[0m"
    }
}
