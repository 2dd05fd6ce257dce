internal import BuildGraph
internal import BuildKitProto
internal import OCI
internal import SwiftProtobuf

extension Moby_Buildkit_V1_StatusResponse {
    /// What the message tells; what names no vertex by a digest tells nothing.
    var events: [ProgressEvent] {
        vertexes.compactMap { VertexProgress($0) }.map { .vertex($0) }
            + statuses.compactMap { BuildGraph.VertexStatus($0) }.map { .status($0) }
            + logs.compactMap { BuildGraph.VertexLog($0) }.map { .log($0) }
            + warnings.map { .warning(BuildGraph.VertexWarning($0)) }
    }
}

extension BuildGraph.Timestamp {
    fileprivate init(_ time: Google_Protobuf_Timestamp) {
        self.init(nanoseconds: time.seconds &* 1_000_000_000 &+ Int64(time.nanos))
    }
}

extension VertexProgress {
    fileprivate init?(_ message: Moby_Buildkit_V1_Vertex) {
        guard let digest = try? Digest(parsing: message.digest) else { return nil }
        self.init(
            digest: digest,
            name: message.name,
            inputs: message.inputs.compactMap { try? Digest(parsing: $0) },
            started: message.hasStarted ? BuildGraph.Timestamp(message.started) : nil,
            completed: message.hasCompleted ? BuildGraph.Timestamp(message.completed) : nil,
            cached: message.cached,
            error: message.error.isEmpty ? nil : message.error
        )
    }
}

extension BuildGraph.VertexStatus {
    fileprivate init?(_ message: Moby_Buildkit_V1_VertexStatus) {
        guard let vertex = try? Digest(parsing: message.vertex) else { return nil }
        self.init(
            id: message.id,
            vertex: vertex,
            name: message.name,
            current: message.current,
            total: message.total,
            timestamp: BuildGraph.Timestamp(message.timestamp),
            started: message.hasStarted ? BuildGraph.Timestamp(message.started) : nil,
            completed: message.hasCompleted ? BuildGraph.Timestamp(message.completed) : nil
        )
    }
}

extension BuildGraph.VertexLog {
    fileprivate init?(_ message: Moby_Buildkit_V1_VertexLog) {
        guard let vertex = try? Digest(parsing: message.vertex) else { return nil }
        self.init(
            vertex: vertex,
            stream: message.stream == 2 ? .error : .output,
            data: [UInt8](message.msg),
            timestamp: BuildGraph.Timestamp(message.timestamp)
        )
    }
}

extension BuildGraph.VertexWarning {
    fileprivate init(_ message: Moby_Buildkit_V1_VertexWarning) {
        self.init(
            vertex: try? Digest(parsing: message.vertex),
            level: Int(message.level),
            short: String(decoding: message.short, as: UTF8.self),
            detail: message.detail.map { String(decoding: $0, as: UTF8.self) },
            url: message.url,
            source: message.hasInfo ? Source(message.info, message.ranges) : nil
        )
    }
}

extension BuildGraph.VertexWarning.Source {
    init(_ info: Pb_SourceInfo, _ ranges: [Pb_Range]) {
        self.init(
            fileName: String(decoding: info.filename, as: UTF8.self),
            language: info.language,
            data: [UInt8](info.data),
            lines: ranges.map { Int($0.start.line)...max(Int($0.start.line), Int($0.end.line)) }
        )
    }
}
