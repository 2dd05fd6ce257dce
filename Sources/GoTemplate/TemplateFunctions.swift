import Text

/// The functions of templates: Go's own and those that Docker adds.
enum TemplateFunctions {
    enum Failure: Error {
        case wrongCount(wanted: String)
        case wrongType(index: Int, wanted: String)
        case refused(String)
    }

    static let names: Set<String> = [
        "and", "or", "not", "len", "index", "slice", "print", "printf", "println", "html", "urlquery", "eq", "ne", "lt",
        "le", "gt", "ge", "json", "split", "join", "title", "lower", "upper", "pad", "truncate",
    ]

    static func call(_ name: String, _ arguments: [TemplateValue]) throws(Failure) -> TemplateValue {
        switch name {
        case "json":
            try expect(arguments, 1)
            return .text(arguments[0].json())
        case "lower", "upper", "title":
            try expect(arguments, 1)
            let text = try text(arguments, 0)
            return .text(name == "lower" ? text.lowercased() : name == "upper" ? text.uppercased() : titled(text))
        case "split":
            try expect(arguments, 2)
            return split(try text(arguments, 0), by: try text(arguments, 1))
        case "join":
            try expect(arguments, 2)
            return .text(try texts(arguments, 0).joined(separator: try text(arguments, 1)))
        case "pad":
            try expect(arguments, 3)
            let text = try text(arguments, 0)
            let sides = (try integer(arguments, 1), try integer(arguments, 2))
            if text.isEmpty { return .text("") }
            func spaces(_ count: Int64) -> String { String(repeating: " ", count: Int(min(max(0, count), 1 << 16))) }
            return .text(spaces(sides.0) + text + spaces(sides.1))
        case "truncate":
            try expect(arguments, 2)
            let length = try integer(arguments, 1)
            return .text(
                String(decoding: Array(try text(arguments, 0).utf8).prefix(Int(max(0, length))), as: UTF8.self)
            )
        case "html", "urlquery":
            let text = TemplatePrinting.print(arguments)
            return .text(name == "html" ? escapedForHTML(text) : escapedForQuery(text))
        case "print": return .text(TemplatePrinting.print(arguments))
        case "println": return .text(TemplatePrinting.printLine(arguments))
        case "printf":
            guard !arguments.isEmpty else { throw .wrongCount(wanted: "at least 1") }
            return .text(TemplatePrinting.format(try text(arguments, 0), Array(arguments.dropFirst())))
        case "not":
            try expect(arguments, 1)
            return .boolean(!arguments[0].isTrue)
        case "len":
            try expect(arguments, 1)
            return .integer(try length(arguments[0]))
        case "index": return try index(arguments)
        case "slice": return try slice(arguments)
        default: return .boolean(try TemplateComparison.compare(name, arguments))
        }
    }

    private static func expect(_ arguments: [TemplateValue], _ count: Int) throws(Failure) {
        if arguments.count != count { throw .wrongCount(wanted: "\(count)") }
    }

    private static func text(_ arguments: [TemplateValue], _ index: Int) throws(Failure) -> String {
        guard case .text(let text) = arguments[index] else { throw .wrongType(index: index, wanted: "string") }
        return text
    }

    private static func integer(_ arguments: [TemplateValue], _ index: Int) throws(Failure) -> Int64 {
        guard case .integer(let value) = arguments[index] else { throw .wrongType(index: index, wanted: "int") }
        return value
    }

    private static func texts(_ arguments: [TemplateValue], _ index: Int) throws(Failure) -> [String] {
        switch arguments[index] {
        case .null: return []
        case .list(let list):
            var texts: [String] = []
            for item in list {
                guard case .text(let text) = item else { throw .wrongType(index: index, wanted: "[]string") }
                texts.append(text)
            }
            return texts
        case .nothing, .boolean, .integer, .number, .text, .map, .record:
            throw .wrongType(index: index, wanted: "[]string")
        }
    }

    private static func split(_ text: String, by separator: String) -> TemplateValue {
        if separator.isEmpty { return .texts(text.unicodeScalars.map { String($0) }) }
        var parts: [String] = []
        var rest = Array(text.utf8)[...]
        let pattern = Array(separator.utf8)
        var part: [UInt8] = []
        while !rest.isEmpty {
            if rest.starts(with: pattern) {
                parts.append(String(decoding: part, as: UTF8.self))
                part = []
                rest = rest.dropFirst(pattern.count)
            } else {
                part.append(rest.removeFirst())
            }
        }
        return .texts(parts + [String(decoding: part, as: UTF8.self)])
    }

    /// Each word with a capital, the rest as it is.
    private static func titled(_ text: String) -> String {
        var result = ""
        var isInWord = false
        for character in text {
            result += isInWord ? String(character) : character.uppercased()
            isInWord = character.isLetter || character.isNumber || character == "_"
        }
        return result
    }

    private static func escapedForHTML(_ text: String) -> String {
        text.unicodeScalars.reduce(into: "") { result, scalar in
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&#34;"
            case "'": result += "&#39;"
            default: result.unicodeScalars.append(scalar)
            }
        }
    }

    private static func escapedForQuery(_ text: String) -> String {
        let digits = "0123456789ABCDEF".map(\.self)
        return text.utf8.reduce(into: "") { result, byte in
            switch byte {
            case " ": result += "+"
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, "-", "_", ".",
                "~":
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default: result += "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
            }
        }
    }

    private static func length(_ value: TemplateValue) throws(Failure) -> Int64 {
        switch value {
        case .text(let text): Int64(text.utf8.count)
        case .list(let list): Int64(list.count)
        case .map(let entries, _): Int64(entries.count)
        case .record(let record) where record.name == nil: Int64(record.fields.count)
        case .null(let text) where text != "<nil>": 0
        case .nothing, .null: throw .refused("len of nil pointer")
        case .boolean, .integer, .number, .record: throw .refused("len of type \(value.typeName)")
        }
    }

    private static func index(_ arguments: [TemplateValue]) throws(Failure) -> TemplateValue {
        guard var value = arguments.first else { throw .wrongCount(wanted: "at least 1") }
        for key in arguments.dropFirst() {
            switch value {
            case .map(let entries, let missing):
                guard case .text(let name) = key else {
                    throw .refused("value has type \(key.typeName); should be string")
                }
                value = entries[name] ?? missing
            case .record(let record) where record.name == nil:
                guard case .text(let name) = key else {
                    throw .refused("value has type \(key.typeName); should be string")
                }
                value = record.field(name) ?? .nothing
            case .list(let list): value = list[try position(key, list.count)]
            case .text(let text):
                let bytes = Array(text.utf8)
                value = .integer(Int64(bytes[try position(key, bytes.count)]))
            case .null("map[]"): value = .nothing
            case .null("[]"): _ = try position(key, 0)
            case .nothing, .null: throw .refused("index of untyped nil")
            case .boolean, .integer, .number, .record: throw .refused("can't index item of type \(value.typeName)")
            }
        }
        return value
    }

    private static func position(_ key: TemplateValue, _ count: Int, isEnd: Bool = false) throws(Failure) -> Int {
        guard case .integer(let position) = key else {
            throw .refused("cannot index slice/array with type \(key.typeName)")
        }
        guard position >= 0, position < count + (isEnd ? 1 : 0) else {
            throw .refused("index out of range: \(position)")
        }
        return Int(position)
    }

    private static func slice(_ arguments: [TemplateValue]) throws(Failure) -> TemplateValue {
        guard let value = arguments.first else { throw .wrongCount(wanted: "at least 1") }
        guard arguments.count <= 3 else { throw .refused("too many slice indexes: \(arguments.count - 1)") }
        let count = Int(try length(value))
        let start = arguments.count > 1 ? try position(arguments[1], count, isEnd: true) : 0
        let end = arguments.count > 2 ? try position(arguments[2], count, isEnd: true) : count
        guard start <= end else { throw .refused("invalid slice index: \(start) > \(end)") }
        switch value {
        case .text(let text): return .text(String(decoding: Array(text.utf8)[start..<end], as: UTF8.self))
        case .list(let list): return .list(Array(list[start..<end]))
        case .nothing, .null, .boolean, .integer, .number, .map, .record:
            throw .refused("can't slice item of type \(value.typeName)")
        }
    }
}

/// `eq`, `ne`, `lt`, `le`, `gt`, `ge`.
enum TemplateComparison {
    static func compare(_ name: String, _ arguments: [TemplateValue]) throws(TemplateFunctions.Failure) -> Bool {
        if name == "eq" {
            guard let first = arguments.first else { throw .wrongCount(wanted: "at least 1") }
            guard arguments.count > 1 else { throw .refused("missing argument for comparison") }
            for other in arguments.dropFirst() where try areEqual(first, other) { return true }
            return false
        }
        guard arguments.count == 2 else { throw .wrongCount(wanted: "2") }
        let (left, right) = (arguments[0], arguments[1])
        return switch name {
        case "ne": !(try areEqual(left, right))
        case "lt": try isLess(left, right)
        case "le": try !isLess(right, left)
        case "gt": try isLess(right, left)
        default: try !isLess(left, right)
        }
    }

    private static func areEqual(
        _ left: TemplateValue,
        _ right: TemplateValue
    ) throws(TemplateFunctions.Failure) -> Bool {
        switch (left, right) {
        case (.boolean(let left), .boolean(let right)): return left == right
        case (.integer(let left), .integer(let right)): return left == right
        case (.number(let left), .number(let right)): return left == right
        case (.text(let left), .text(let right)): return left == right
        case (.nothing, .nothing), (.null, .null), (.nothing, .null), (.null, .nothing): return true
        case (.nothing, _), (.null, _), (_, .nothing), (_, .null): return false
        default: throw .refused("incompatible types for comparison")
        }
    }

    private static func isLess(_ left: TemplateValue, _ right: TemplateValue) throws(TemplateFunctions.Failure) -> Bool
    {
        switch (left, right) {
        case (.integer(let left), .integer(let right)): return left < right
        case (.number(let left), .number(let right)): return left < right
        case (.text(let left), .text(let right)): return Array(left.utf8).lexicographicallyPrecedes(Array(right.utf8))
        case (.boolean, .boolean): throw .refused("invalid type for comparison")
        default: throw .refused("incompatible types for comparison")
        }
    }
}
