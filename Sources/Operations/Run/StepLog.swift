import BuildGraph
import Synchronization
import Text

/// How much of a step's output is shown.
///
/// BuildKit has 2 MiB for each stream of a step and 200 KiB a second where nobody says otherwise. Slipway has no limits then:
/// nothing stores its logs, and a display that is slower than a step makes the step wait.
package struct LogLimits: Sendable, Hashable {
    /// Bytes of each stream; nil for no limit.
    package var size: Int?
    /// Bytes of each stream for every second that has begun since the step did; nil for no limit.
    package var speed: Int?

    package init(size: Int? = nil, speed: Int? = nil) {
        self.size = size
        self.speed = speed
    }
}

/// Cuts one stream of a step to what the limits leave of it, and keeps the end of what it cut off.
package struct LogClipper: Sendable {
    private static let tailLimit = 256 << 10

    private let limits: LogLimits
    private var seen = 0
    private var isClipping = false
    private var tail: [UInt8] = []

    package init(_ limits: LogLimits) { self.limits = limits }

    /// What is shown of output that came `seconds` after the step began: its beginning, and once where it is cut that it is.
    package mutating func take(_ bytes: [UInt8], after seconds: Double) -> [UInt8] {
        let (room, limit) = room(after: seconds)
        let count = min(bytes.count, max(0, room - seen))
        seen += bytes.count
        if count == bytes.count {
            isClipping = false
            tail = []
            return bytes
        }
        tail += bytes[count...]
        // Not at every piece: then each byte would be moved for each piece that follows.
        if tail.count > 2 * Self.tailLimit { tail.removeFirst(tail.count - Self.tailLimit) }
        if isClipping { return Array(bytes[..<count]) }
        isClipping = true
        return Array(bytes[..<count]) + "\n[output clipped, log limit \(limit) reached]\n"
    }

    /// The end of what was not shown, when nothing more comes: what a step says last is what it failed of.
    package mutating func finish() -> [UInt8] {
        defer { tail = [] }
        return tail.suffix(Self.tailLimit)
    }

    /// How many bytes may have been shown by now, and the limit that says so.
    private func room(after seconds: Double) -> (bytes: Int, limit: String) {
        let size = limits.size ?? .max
        guard let speed = limits.speed else { return (size, Self.text(size)) }
        // Go's clock too is past the first instant at the first byte.
        let begun = Int(max(1, seconds.rounded(.up)))
        let (allowed, isHuge) = begun.multipliedReportingOverflow(by: speed)
        return isHuge || allowed > size ? (size, Self.text(size)) : (allowed, Self.text(speed) + "/s")
    }

    /// A number of bytes in the largest unit that it has one of: `2MiB`.
    private static func text(_ count: Int) -> String {
        var (value, unit) = (Double(count), 0)
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        while value >= 1024, unit < units.count - 1 { (value, unit) = (value / 1024, unit + 1) }
        let number = "\(value)"
        return (number.hasSuffix(".0") ? String(number.dropLast(2)) : number) + units[unit]
    }
}

/// The output of a step's process on its way to the display.
final class StepLog: Sendable {
    private let context: OperationContext
    private let limits: LogLimits
    private let started: Timestamp
    private let clippers = Mutex<[VertexLog.Stream: LogClipper]>([:])

    init(_ limits: LogLimits, _ context: OperationContext) {
        self.context = context
        self.limits = limits
        started = context.now()
    }

    func write(_ bytes: [UInt8], _ stream: VertexLog.Stream) async {
        guard limits != LogLimits() else { return await context.log(bytes, stream: stream) }
        let seconds = context.now().seconds(since: started)
        let shown = clippers.withLock { $0[stream, default: LogClipper(limits)].take(bytes, after: seconds) }
        if !shown.isEmpty { await context.log(shown, stream: stream) }
    }

    /// Shows what is left to show; the process has ended.
    func finish() async {
        for stream in [VertexLog.Stream.output, .error] {
            let rest = clippers.withLock { $0[stream]?.finish() ?? [] }
            if !rest.isEmpty { await context.log(rest, stream: stream) }
        }
    }
}
