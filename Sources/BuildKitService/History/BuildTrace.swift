import BuildGraph
import LinuxSystem
import OCI
import Text

/// The times of a build as spans of OpenTelemetry, in the form that BuildKit keeps and `buildx history trace` reads: the
/// JSON of Go's `tracetest.SpanStub`, one document after the other.
struct BuildTrace {
    static let mediaType = MediaType(rawValue: "application/vnd.buildkit.otlp.json.v0")

    private let trace: String
    /// The span of the client that the build is part of; nil for none.
    private let caller: String?
    private let root = hexadecimal((0..<8).map { _ in UInt8.random(in: 0...255) })

    /// - Parameter parent: the header `traceparent` of the client's call, as W3C Trace Context has it.
    init(parent: String?) {
        let fields = parent?.split(separator: "-", omittingEmptySubsequences: false).map(String.init) ?? []
        if fields.count >= 4, Self.isID(fields[1], 32), Self.isID(fields[2], 16) {
            (trace, caller) = (fields[1], fields[2])
        } else {
            trace = hexadecimal((0..<16).map { _ in UInt8.random(in: 0...255) })
            caller = nil
        }
    }

    private static func isID(_ text: String, _ length: Int) -> Bool {
        text.utf8.count == length && text.utf8.contains { $0 != "0" }
            && text.utf8.allSatisfy { ("0"..."9").contains($0) || ("a"..."f").contains($0) }
    }

    /// The document of a build that is over.
    func document(_ vertices: [VertexProgress], from start: Timestamp, to end: Timestamp, error: String?) -> [UInt8] {
        let ended = vertices.filter { $0.started != nil && $0.completed != nil }
        var spans = [span("moby.buildkit.v1.Control/Solve", root, below: caller, start, end, error, ended.count)]
        for vertex in ended {
            guard let started = vertex.started, let completed = vertex.completed else { continue }
            // A step has one span in a trace: so its id may follow from its digest.
            let id = String(vertex.digest.hex.prefix(16))
            let attribute = attribute("vertex", vertex.digest.description)
            spans.append(span(vertex.name, id, below: root, started, completed, vertex.error, 0, [attribute]))
        }
        return spans.flatMap { Array($0.indented.utf8) + [UInt8(ascii: "\n")] }
    }

    private func span(
        _ name: String,
        _ id: String,
        below parent: String?,
        _ start: Timestamp,
        _ end: Timestamp,
        _ error: String?,
        _ children: Int,
        _ attributes: [JSONValue] = []
    ) -> JSONValue {
        let state = error.flatMap { $0.isEmpty ? nil : $0 }
        return .object([
            .init("Name", .string(name)), .init("SpanContext", context(id)), .init("Parent", context(parent)),
            .init("SpanKind", .number(1)), .init("StartTime", time(start)), .init("EndTime", time(end)),
            .init("Attributes", .array(attributes)), .init("Events", .null), .init("Links", .null),
            .init(
                "Status",
                .object([
                    .init("Code", .string(state == nil ? "Unset" : "Error")),
                    .init("Description", .string(state ?? "")),
                ])
            ),
            .init("DroppedAttributes", .number(0)), .init("DroppedEvents", .number(0)),
            .init("DroppedLinks", .number(0)), .init("ChildSpanCount", .number(children)),
            .init("Resource", .array([attribute("service.name", "slipway")])),
            .init(
                "InstrumentationLibrary",
                .object([
                    .init("Name", .string("slipway")), .init("Version", .string("")), .init("SchemaURL", .string("")),
                ])
            ),
        ])
    }

    private func context(_ id: String?) -> JSONValue {
        .object([
            .init("TraceID", .string(id == nil ? String(repeating: "0", count: 32) : trace)),
            .init("SpanID", .string(id ?? String(repeating: "0", count: 16))),
            .init("TraceFlags", .string(id == nil ? "00" : "01")), .init("TraceState", .string("")),
            .init("Remote", .bool(id != nil && id == caller)),
        ])
    }

    private func attribute(_ name: String, _ value: String) -> JSONValue {
        .object([
            .init("Key", .string(name)),
            .init("Value", .object([.init("Type", .string("STRING")), .init("Value", .string(value))])),
        ])
    }

    private func time(_ time: Timestamp) -> JSONValue {
        .string(FileTime(nanosecondsSinceEpoch: time.nanoseconds).rfc3339)
    }
}
