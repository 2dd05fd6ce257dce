import BuildGraph
import BuildKitProto
import FoundationEssentials
import OCI
import SwiftProtobuf

extension Moby_Buildkit_V1_StatusResponse {
    /// The messages for some events of a build.
    init(_ events: [ProgressEvent]) {
        self.init()
        for event in events {
            switch event {
            case .vertex(let vertex): vertexes.append(Moby_Buildkit_V1_Vertex(vertex))
            case .status(let status): statuses.append(Moby_Buildkit_V1_VertexStatus(status))
            case .log(let log): logs.append(Moby_Buildkit_V1_VertexLog(log))
            case .warning(let warning): warnings.append(Moby_Buildkit_V1_VertexWarning(warning))
            case .measured: break
            }
        }
    }
}

extension Google_Protobuf_Timestamp {
    init(_ time: BuildGraph.Timestamp) {
        self.init()
        seconds = time.nanoseconds / 1_000_000_000
        nanos = Int32(time.nanoseconds % 1_000_000_000)
    }
}

extension Moby_Buildkit_V1_Vertex {
    init(_ vertex: VertexProgress) {
        self.init()
        digest = vertex.digest.description
        inputs = vertex.inputs.map(\.description)
        name = vertex.name
        cached = vertex.cached
        if let time = vertex.started { started = Google_Protobuf_Timestamp(time) }
        if let time = vertex.completed { completed = Google_Protobuf_Timestamp(time) }
        error = vertex.error ?? ""
    }
}

extension Moby_Buildkit_V1_VertexStatus {
    init(_ status: BuildGraph.VertexStatus) {
        self.init()
        id = status.id
        vertex = status.vertex.description
        name = status.name
        current = status.current
        total = status.total
        timestamp = Google_Protobuf_Timestamp(status.timestamp)
        if let time = status.started { started = Google_Protobuf_Timestamp(time) }
        if let time = status.completed { completed = Google_Protobuf_Timestamp(time) }
    }
}

extension Moby_Buildkit_V1_VertexLog {
    init(_ log: BuildGraph.VertexLog) {
        self.init()
        vertex = log.vertex.description
        stream = Int64(log.stream.rawValue)
        msg = Data(log.data)
        timestamp = Google_Protobuf_Timestamp(log.timestamp)
    }
}

extension Moby_Buildkit_V1_VertexWarning {
    init(_ warning: BuildGraph.VertexWarning) {
        self.init()
        vertex = warning.vertex?.description ?? ""
        level = Int64(warning.level)
        short = Data(warning.short.utf8)
        detail = warning.detail.map { Data($0.utf8) }
        url = warning.url
        guard let source = warning.source else { return }
        info = Pb_SourceInfo(source)
        ranges = source.lines.map { Pb_Range(lines: $0) }
    }
}

extension Pb_SourceInfo {
    init(_ source: BuildGraph.VertexWarning.Source) {
        self.init()
        filename = Data(source.fileName.utf8)
        data = Data(source.data)
        language = source.language
    }
}

extension Pb_Range {
    init(lines: ClosedRange<Int>) {
        self.init()
        start.line = Int32(clamping: lines.lowerBound)
        end.line = Int32(clamping: lines.upperBound)
    }
}
