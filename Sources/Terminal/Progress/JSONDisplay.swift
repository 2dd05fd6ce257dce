package import BuildGraph
internal import Text

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
        var (vertices, statuses, logs, warnings) = ([JSONValue](), [JSONValue](), [JSONValue](), [JSONValue]())
        for event in events {
            switch event {
            case .vertex(let vertex): vertices.append(vertex.json)
            case .status(let status): statuses.append(status.json)
            case .log(let log): logs.append(log.json)
            case .warning(let warning): warnings.append(warning.json)
            case .measured: break
            }
        }
        events = []
        pendingBytes = 0
        let members = [("vertexes", vertices), ("statuses", statuses), ("logs", logs), ("warnings", warnings)]
        let line = JSONValue.object(members.filter { !$0.1.isEmpty }.map { .init($0.0, .array($0.1)) })
        return Array((line.text() + "\n").utf8)
    }

    package mutating func finish(at moment: DisplayMoment) -> [UInt8] { refresh(at: moment) }
}
