internal import BuildGraph
internal import LinuxSystem
internal import OCI

/// JSON written member by member, in the order and with the escapes of Go's encoder, so that what reads BuildKit's output reads ours.
struct JSONText {
    private(set) var text = "{"

    mutating func add(_ name: String, _ value: String) { addRaw(name, Self.quoted(value)) }

    mutating func add(_ name: String, _ value: Int64) { addRaw(name, "\(value)") }

    mutating func add(_ name: String, _ value: Digest) { add(name, value.description) }

    mutating func add(_ name: String, _ value: Timestamp?) {
        if let value { add(name, value.rfc3339) }
    }

    /// Bytes, in base64.
    mutating func add(_ name: String, bytes: [UInt8]) { addRaw(name, "\"\(base64(bytes))\"") }

    /// A value that is JSON already.
    mutating func addRaw(_ name: String, _ value: String) {
        if text.utf8.count > 1 { text += "," }
        text += "\(Self.quoted(name)):\(value)"
    }

    /// The finished object.
    var object: String { text + "}" }

    static func array(_ values: [String]) -> String { "[\(values.joined(separator: ","))]" }

    static func quoted(_ value: String) -> String { JSONValue.quoted(value) }
}

extension Timestamp {
    /// As RFC 3339 in UTC, as Go writes it.
    var rfc3339: String { FileTime(nanosecondsSinceEpoch: nanoseconds).rfc3339 }
}
