internal import Text

/// The order of the fields of a document and of what is in it.
///
/// Go's encoder writes fields in the order of their declarations. BuildKit's documents have that order, and the digests of two
/// builders are the same only if theirs have it too.
package struct FieldOrder: Sendable {
    /// The place of each field, by its name in quotation marks.
    private let places: [[UInt8]: Int]
    /// The orders of the values of fields: of an object, or of the objects of an array.
    private let inner: [[UInt8]: FieldOrder]

    /// - Parameters:
    ///   - names: of the fields, with a blank between them; others come after these, by name.
    ///   - inner: the orders of values, by the fields' names.
    private init(_ names: String, _ inner: [String: FieldOrder] = [:]) {
        func quoted(_ name: some Sequence<UInt8>) -> [UInt8] { "\"" + Array(name) + "\"" }
        places = Dictionary(
            uniqueKeysWithValues: names.utf8.split(separator: " ").enumerated().map { (quoted($1), $0) }
        )
        self.inner = Dictionary(uniqueKeysWithValues: inner.map { (quoted($0.utf8), $1) })
    }

    fileprivate func inner(_ name: [UInt8]) -> FieldOrder? { inner[name] }

    fileprivate func precedes(_ first: [UInt8], _ second: [UInt8]) -> Bool {
        switch (places[first], places[second]) {
        case (let first?, let second?): first < second
        case (.some, nil): true
        case (nil, .some): false
        case (nil, nil): first.lexicographicallyPrecedes(second)
        }
    }

    private static let descriptor = FieldOrder(
        "mediaType digest size urls annotations data platform artifactType",
        ["platform": FieldOrder("architecture os os.version os.features variant")]
    )

    /// Of manifests.
    static let manifest = FieldOrder(
        "schemaVersion mediaType artifactType config layers subject annotations",
        ["config": descriptor, "layers": descriptor, "subject": descriptor]
    )

    /// Of indexes.
    static let index = FieldOrder(
        "schemaVersion mediaType artifactType manifests subject annotations",
        ["manifests": descriptor, "subject": descriptor]
    )

    /// Of image configurations, whose own fields BuildKit sorts by name.
    package static let configuration = FieldOrder(
        "",
        [
            "config": FieldOrder(
                """
                User ExposedPorts Env Entrypoint Cmd Volumes WorkingDir Labels StopSignal ArgsEscaped Healthcheck OnBuild Shell
                """,
                ["Healthcheck": FieldOrder("Test Interval Timeout StartPeriod StartInterval Retries")]
            ),
            "history": FieldOrder("created created_by author comment empty_layer"),
            "rootfs": FieldOrder("type diff_ids"),
        ]
    )
}

/// A document whose bytes make its digest.
package protocol OrderedDocument: Encodable {
    static var fieldOrder: FieldOrder { get }
    /// Whether it is written over several lines.
    static var isIndented: Bool { get }
}

extension OrderedDocument {
    package static var isIndented: Bool { false }
}

extension Manifest: OrderedDocument {
    package static var fieldOrder: FieldOrder { .manifest }
    package static var isIndented: Bool { true }
}

extension Index: OrderedDocument {
    package static var fieldOrder: FieldOrder { .index }
    package static var isIndented: Bool { true }
}

extension ImageConfiguration: OrderedDocument {
    package static var fieldOrder: FieldOrder { .configuration }
}

extension StrictJSON {
    /// Encodes a document as BuildKit does, with Go's encoder: fields in their order, and `<`, `>` and `&` escaped.
    package static func encode<Document: OrderedDocument>(_ document: Document) throws -> [UInt8] {
        var rewriting = Rewriting(source: try sorted(document), isIndented: Document.isIndented)
        return rewriting.value(Document.fieldOrder)
    }
}

/// Goes once through JSON that was just written, without blanks, and writes it again.
private struct Rewriting {
    let source: [UInt8]
    let isIndented: Bool
    private var position = 0
    private var level = 0

    init(source: [UInt8], isIndented: Bool) {
        self.source = source
        self.isIndented = isIndented
    }

    mutating func value(_ order: FieldOrder?) -> [UInt8] {
        switch source[position] {
        case "{": return object(order)
        case "[": return array(order)
        case "\"": return string()
        default:
            let scalar = source[position...].prefix { ![",", "]", "}"].contains($0) }
            position = scalar.endIndex
            return Array(scalar)
        }
    }

    private mutating func object(_ order: FieldOrder?) -> [UInt8] {
        var members: [(name: [UInt8], value: [UInt8])] = []
        eachElement(until: "}") { rewriting in
            let name = rewriting.string()
            rewriting.position += 1
            members.append((name, rewriting.value(order?.inner(name))))
        }
        if let order { members.sort { order.precedes($0.name, $1.name) } }
        let colon: [UInt8] = isIndented ? ": " : ":"
        return "{" + list(members.map { $0.name + colon + $0.value }) + "}"
    }

    private mutating func array(_ order: FieldOrder?) -> [UInt8] {
        var elements: [[UInt8]] = []
        eachElement(until: "]") { elements.append($0.value(order)) }
        return "[" + list(elements) + "]"
    }

    /// What stands between brackets.
    private func list(_ elements: [[UInt8]]) -> [UInt8] {
        guard isIndented, !elements.isEmpty else { return Array(elements.joined(separator: [","])) }
        func line(_ level: Int) -> [UInt8] { "\n" + Array(repeating: 0x20, count: 2 * level) }
        return line(level + 1) + elements.joined(separator: "," + line(level + 1)) + line(level)
    }

    private mutating func eachElement(until end: UInt8, _ body: (inout Rewriting) -> Void) {
        position += 1
        level += 1
        while source[position] != end {
            if source[position] == "," { position += 1 }
            body(&self)
        }
        level -= 1
        position += 1
    }

    private mutating func string() -> [UInt8] {
        var text: [UInt8] = ["\""]
        position += 1
        while source[position] != "\"" {
            switch source[position] {
            case "\\":
                text += source[position...(position + 1)]
                position += 1
            case "<": text += "\\u003c"
            case ">": text += "\\u003e"
            case "&": text += "\\u0026"
            // U+2028 and U+2029, which end lines for some readers.
            case 0xe2 where source[position + 1] == 0x80 && [0xa8, 0xa9].contains(source[position + 2]):
                text += source[position + 2] == 0xa8 ? "\\u2028" : "\\u2029"
                position += 2
            case let byte: text.append(byte)
            }
            position += 1
        }
        position += 1
        return text + "\""
    }
}
