internal import FoundationEssentials

/// Reads and writes the JSON documents of images so that nobody else can read them differently.
///
/// JSON parsers disagree about duplicate keys, byte order marks and encodings, so that one digest could name two different images.
/// A document is therefore checked byte by byte before it is decoded: UTF-8, no duplicate key, at most `maximumDepth` deep and
/// `maximumSize` long.
package enum StrictJSON {
    package static let maximumSize = 4 << 20
    package static let maximumDepth = 32

    /// Decodes a document after checking it.
    /// - Parameters:
    ///   - type: what to decode.
    ///   - bytes: the document.
    ///   - kind: what the document is, for error messages.
    ///   - forbidding: keys of the top-level object that would make the document ambiguous.
    /// - Returns: the decoded value.
    /// - Throws: `OCIError`.
    package static func decode<Value: Decodable>(
        _ type: Value.Type,
        from bytes: [UInt8],
        kind: String,
        forbidding: Set<String> = []
    ) throws(OCIError) -> Value {
        guard bytes.count <= maximumSize else {
            throw .invalidDocument(kind: kind, reason: "it is larger than \(maximumSize) bytes")
        }
        var checker = Checker(bytes: bytes)
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
    package static func encode(_ value: some Encodable) throws -> [UInt8] {
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

    /// Walks a document once, without recursion, and checks what `JSONDecoder` does not.
    private struct Checker {
        let bytes: [UInt8]
        var position = 0

        private enum Container {
            case array
            case object(keys: Set<[UInt8]>)
        }

        init(bytes: [UInt8]) { self.bytes = bytes }

        /// Checks the document and returns the keys of its top-level object.
        mutating func checkDocument() throws(OCIError) -> Set<String> {
            var stack: [Container] = []
            var topKeys: Set<String> = []
            skipSpace()
            guard peek == UInt8(ascii: "{") else { throw failure("a document must be an object") }
            value: while true {
                skipSpace()
                switch peek {
                case UInt8(ascii: "{"):
                    position += 1
                    try push(.object(keys: []), on: &stack)
                    skipSpace()
                    if peek != UInt8(ascii: "}") {
                        try key(in: &stack, topKeys: &topKeys)
                        continue value
                    }
                case UInt8(ascii: "["):
                    position += 1
                    try push(.array, on: &stack)
                    skipSpace()
                    if peek != UInt8(ascii: "]") { continue value }
                case UInt8(ascii: "\""): _ = try string()
                default: try scalar()
                }
                // A value has ended, or an empty container was opened: close containers, or go on with the next value.
                while true {
                    skipSpace()
                    guard let top = stack.last else {
                        guard position == bytes.count else { throw failure("data after the document") }
                        return topKeys
                    }
                    let byte = peek
                    switch (top, byte) {
                    case (.array, UInt8(ascii: "]")), (.object, UInt8(ascii: "}")):
                        position += 1
                        stack.removeLast()
                    case (.array, UInt8(ascii: ",")):
                        position += 1
                        continue value
                    case (.object, UInt8(ascii: ",")):
                        position += 1
                        skipSpace()
                        try key(in: &stack, topKeys: &topKeys)
                        continue value
                    default: throw failure("expected a comma or the end of the container")
                    }
                }
            }
        }

        private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

        private func failure(_ reason: String) -> OCIError { .invalidJSON(reason: reason, offset: position) }

        private mutating func push(_ container: Container, on stack: inout [Container]) throws(OCIError) {
            guard stack.count < maximumDepth else { throw failure("nested more than \(maximumDepth) deep") }
            stack.append(container)
        }

        private mutating func skipSpace() {
            while let byte = peek, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { position += 1 }
        }

        private mutating func key(in stack: inout [Container], topKeys: inout Set<String>) throws(OCIError) {
            guard peek == UInt8(ascii: "\"") else { throw failure("expected a key") }
            let text = try string()
            skipSpace()
            guard peek == UInt8(ascii: ":") else { throw failure("expected a colon") }
            position += 1
            guard case .object(var keys)? = stack.popLast() else { throw failure("a key outside an object") }
            // Go compares field names without case, so `Config` and `config` are one field to it.
            let folded = text.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 }
            guard keys.insert(stack.isEmpty ? folded : text).inserted else {
                throw failure("duplicate key \"\(String(decoding: text, as: UTF8.self))\"")
            }
            if stack.isEmpty { topKeys.insert(String(decoding: text, as: UTF8.self)) }
            stack.append(.object(keys: keys))
        }

        /// Reads a string and returns its bytes with simple escapes resolved, for comparison of keys.
        private mutating func string() throws(OCIError) -> [UInt8] {
            position += 1
            let start = position
            var escaped = false
            while let byte = peek, byte != UInt8(ascii: "\"") {
                guard byte >= 0x20 else { throw failure("a control character in a string") }
                if byte == UInt8(ascii: "\\") {
                    escaped = true
                    position += 1
                }
                position += 1
            }
            guard position < bytes.count else { throw failure("a string without an end") }
            let raw = bytes[start..<position]
            position += 1
            guard String(validating: raw, as: UTF8.self) != nil else { throw failure("a string that is no UTF-8") }
            guard escaped else { return Array(raw) }
            guard
                let text = try? JSONDecoder().decode([String].self, from: Data([0x5b, 0x22] + raw + [0x22, 0x5d])).first
            else {
                throw failure("an invalid escape in a string")
            }
            return Array(text.utf8)
        }

        private mutating func scalar() throws(OCIError) {
            let start = position
            while let byte = peek, !" \n\r\t,]}".utf8.contains(byte) { position += 1 }
            let text = bytes[start..<position]
            if text.elementsEqual("true".utf8) || text.elementsEqual("false".utf8) || text.elementsEqual("null".utf8) {
                return
            }
            // Only whole numbers appear in these documents; anything else is read differently by different parsers.
            let digits = text.first == UInt8(ascii: "-") ? text.dropFirst() : text
            guard !digits.isEmpty, digits.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
                position = start
                throw failure("expected a value")
            }
        }
    }
}
