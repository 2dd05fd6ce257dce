internal import Text

/// `print`, `println` and `printf` of Go's fmt package.
enum TemplatePrinting {
    /// Values after each other, with a space between two that are no texts.
    static func print(_ values: [TemplateValue]) -> String {
        var result = ""
        for (index, value) in values.enumerated() {
            if index > 0, !isText(values[index - 1]), !isText(value) { result += " " }
            result += value.printedInside
        }
        return result
    }

    static func printLine(_ values: [TemplateValue]) -> String {
        values.map(\.printedInside).joined(separator: " ") + "\n"
    }

    private static func isText(_ value: TemplateValue) -> Bool {
        if case .text = value { return true }
        return false
    }

    /// One `%-10.3s`.
    private struct Verb {
        var minus = false
        var plus = false
        var sharp = false
        var space = false
        var zero = false
        var width: Int?
        var precision: Int?
        var letter: Character = "v"

        mutating func setFlag(_ character: Character) -> Bool {
            switch character {
            case "-": minus = true
            case "+": plus = true
            case "#": sharp = true
            case " ": space = true
            case "0": zero = true
            default: return false
            }
            return true
        }
    }

    static func format(_ format: String, _ arguments: [TemplateValue]) -> String {
        var result = ""
        var rest = Array(format)[...]
        var next = arguments[...]
        while let character = rest.popFirst() {
            guard character == "%" else {
                result.append(character)
                continue
            }
            var verb = Verb()
            while let flag = rest.first, verb.setFlag(flag) { rest = rest.dropFirst() }
            verb.width = number(&rest)
            if rest.first == "." {
                rest = rest.dropFirst()
                verb.precision = number(&rest) ?? 0
            }
            guard let letter = rest.popFirst() else {
                result += "%!(NOVERB)"
                break
            }
            verb.letter = letter
            if letter == "%" {
                result += "%"
            } else if let value = next.popFirst() {
                result += text(value, verb)
            } else {
                result += "%!\(letter)(MISSING)"
            }
        }
        if !next.isEmpty {
            result += "%!(EXTRA " + next.map { "\($0.typeName)=\($0.printedInside)" }.joined(separator: ", ") + ")"
        }
        return result
    }

    private static func number(_ rest: inout ArraySlice<Character>) -> Int? {
        let digits = rest.prefix { $0.isASCII && $0.isNumber }
        rest = rest.dropFirst(digits.count)
        return Int(String(digits)).map { min($0, 10_000) }
    }

    private static func text(_ value: TemplateValue, _ verb: Verb) -> String {
        let mismatch = "%!\(verb.letter)(\(value.typeName)=\(value.printedInside))"
        switch (verb.letter, value) {
        case ("T", _): return padded(value.typeName, verb)
        case ("v", .integer(let number)): return padded(integer(number, 10, verb), verb, isNumber: true)
        case ("v", .number(let number)): return padded(signed(GoNumbers.shortest(number), verb), verb, isNumber: true)
        case ("v", .text(let text)) where verb.sharp: return padded(quoted(text), verb)
        case ("v", _): return padded(value.printedInside, verb)
        case ("t", .boolean(let flag)): return padded(flag ? "true" : "false", verb)
        case ("d", .integer(let number)): return padded(integer(number, 10, verb), verb, isNumber: true)
        case ("b", .integer(let number)): return padded(integer(number, 2, verb), verb, isNumber: true)
        case ("o", .integer(let number)): return padded(integer(number, 8, verb), verb, isNumber: true)
        case ("x", .integer(let number)): return padded(integer(number, 16, verb), verb, isNumber: true)
        case ("X", .integer(let number)): return padded(integer(number, 16, verb).uppercased(), verb, isNumber: true)
        case ("c", .integer(let number)): return padded(scalarText(number), verb)
        case ("q", .integer(let number)): return padded("'\(scalarText(number))'", verb)
        case ("U", .integer(let number)):
            let digits = String(number, radix: 16, uppercase: true)
            return padded("U+" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits, verb)
        case ("f", .number(let number)), ("F", .number(let number)):
            return padded(signed(GoNumbers.fixed(number, decimals: verb.precision ?? 6), verb), verb, isNumber: true)
        case ("e", .number(let number)), ("E", .number(let number)):
            let text = signed(GoNumbers.scientific(number, decimals: verb.precision ?? 6), verb)
            return padded(verb.letter == "E" ? text.uppercased() : text, verb, isNumber: true)
        case ("g", .number(let number)), ("G", .number(let number)):
            let text = signed(
                verb.precision.map { GoNumbers.general(number, precision: $0) } ?? GoNumbers.shortest(number),
                verb
            )
            return padded(verb.letter == "G" ? text.uppercased() : text, verb, isNumber: true)
        case ("s", .text(let text)): return padded(clipped(text, verb), verb)
        case ("q", .text(let text)): return padded(quoted(clipped(text, verb)), verb)
        case ("x", .text(let text)): return padded(hexadecimal(text), verb)
        case ("X", .text(let text)): return padded(hexadecimal(text).uppercased(), verb)
        case ("s", .list), ("s", .map), ("s", .record), ("s", .null): return padded(value.printedInside, verb)
        case ("q", .list(let list)):
            return padded("[" + list.map { text($0, Verb(letter: "q")) }.joined(separator: " ") + "]", verb)
        default: return mismatch
        }
    }

    private static func integer(_ number: Int64, _ radix: Int, _ verb: Verb) -> String {
        let digits = String(number.magnitude, radix: radix)
        let prefix = verb.sharp ? [2: "0b", 8: "0", 16: "0x"][radix] ?? "" : ""
        let zeros = String(repeating: "0", count: max(0, (verb.precision ?? 0) - digits.count))
        return signed((number < 0 ? "-" : "") + prefix + zeros + digits, verb)
    }

    private static func signed(_ text: String, _ verb: Verb) -> String {
        if text.hasPrefix("-") || text.hasPrefix("+") { return text }
        return verb.plus ? "+" + text : verb.space ? " " + text : text
    }

    private static func clipped(_ text: String, _ verb: Verb) -> String {
        guard let precision = verb.precision else { return text }
        return String(String.UnicodeScalarView(text.unicodeScalars.prefix(precision)))
    }

    private static func scalarText(_ number: Int64) -> String {
        UInt32(exactly: number).flatMap(Unicode.Scalar.init).map { String($0) } ?? "\u{fffd}"
    }

    private static func hexadecimal(_ text: String) -> String {
        text.utf8.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    private static func padded(_ text: String, _ verb: Verb, isNumber: Bool = false) -> String {
        let missing = max(0, (verb.width ?? 0) - text.unicodeScalars.count)
        if missing == 0 { return text }
        if verb.minus { return text + String(repeating: " ", count: missing) }
        guard verb.zero else { return String(repeating: " ", count: missing) + text }
        let zeros = String(repeating: "0", count: missing)
        guard isNumber, let sign = text.first, "+- ".contains(sign) else { return zeros + text }
        return String(sign) + zeros + text.dropFirst()
    }
}
