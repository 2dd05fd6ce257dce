package import LinuxSystem
package import OCI

/// Something a progress display can show.
///
/// The shapes are those of BuildKit's `SolveStatus`.
package enum ProgressEvent: Hashable, Sendable {
    case vertex(VertexProgress)
    case status(VertexStatus)
    case log(VertexLog)
    case warning(VertexWarning)
    /// For records of the build. A channel keeps it and shows it to no reader: BuildKit's clients have no place for it.
    case measured(VertexMeasure)
}

/// The state of a vertex: announced, then started, then completed; a cached one is started and completed at once.
package struct VertexProgress: Hashable, Sendable {
    /// The error text of a vertex that was stopped because its result is no longer wanted.
    package static let canceled = "context canceled"

    package let digest: Digest
    package let name: String
    package let inputs: [Digest]
    package var started: Timestamp?
    package var completed: Timestamp?
    package var cached: Bool
    package var error: String?

    package init(
        digest: Digest,
        name: String,
        inputs: [Digest] = [],
        started: Timestamp? = nil,
        completed: Timestamp? = nil,
        cached: Bool = false,
        error: String? = nil
    ) {
        self.digest = digest
        self.name = name
        self.inputs = inputs
        self.started = started
        self.completed = completed
        self.cached = cached
        self.error = error
    }

    /// Whether the vertex was stopped rather than failed.
    package var isCanceled: Bool { error?.hasSuffix(Self.canceled) ?? false }
}

/// One counter or activity inside a vertex, as "transferring context" or one layer of a pull.
package struct VertexStatus: Hashable, Sendable {
    /// Unique in its vertex; it is also what displays show.
    package let id: String
    package let vertex: Digest
    package let name: String
    /// Usually bytes.
    package var current: Int64
    /// 0 if it is not known.
    package var total: Int64
    package var timestamp: Timestamp
    package var started: Timestamp?
    package var completed: Timestamp?

    package init(
        id: String,
        vertex: Digest,
        name: String = "",
        current: Int64 = 0,
        total: Int64 = 0,
        timestamp: Timestamp,
        started: Timestamp? = nil,
        completed: Timestamp? = nil
    ) {
        self.id = id
        self.vertex = vertex
        self.name = name
        self.current = current
        self.total = total
        self.timestamp = timestamp
        self.started = started
        self.completed = completed
    }
}

/// Some output of the process that a vertex runs; not necessarily whole lines or whole characters.
package struct VertexLog: Hashable, Sendable {
    package enum Stream: Int, Hashable, Sendable {
        case output = 1
        case error = 2
    }

    package let vertex: Digest
    package let stream: Stream
    package let data: [UInt8]
    package let timestamp: Timestamp

    package init(vertex: Digest, stream: Stream, data: [UInt8], timestamp: Timestamp) {
        self.vertex = vertex
        self.stream = stream
        self.data = data
        self.timestamp = timestamp
    }
}

/// The process of a vertex: when it ran, within the time of the vertex, and what it used.
package struct ProcessRecord: Hashable, Sendable, Codable {
    package let started: Timestamp
    package let completed: Timestamp
    package let usage: ResourceUsage

    package init(started: Timestamp, completed: Timestamp, usage: ResourceUsage) {
        self.started = started
        self.completed = completed
        self.usage = usage
    }
}

/// What a vertex took or gave, once that is known; nil for what another event tells or nothing does.
package struct VertexMeasure: Hashable, Sendable {
    package let vertex: Digest
    package var process: ProcessRecord?
    /// Bytes of the files of the layers that it added.
    package var layerSize: Int64?

    package init(vertex: Digest, process: ProcessRecord? = nil, layerSize: Int64? = nil) {
        self.vertex = vertex
        self.process = process
        self.layerSize = layerSize
    }
}

/// A warning about a step, as the Dockerfile's lint rules give.
package struct VertexWarning: Hashable, Sendable {
    /// Lines of a source file, both ends included, from 1.
    package struct Source: Hashable, Sendable {
        package let fileName: String
        /// The language of the file as BuildKit calls it; empty where it is not known.
        package let language: String
        package let data: [UInt8]
        package let lines: [ClosedRange<Int>]

        package init(fileName: String, language: String = "", data: [UInt8], lines: [ClosedRange<Int>]) {
            self.fileName = fileName
            self.language = language
            self.data = withoutCredentials(data)
            self.lines = lines
        }
    }

    package let vertex: Digest?
    package let level: Int
    package let short: String
    package let detail: [String]
    package let url: String
    package let source: Source?

    package init(
        vertex: Digest?,
        level: Int = 1,
        short: String,
        detail: [String] = [],
        url: String = "",
        source: Source? = nil
    ) {
        self.vertex = vertex
        self.level = level
        self.short = withoutCredentials(short)
        self.detail = detail.map { withoutCredentials($0) }
        self.url = url
        self.source = source
    }
}
