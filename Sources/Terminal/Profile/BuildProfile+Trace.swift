internal import BuildGraph
internal import LinuxSystem
internal import OCI
internal import Text

extension BuildProfile {
    /// The profile in Chrome's trace event format, which chrome://tracing and Perfetto open.
    ///
    /// Each step that began is a complete event ("X") with the one of its process inside, and times in microseconds from the build's
    /// start. Steps that ran at the same time are on different threads, because events of one thread may only nest.
    package var trace: String {
        let lanes = lanes()
        var events = [
            metadata("process_name", thread: 0, [.init("name", .string("slipway build \(safeText(build.name))"))])
        ]
        for lane in 0..<((lanes.compactMap(\.self).max() ?? -1) + 1) {
            events.append(metadata("thread_name", thread: lane + 1, [.init("name", .string("steps \(lane + 1)"))]))
            events.append(metadata("thread_sort_index", thread: lane + 1, [.init("sort_index", .number(lane + 1))]))
        }
        let critical = Set(criticalPath)
        for (number, step) in steps.enumerated() {
            guard let span = step.span, let lane = lanes[number] else { continue }
            let arguments = arguments(of: step, isCritical: critical.contains(number))
            events.append(event(step.name, step.state.rawValue, span, lane: lane, arguments))
            if let process = step.processSpan { events.append(event("process", "process", process, lane: lane, [])) }
        }
        return JSONValue.object([
            .init("displayTimeUnit", .string("ms")), .init("otherData", .object(facts)),
            .init("traceEvents", .array(events)),
        ]).indented + "\n"
    }

    private var facts: [JSONValue.Member] {
        var members: [JSONValue.Member] = [.init("version", .string("slipway"))]
        if let id = build.id { members.append(.init("build", .string(id))) }
        members += [
            .init("started", .string(build.started.rfc3339)), .init("ending", .string(build.ending.rawValue)),
            .init("seconds", .numeral(fixedPoint(build.seconds, decimals: 6))),
        ]
        if let error = build.error { members.append(.init("error", .string(safeLines(error)))) }
        return members
    }

    private func metadata(_ name: String, thread: Int, _ arguments: [JSONValue.Member]) -> JSONValue {
        .object([
            .init("name", .string(name)), .init("ph", .string("M")), .init("pid", .number(1)),
            .init("tid", .number(thread)), .init("args", .object(arguments)),
        ])
    }

    private func event(
        _ name: String,
        _ category: String,
        _ span: Span,
        lane: Int,
        _ arguments: [JSONValue.Member]
    ) -> JSONValue {
        let start = Self.microseconds(span.start)
        return .object([
            .init("name", .string(safeText(name))), .init("cat", .string(category)), .init("ph", .string("X")),
            .init("ts", .number(start)), .init("dur", .number(Self.microseconds(span.end) - start)),
            .init("pid", .number(1)), .init("tid", .number(lane + 1)), .init("args", .object(arguments)),
        ])
    }

    private func arguments(of step: Step, isCritical: Bool) -> [JSONValue.Member] {
        var members: [JSONValue.Member] = [
            .init("state", .string(step.state.rawValue)), .init("critical", .bool(isCritical)),
        ]
        if let place = step.place {
            members.append(.init("line", .string("\(safeText(place.dockerfile)):\(place.line)")))
        }
        if !step.reasons.isEmpty { members.append(.init("reason", .string(step.reasons.joined(separator: "\n")))) }
        if let error = step.error { members.append(.init("error", .string(safeLines(error)))) }
        if let usage = step.usage {
            members += [
                .init("processorSeconds", .numeral(fixedPoint(usage.processorSeconds, decimals: 6))),
                .init("userSeconds", .numeral(fixedPoint(Double(usage.userTime) / 1e6, decimals: 6))),
                .init("systemSeconds", .numeral(fixedPoint(Double(usage.systemTime) / 1e6, decimals: 6))),
                .init(usage.isPeakBound ? "peakMemoryBytesAtMost" : "peakMemoryBytes", .number(Int(usage.peakMemory))),
                .init("bytesRead", .number(Int(usage.bytesRead))),
                .init("bytesWritten", .number(Int(usage.bytesWritten))),
            ]
        }
        if let size = step.layerSize { members.append(.init("layerBytes", .number(Int(size)))) }
        members.append(.init("vertex", .string(step.vertex.description)))
        return members
    }

    /// Which thread shows each step: the first on which no earlier step is still running.
    private func lanes() -> [Int?] {
        var ends: [Int] = []
        return steps.map { step in
            guard let span = step.span else { return nil }
            let (start, end) = (Self.microseconds(span.start), Self.microseconds(span.end))
            let lane = ends.firstIndex { $0 <= start } ?? ends.count
            if lane == ends.count { ends.append(end) } else { ends[lane] = end }
            return lane
        }
    }

    private static func microseconds(_ seconds: Double) -> Int { Int((seconds * 1e6).rounded()) }
}
