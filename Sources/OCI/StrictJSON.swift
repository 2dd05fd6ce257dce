internal import FoundationEssentials

/// Reads and writes the JSON documents of images so that no other reader can understand them differently.
///
/// JSON parsers disagree about duplicate keys, their case, byte order marks and encodings, so that one digest could name two different
/// images. A document is therefore checked byte by byte before it is decoded: UTF-8, no duplicate key, no field under a name that only
/// some take for it, at most `maximumDepth` deep and `maximumSize` long.
package enum StrictJSON {
    package static let maximumSize = 4 << 20
    package static let maximumDepth = 32

    /// Decodes a document after checking it.
    /// - Parameters:
    ///   - type: what to decode.
    ///   - bytes: the document.
    ///   - kind: what the document is, for error messages.
    ///   - fields: which of its keys are names of fields, and which are data.
    ///   - forbidding: keys of the top-level object that would make the document ambiguous.
    /// - Returns: the decoded value.
    /// - Throws: `OCIError`.
    package static func decode<Value: Decodable>(
        _ type: Value.Type,
        from bytes: [UInt8],
        kind: String,
        fields: JSONFields,
        forbidding: Set<String> = []
    ) throws(OCIError) -> Value {
        guard bytes.count <= maximumSize else {
            throw .invalidDocument(kind: kind, reason: "it is larger than \(maximumSize) bytes")
        }
        var checker = JSONChecker(bytes: bytes, fields: fields)
        let keys = try checker.checkDocument()
        if let key = forbidding.sorted().first(where: { keys.contains($0) }) {
            throw .invalidDocument(kind: kind, reason: "it must not have the field \"\(key)\"")
        }
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch let error as OCIError {
            throw error
        } catch let error as DecodingError {
            throw .invalidDocument(kind: kind, reason: text(of: error))
        } catch {
            throw .invalidDocument(kind: kind, reason: "\(error)")
        }
    }

    /// Encodes a value with sorted keys: the same value always has the same bytes.
    package static func encode(_ value: some Encodable) throws -> [UInt8] { try sorted(value) }

    static func sorted(_ value: some Encodable) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(value))
    }

    private static func text(of error: DecodingError) -> String {
        func path(_ context: DecodingError.Context) -> String {
            context.codingPath.map(\.stringValue).joined(separator: ".")
        }
        switch error {
        case .keyNotFound(let key, let context):
            let place = path(context)
            return "the field \"\(place.isEmpty ? "" : place + ".")\(key.stringValue)\" is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            return "the field \"\(path(context))\" has the wrong type or value"
        @unknown default:
            return "\(error)"
        }
    }
}
