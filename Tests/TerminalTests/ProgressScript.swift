import BuildGraph
import OCI

/// A made-up build, told event by event.
struct ProgressScript {
    /// What happens, and when, in seconds.
    var events: [(time: Double, event: ProgressEvent)] = []

    static func time(_ seconds: Double) -> Timestamp {
        Timestamp(nanoseconds: 1_700_000_000_000_000_000).advanced(by: seconds)
    }

    static func digest(_ name: String) -> Digest { Digest.sha256(of: Array(name.utf8)) }

    mutating func announce(_ names: String...) {
        for name in names { events.append((0, .vertex(VertexProgress(digest: Self.digest(name), name: name)))) }
    }

    mutating func start(_ name: String, _ time: Double) {
        let vertex = VertexProgress(digest: Self.digest(name), name: name, started: Self.time(time))
        events.append((time, .vertex(vertex)))
    }

    mutating func complete(
        _ name: String,
        _ start: Double,
        _ end: Double,
        cached: Bool = false,
        error: String? = nil
    ) {
        let vertex = VertexProgress(
            digest: Self.digest(name),
            name: name,
            started: Self.time(start),
            completed: Self.time(end),
            cached: cached,
            error: error
        )
        events.append((end, .vertex(vertex)))
    }

    mutating func log(_ name: String, _ time: Double, _ text: String) {
        let log = VertexLog(
            vertex: Self.digest(name),
            stream: .output,
            data: Array(text.utf8),
            timestamp: Self.time(time)
        )
        events.append((time, .log(log)))
    }

    mutating func status(
        _ name: String,
        _ id: String,
        _ time: Double,
        current: Int64 = 0,
        total: Int64 = 0,
        started: Double,
        completed: Double? = nil
    ) {
        let status = VertexStatus(
            id: id,
            vertex: Self.digest(name),
            current: current,
            total: total,
            timestamp: Self.time(time),
            started: Self.time(started),
            completed: completed.map(Self.time)
        )
        events.append((time, .status(status)))
    }

    mutating func warn(_ name: String, _ time: Double, _ short: String) {
        events.append((time, .warning(VertexWarning(vertex: Self.digest(name), short: short))))
    }
}
