package import BuildGraph
internal import LinuxSystem
internal import OCI
package import Text

// Events as BuildKit's client writes them: fields without a value are left out, bytes are base64.

extension VertexProgress {
    var json: JSONValue {
        var fields: [JSONValue.Member] = [.init("digest", .string(digest.description))]
        if !inputs.isEmpty { fields.append(.init("inputs", .array(inputs.map { .string($0.description) }))) }
        if !name.isEmpty { fields.append(.init("name", .string(name))) }
        fields += times(started: started, completed: completed)
        if cached { fields.append(.init("cached", .bool(true))) }
        if let error, !error.isEmpty { fields.append(.init("error", .string(error))) }
        return .object(fields)
    }
}

extension VertexStatus {
    var json: JSONValue {
        var fields: [JSONValue.Member] = [
            .init("id", .string(id)), .init("vertex", .string(vertex.description)),
        ]
        if !name.isEmpty { fields.append(.init("name", .string(name))) }
        if total != 0 { fields.append(.init("total", .number(Int(total)))) }
        fields += [.init("current", .number(Int(current))), .init("timestamp", .string(timestamp.rfc3339))]
        return .object(fields + times(started: started, completed: completed))
    }
}

extension VertexLog {
    var json: JSONValue {
        .object([
            .init("vertex", .string(vertex.description)), .init("stream", .number(Int(stream.rawValue))),
            .init("data", .bytes(data)), .init("timestamp", .string(timestamp.rfc3339)),
        ])
    }
}

extension VertexWarning {
    /// The warning as it also stands in the metadata of a build.
    package var json: JSONValue {
        var fields: [JSONValue.Member] = []
        if let vertex { fields.append(.init("vertex", .string(vertex.description))) }
        if level != 0 { fields.append(.init("level", .number(level))) }
        if !short.isEmpty { fields.append(.init("short", .bytes(Array(short.utf8)))) }
        if !detail.isEmpty { fields.append(.init("detail", .array(detail.map { .bytes(Array($0.utf8)) }))) }
        if !url.isEmpty { fields.append(.init("url", .string(url))) }
        if let source {
            var info: [JSONValue.Member] = [
                .init("filename", .string(source.fileName)), .init("data", .bytes(source.data)),
            ]
            if !source.language.isEmpty { info.append(.init("language", .string(source.language))) }
            fields.append(.init("sourceInfo", .object(info)))
            let lines = source.lines.map { lines in
                JSONValue.object([
                    .init("start", .object([.init("line", .number(lines.lowerBound))])),
                    .init("end", .object([.init("line", .number(lines.upperBound))])),
                ])
            }
            fields.append(.init("range", .array(lines)))
        }
        return .object(fields)
    }
}

private func times(started: Timestamp?, completed: Timestamp?) -> [JSONValue.Member] {
    [("started", started), ("completed", completed)].compactMap { name, time in
        time.map { .init(name, .string($0.rfc3339)) }
    }
}

extension Timestamp {
    /// As RFC 3339 in UTC, as Go writes it.
    package var rfc3339: String { FileTime(nanosecondsSinceEpoch: nanoseconds).rfc3339 }
}
