package import LinuxSystem
package import OCI

/// What an operation has of its surroundings: which vertex it works for, the time, and where its progress goes.
package struct OperationContext: Sendable {
    /// The digest of the vertex.
    package let vertex: Digest
    /// The name of the vertex.
    package let name: String
    /// The time now.
    package let now: @Sendable () -> Timestamp

    /// What `correct` was told.
    let corrections = ContentCorrections()
    private let post: @Sendable (ProgressEvent) -> Void
    private let send: @Sendable (ProgressEvent) async -> Void

    /// - Parameters:
    ///   - vertex: The digest of the vertex.
    ///   - name: The name of the vertex.
    ///   - now: The clock.
    ///   - post: Takes an event at once.
    ///   - send: Takes an event, and may wait for the display to follow.
    package init(
        vertex: Digest,
        name: String,
        now: @escaping @Sendable () -> Timestamp,
        post: @escaping @Sendable (ProgressEvent) -> Void,
        send: @escaping @Sendable (ProgressEvent) async -> Void
    ) {
        self.vertex = vertex
        self.name = name
        self.now = now
        self.post = post
        self.send = send
    }

    /// Says that an input held something else when it was used than when its content key was computed.
    ///
    /// Called before `run` returns. The result is kept under the key that follows from this one.
    package func correct(_ key: ContentKey, ofInput input: Int) { corrections.note(key, ofInput: input) }

    /// Passes on output of the step's process.
    ///
    /// Waits while the display is behind, so that output is never buffered without limit.
    package func log(_ data: [UInt8], stream: VertexLog.Stream = .output) async {
        await send(.log(VertexLog(vertex: vertex, stream: stream, data: data, timestamp: now())))
    }

    /// Reports a counter of this vertex; see `withStatus` for the usual way.
    package func report(
        _ id: String,
        name: String = "",
        current: Int64 = 0,
        total: Int64 = 0,
        started: Timestamp? = nil,
        completed: Timestamp? = nil
    ) {
        post(
            .status(
                VertexStatus(
                    id: id,
                    vertex: vertex,
                    name: name,
                    current: current,
                    total: total,
                    timestamp: now(),
                    started: started,
                    completed: completed
                )
            )
        )
    }

    /// Reports a warning about this vertex.
    package func warn(_ short: String, detail: [String] = [], url: String = "", source: VertexWarning.Source? = nil) {
        post(.warning(VertexWarning(vertex: vertex, short: short, detail: detail, url: url, source: source)))
    }

    /// Reports what the process of this vertex used, which has just ended.
    package func measured(_ usage: ResourceUsage, since started: Timestamp) {
        let process = ProcessRecord(started: started, completed: now(), usage: usage)
        post(.measured(VertexMeasure(vertex: vertex, process: process)))
    }

    /// Shows an activity of this vertex, with its own time, for as long as `body` runs.
    ///
    /// `body` gets a function that reports how far it is, out of the total (usually bytes).
    package func withStatus<Value>(
        _ id: String,
        name: String = "",
        total: Int64 = 0,
        _ body: (@escaping @Sendable (_ current: Int64, _ total: Int64) -> Void) async throws -> Value
    ) async rethrows -> Value {
        let started = now()
        let last = LastCount(total: total)
        report(id, name: name, total: total, started: started)
        let value = try await body { current, total in
            last.set(current: current, total: total)
            report(id, name: name, current: current, total: total, started: started)
        }
        let (current, total) = last.get()
        report(id, name: name, current: current, total: total, started: started, completed: now())
        return value
    }
}
