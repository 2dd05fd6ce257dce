internal import FoundationEssentials
internal import Text

/// Walks a document once, without recursion, and checks what `JSONDecoder` does not.
struct JSONChecker {
    private let bytes: [UInt8]
    private let fields: JSONFields
    private var position = 0
    private var stack: [Container] = []
    /// Of the objects on the stack.
    ///
    /// Apart from it, so that a key is added in place: a set that is copied for each key is a square.
    private var keys: [Keys] = []
    private var topKeys: Set<String> = []

    private enum Container { case array, object }

    /// The keys of an object so far, as they are compared.
    private struct Keys {
        var seen: Set<[UInt8]> = []
        /// Whether they are data, which is compared byte by byte.
        let areData: Bool
        /// Whether the value of the last one is an object with data for keys.
        var lastIsMap = false
    }

    init(bytes: [UInt8], fields: JSONFields) {
        self.bytes = bytes
        self.fields = fields
    }

    /// Checks the document and returns the keys of its top-level object.
    mutating func checkDocument() throws(OCIError) -> Set<String> {
        skipSpace()
        guard peek == "{" else { throw failure("a document must be an object") }
        value: while true {
            skipSpace()
            switch peek {
            case "{":
                let areData = isMapNext
                position += 1
                try push(.object)
                keys.append(Keys(areData: areData))
                skipSpace()
                if peek != "}" {
                    try key()
                    continue value
                }
            case "[":
                position += 1
                try push(.array)
                skipSpace()
                if peek != "]" { continue value }
            case "\"": _ = try string()
            default: try scalar()
            }
            if try endValue() { return topKeys }
        }
    }

    /// Closes the containers that end after a value, or that are empty, and continues with the next value.
    /// - Returns: whether the document has ended.
    private mutating func endValue() throws(OCIError) -> Bool {
        while true {
            skipSpace()
            guard let top = stack.last else {
                guard position == bytes.count else { throw failure("data after the document") }
                return true
            }
            switch (top, peek) {
            case (.array, "]"):
                position += 1
                stack.removeLast()
            case (.object, "}"):
                position += 1
                stack.removeLast()
                keys.removeLast()
            case (.array, ","):
                position += 1
                return false
            case (.object, ","):
                position += 1
                skipSpace()
                try key()
                return false
            default: throw failure("expected a comma or the end of the container")
            }
        }
    }

    private var isMapNext: Bool {
        switch stack.last {
        case nil: fields.isMap
        case .array?: false
        case .object?: keys.last?.lastIsMap ?? false
        }
    }

    private var peek: UInt8? { position < bytes.count ? bytes[position] : nil }

    private func failure(_ reason: String) -> OCIError { .invalidJSON(reason: reason, offset: position) }

    private mutating func push(_ container: Container) throws(OCIError) {
        guard stack.count < StrictJSON.maximumDepth else {
            throw failure("nested more than \(StrictJSON.maximumDepth) deep")
        }
        stack.append(container)
    }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { position += 1 }
    }

    private mutating func key() throws(OCIError) {
        guard peek == "\"" else { throw failure("expected a key") }
        let text = try string()
        skipSpace()
        guard peek == ":" else { throw failure("expected a colon") }
        position += 1
        let last = keys.count - 1
        let areData = keys[last].areData
        let compared = areData ? text : foldedKey(text)
        guard keys[last].seen.insert(compared).inserted else { throw failure("duplicate key \"\(shown(text))\"") }
        if !areData, fields.folded.contains(compared), !fields.names.contains(text) {
            throw failure("the key \"\(shown(text))\" is one that some programs take for another")
        }
        keys[last].lastIsMap = !areData && fields.maps.contains(text)
        if stack.count == 1 { topKeys.insert(String(decoding: text, as: UTF8.self)) }
    }

    private func shown(_ key: [UInt8]) -> String { String(decoding: key, as: UTF8.self) }

    /// Reads a string and returns its bytes with simple escapes resolved, for comparison of keys.
    private mutating func string() throws(OCIError) -> [UInt8] {
        position += 1
        let start = position
        var escaped = false
        while let byte = peek, byte != "\"" {
            guard byte >= 0x20 else { throw failure("a control character in a string") }
            if byte == "\\" {
                escaped = true
                position += 1
            }
            position += 1
        }
        guard position < bytes.count else { throw failure("a string without an end") }
        let raw = bytes[start..<position]
        position += 1
        guard String(validating: raw, as: UTF8.self) != nil else { throw failure("a string that is not UTF-8") }
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
        if text == "true" || text == "false" || text == "null" {
            return
        }
        // Only whole numbers appear in these documents; anything else is read differently by different parsers.
        let digits = text.first == "-" ? text.dropFirst() : text
        guard !digits.isEmpty, digits.allSatisfy({ ("0"..."9").contains($0) }) else {
            position = start
            throw failure("expected a value")
        }
    }
}
