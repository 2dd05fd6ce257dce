internal import Text

/// The numbers of TOML, as words.
enum TOMLNumber {
    /// The number, or nil where the word is none or does not fit 64 bits.
    static func value(_ word: ArraySlice<UInt8>) -> TOMLValue? {
        if let (digits, radix) = prefixed(word) { return Int64(digits, radix: radix).map { .integer($0) } }
        if let digits = decimal(word) { return Int64(digits).map { .integer($0) } }
        return float(word).map { .float($0) }
    }

    /// Whether the word is an integer of any size.
    static func isInteger(_ word: ArraySlice<UInt8>) -> Bool { prefixed(word) != nil || decimal(word) != nil }

    /// The digits behind `0x`, `0o` or `0b`, which take no sign.
    private static func prefixed(_ word: ArraySlice<UInt8>) -> (digits: String, radix: Int)? {
        let rest = word.dropFirst(2)
        switch word.prefix(2) {
        case "0x": return digits(rest, where: TOMLParser.isHexDigit).map { ($0, 16) }
        case "0o": return digits(rest) { ("0"..."7").contains($0) }.map { ($0, 8) }
        case "0b": return digits(rest) { $0 == "0" || $0 == "1" }.map { ($0, 2) }
        default: return nil
        }
    }

    /// The digits with their sign; none but zero itself begins with 0.
    private static func decimal(_ word: ArraySlice<UInt8>) -> String? {
        let (sign, rest) = signed(word)
        guard let digits = digits(rest, where: isDigit), digits == "0" || !digits.hasPrefix("0") else { return nil }
        return sign + digits
    }

    private static func float(_ word: ArraySlice<UInt8>) -> Double? {
        let (sign, rest) = signed(word)
        if rest == "inf" { return sign == "-" ? -.infinity : .infinity }
        if rest == "nan" { return .nan }
        let halves = rest.split(maxSplits: 1, omittingEmptySubsequences: false) { $0 == "e" || $0 == "E" }
        let parts = halves[0].split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 || halves.count == 2, parts[0].first.map(isDigit) == true, let whole = decimal(parts[0])
        else { return nil }
        var text = sign + whole
        if parts.count == 2 {
            guard let fraction = digits(parts[1], where: isDigit) else { return nil }
            text += "." + fraction
        }
        if halves.count == 2 {
            let (exponentSign, exponent) = signed(halves[1])
            guard let digits = digits(exponent, where: isDigit) else { return nil }
            text += "e" + exponentSign + digits
        }
        return Double(text)
    }

    private static func signed(_ word: ArraySlice<UInt8>) -> (sign: String, rest: ArraySlice<UInt8>) {
        switch word.first {
        case "-": ("-", word.dropFirst())
        case "+": ("", word.dropFirst())
        default: ("", word)
        }
    }

    /// Digits without the underscores, each of which stands between two of them.
    private static func digits(_ word: ArraySlice<UInt8>, where isPermitted: (UInt8) -> Bool) -> String? {
        let groups = word.split(separator: "_", omittingEmptySubsequences: false)
        guard groups.allSatisfy({ !$0.isEmpty && $0.allSatisfy(isPermitted) }) else { return nil }
        return groups.joined().map { $0 }.displayText
    }
}

/// The dates and times of TOML, which are those of RFC 3339 with or without an offset, a date or a time of day.
struct TOMLDate {
    private var rest: ArraySlice<UInt8>

    static func isDate(_ word: ArraySlice<UInt8>) -> Bool {
        var scanner = TOMLDate(rest: word)
        if word.dropFirst(2).first == ":" { return scanner.skipTime() && scanner.rest.isEmpty }
        guard scanner.skipDay() else { return false }
        if scanner.rest.isEmpty { return true }
        guard scanner.skip("T") || scanner.skip("t") || scanner.skip(" "), scanner.skipTime() else { return false }
        return scanner.rest.isEmpty || (scanner.skipOffset() && scanner.rest.isEmpty)
    }

    /// Whether the word is a date without a time.
    static func isDay(_ word: ArraySlice<UInt8>) -> Bool {
        var scanner = TOMLDate(rest: word)
        return scanner.skipDay() && scanner.rest.isEmpty
    }

    private mutating func skipDay() -> Bool {
        guard let year = number(digits: 4, in: 0...9999), skip("-"), let month = number(digits: 2, in: 1...12),
            skip("-"), let day = number(digits: 2, in: 1...31)
        else { return false }
        let isLeapYear = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        switch month {
        case 2: return day <= (isLeapYear ? 29 : 28)
        case 4, 6, 9, 11: return day <= 30
        default: return true
        }
    }

    private mutating func skipTime() -> Bool {
        // A minute may have a leap second.
        guard number(digits: 2, in: 0...23) != nil, skip(":"), number(digits: 2, in: 0...59) != nil, skip(":"),
            number(digits: 2, in: 0...60) != nil
        else { return false }
        guard skip(".") else { return true }
        let fraction = rest.prefix(while: isDigit)
        rest = rest.dropFirst(fraction.count)
        return !fraction.isEmpty
    }

    private mutating func skipOffset() -> Bool {
        if skip("Z") || skip("z") { return true }
        return (skip("+") || skip("-")) && number(digits: 2, in: 0...23) != nil && skip(":")
            && number(digits: 2, in: 0...59) != nil
    }

    private mutating func skip(_ byte: UInt8) -> Bool {
        guard rest.first == byte else { return false }
        rest.removeFirst()
        return true
    }

    private mutating func number(digits count: Int, in range: ClosedRange<Int>) -> Int? {
        let digits = rest.prefix(count)
        guard digits.count == count, digits.allSatisfy(isDigit) else { return nil }
        let number = digits.reduce(0) { $0 * 10 + Int($1 - "0") }
        rest = rest.dropFirst(count)
        return range.contains(number) ? number : nil
    }
}
