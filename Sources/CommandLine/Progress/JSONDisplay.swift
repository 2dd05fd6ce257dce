package import BuildGraph
internal import OCI

/// Progress for programs (`--progress rawjson`): each line is one `SolveStatus` of BuildKit as JSON.
package struct JSONDisplay: ProgressDisplay {
    private var events: [ProgressEvent] = []

    package private(set) var pendingBytes = 0

    package init() {}

    package mutating func update(_ event: ProgressEvent, at moment: DisplayMoment) {
        events.append(event)
        pendingBytes += 256
        if case .log(let log) = event { pendingBytes += log.data.count }
    }

    package mutating func refresh(at moment: DisplayMoment) -> [UInt8] {
        if events.isEmpty { return [] }
        var (vertices, statuses, logs, warnings) = ([String](), [String](), [String](), [String]())
        for event in events {
            switch event {
            case .vertex(let vertex): vertices.append(object(vertex))
            case .status(let status): statuses.append(object(status))
            case .log(let log): logs.append(object(log))
            case .warning(let warning): warnings.append(object(warning))
            }
        }
        events = []
        pendingBytes = 0
        var line = JSONText()
        let members = [("vertexes", vertices), ("statuses", statuses), ("logs", logs), ("warnings", warnings)]
        for (name, values) in members where !values.isEmpty { line.addRaw(name, JSONText.array(values)) }
        return Array((line.object + "\n").utf8)
    }

    package mutating func finish(at moment: DisplayMoment) -> [UInt8] { refresh(at: moment) }

    private func object(_ vertex: VertexProgress) -> String {
        var json = JSONText()
        json.add("digest", vertex.digest)
        if !vertex.inputs.isEmpty {
            json.addRaw("inputs", JSONText.array(vertex.inputs.map { JSONText.quoted($0.description) }))
        }
        if !vertex.name.isEmpty { json.add("name", vertex.name) }
        json.add("started", vertex.started)
        json.add("completed", vertex.completed)
        if vertex.cached { json.addRaw("cached", "true") }
        if let error = vertex.error, !error.isEmpty { json.add("error", error) }
        return json.object
    }

    private func object(_ status: VertexStatus) -> String {
        var json = JSONText()
        json.add("id", status.id)
        json.add("vertex", status.vertex)
        if !status.name.isEmpty { json.add("name", status.name) }
        if status.total != 0 { json.add("total", status.total) }
        json.add("current", status.current)
        json.add("timestamp", status.timestamp)
        json.add("started", status.started)
        json.add("completed", status.completed)
        return json.object
    }

    private func object(_ log: VertexLog) -> String {
        var json = JSONText()
        json.add("vertex", log.vertex)
        json.add("stream", Int64(log.stream.rawValue))
        json.add("data", bytes: log.data)
        json.add("timestamp", log.timestamp)
        return json.object
    }

    private func object(_ warning: VertexWarning) -> String {
        var json = JSONText()
        if let vertex = warning.vertex { json.add("vertex", vertex) }
        if warning.level != 0 { json.add("level", Int64(warning.level)) }
        if !warning.short.isEmpty { json.add("short", bytes: Array(warning.short.utf8)) }
        if !warning.detail.isEmpty {
            json.addRaw("detail", JSONText.array(warning.detail.map { "\"\(base64(Array($0.utf8)))\"" }))
        }
        if !warning.url.isEmpty { json.add("url", warning.url) }
        if let source = warning.source {
            var info = JSONText()
            info.add("filename", source.fileName)
            info.add("data", bytes: source.data)
            if !source.language.isEmpty { info.add("language", source.language) }
            json.addRaw("sourceInfo", info.object)
            json.addRaw("range", JSONText.array(source.lines.map(object)))
        }
        return json.object
    }

    private func object(_ lines: ClosedRange<Int>) -> String {
        #"{"start":{"line":\#(lines.lowerBound)},"end":{"line":\#(lines.upperBound)}}"#
    }
}
