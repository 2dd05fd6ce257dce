package import BuildGraph

/// Progress as lines of text that follow one another, for logs and pipes: BuildKit's plain format.
///
///     #5 [2/3] RUN make
///     #5 0.123 a line of its output
///     #5 DONE 1.4s
///
/// One step is shown at a time; when another one takes over, the first is left with `#5 ...`. A completed step is shown at once. The
/// step shown keeps the floor for a while, longer if it has much to say; one that waited ten seconds gets it.
package struct PlainDisplay: ProgressDisplay {
    /// A step's share in being shown.
    private struct Line {
        /// The number it is shown under; 0 until it is shown.
        var index = 0
        var pending = PendingLines()
        var changedStatuses: [String] = []
        var shownStatuses: [String: (current: Int64, timestamp: Timestamp)] = [:]
        var shownWarnings = 0
        var isEnded = false
        /// How much happened since it had the floor, and since when.
        var count = 0
        var waitsSince: Timestamp?
    }

    private var trace = ProgressTrace(tail: LogTail(lineLimit: 10, byteLimit: 64 << 10))
    private var lines: [Int: Line] = [:]
    /// The steps with something new.
    private var updated: Set<Int> = []
    private var current: Int?
    private var lastIndex = 0
    private var output = ""

    package private(set) var pendingBytes = 0

    private let cutsNames: Bool

    /// - Parameter cutsNames: Whether of a long name only the beginning is shown.
    package init(cutsNames: Bool = false) { self.cutsNames = cutsNames }

    package mutating func update(_ event: ProgressEvent, at moment: DisplayMoment) {
        let number: Int
        switch trace.take(event) {
        case .nothing: return
        case .step(let step), .warning(let step): number = step
        case .status(let step, let id):
            number = step
            if lines[step, default: Line()].changedStatuses.contains(id) { break }
            lines[step, default: Line()].changedStatuses.append(id)
        case .log(let step, let data, let seconds):
            number = step
            pendingBytes += data.count
            lines[step, default: Line()].pending.append(data, at: seconds)
        }
        var line = lines[number] ?? Line()
        if line.count == 0 { line.waitsSince = moment.now }
        line.count += 1
        lines[number] = line
        updated.insert(number)
    }

    package mutating func refresh(at moment: DisplayMoment) -> [UInt8] {
        choose(moment.now)
        return taken()
    }

    package mutating func finish(at moment: DisplayMoment) -> [UInt8] {
        choose(moment.now)
        for number in updated.sorted() { show(number, isLast: true) }
        if let current, lines[current]?.pending.isContinued == true { output += "\n" }
        output += trace.errorLogs()
        return taken()
    }

    private mutating func taken() -> [UInt8] {
        defer {
            output = ""
            pendingBytes = 0
        }
        return Array(output.utf8)
    }
}

extension PlainDisplay {
    private static let antiFlicker = 5.0
    private static let longestWait = 10.0

    /// Shows the steps whose turn it is.
    private mutating func choose(_ now: Timestamp) {
        let before = current
        let completed = updated.filter { trace.steps[$0].isCompleted }.sorted {
            let (left, right) = (trace.steps[$0].progress, trace.steps[$1].progress)
            return (left.completed ?? now, $0) < (right.completed ?? now, $1)
        }
        if let before, completed.contains(before) { show(before) }
        for number in completed where number != before { show(number) }

        var rest = updated.filter { !trace.steps[$0].isCompleted }
        if rest.isEmpty {
            if let before, trace.steps[before].isStarted, !trace.steps[before].isCompleted { return }
            if let open = trace.started.first(where: { !trace.steps[$0].isCompleted }) { show(open) }
            return
        }
        if let before, rest.contains(before) { show(before) }
        if let before { rest.insert(before) }
        chooseNext(among: rest, before, isFree: before.map { completed.contains($0) } ?? true, now)
    }

    /// Shows the most talkative step if the floor is free or was kept long enough, or one that has waited too long.
    private mutating func chooseNext(among rest: Set<Int>, _ before: Int?, isFree: Bool, _ now: Timestamp) {
        var speeds: [(number: Int, speed: Double, waited: Double)] = []
        for number in rest.sorted() {
            guard let line = lines[number], let since = line.waitsSince else { continue }
            let waited = now.seconds(since: since)
            speeds.append((number, waited > 0 ? Double(line.count) / waited : Double(line.count) * 1e9, waited))
        }
        let late = speeds.first { $0.waited > Self.longestWait && $0.number != before }
        guard let next = late ?? speeds.max(by: { $0.speed < $1.speed }) else { return }
        if isFree || late != nil {
            if !trace.steps[next.number].isCompleted { show(next.number) }
            return
        }
        guard let mine = speeds.first(where: { $0.number == before }) else { return }
        let total = speeds.reduce(0) { $0 + $1.speed }
        let others = total > 0 ? 1 - mine.speed / total : 0
        if others > 0, Self.antiFlicker / others < mine.waited { show(next.number) }
    }

    /// Writes what is new of one step.
    private mutating func show(_ number: Int, isLast: Bool = false) {
        var line = lines[number] ?? Line()
        let step = trace.steps[number]
        if line.index == 0 {
            lastIndex += 1
            line.index = lastIndex
        }
        let prefix = "#\(line.index) "
        if current != number {
            leaveCurrent()
            output += prefix + shown(step.progress.name) + "\n"
        }
        showStatuses(of: step, &line, prefix)
        for warning in step.warnings[line.shownWarnings...] { output += "\(prefix)WARN: \(safeText(warning.short))\n" }
        line.shownWarnings = step.warnings.count
        output += line.pending.take(prefix: prefix, isLast: isLast || step.isCompleted)
        current = number
        if step.isCompleted {
            if !line.isEnded { output += ending(of: step, prefix) }
            line.isEnded = true
            line.count = 0
            current = nil
        }
        lines[number] = line
        updated.remove(number)
    }

    private static let nameLimit = 72

    /// A name as a line of its own; of characters that the limit would split the beginning is not shown.
    private func shown(_ name: String) -> String {
        guard cutsNames, name.utf8.count > Self.nameLimit else { return safeText(name) }
        var kept = String.UnicodeScalarView()
        var bytes = 0
        for scalar in name.unicodeScalars {
            bytes += UTF8.width(scalar)
            if bytes > Self.nameLimit { break }
            kept.append(scalar)
        }
        return safeText(String(kept)) + "..."
    }

    private mutating func leaveCurrent() {
        if let current, var line = lines[current] {
            if line.pending.isContinued { output += "\n" }
            line.pending.isContinued = false
            line.count = 0
            output += "#\(line.index) ...\n"
            lines[current] = line
        }
        if lastIndex > 1 || !output.isEmpty || current != nil { output += "\n" }
    }

    private mutating func showStatuses(of step: ProgressTrace.Step, _ line: inout Line, _ prefix: String) {
        for id in line.changedStatuses {
            guard let status = step.places[id].map({ step.statuses[$0] }) else { continue }
            if let last = line.shownStatuses[id], status.completed == nil {
                let progress = status.total > 0 ? Double(status.current &- last.current) / Double(status.total) : 0
                if progress < 0.05, status.timestamp.seconds(since: last.timestamp) < 5 { continue }
            }
            line.shownStatuses[id] = (status.current, status.timestamp)
            var text = safeText(id)
            let count = progressCount(status.current, of: status.total)
            if !count.isEmpty { text += " " + count }
            if let started = status.started {
                let seconds = (status.completed ?? status.timestamp).seconds(since: started)
                if seconds > 0.01 { text += " \(fixedPoint(seconds, decimals: 1))s" }
            }
            if status.completed != nil { text += " done" }
            if line.pending.isContinued { output += "\n" }
            line.pending.isContinued = false
            output += prefix + text + "\n"
        }
        line.changedStatuses = []
    }

    private func ending(of step: ProgressTrace.Step, _ prefix: String) -> String {
        if let error = step.progress.error {
            return step.progress.isCanceled ? "\(prefix)CANCELED\n" : "\(prefix)ERROR: \(safeText(error))\n"
        }
        if step.progress.cached { return "\(prefix)CACHED\n" }
        let seconds = step.seconds(at: step.progress.completed ?? Timestamp(nanoseconds: 0))
        return "\(prefix)DONE \(fixedPoint(seconds, decimals: 1))s\n"
    }
}
