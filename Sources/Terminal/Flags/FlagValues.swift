internal import LinuxSystem
package import Text

/// What flag values mean: the parsers that commands share.
package enum FlagValues {
    /// The spellings that Go's flag packages accept.
    package static func boolean(_ bytes: [UInt8]) throws(FlagValueError) -> Bool {
        guard let value = parsedBoolean(String(decoding: bytes, as: UTF8.self)) else {
            throw FlagValueError("it is neither true nor false")
        }
        return value
    }

    package static func text(_ bytes: [UInt8]) throws(FlagValueError) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw FlagValueError("it is not valid UTF-8")
        }
        return text
    }

    package static func integer(_ bytes: [UInt8]) throws(FlagValueError) -> Int {
        guard let number = Int(try text(bytes)) else { throw FlagValueError("it is not a whole number") }
        return number
    }

    /// A number of bytes as Docker reads it: binary units, so that `1k` is 1024; `-1` where `allowsUnlimited`.
    package static func size(_ bytes: [UInt8], allowsUnlimited: Bool) throws(FlagValueError) -> Int64 {
        let text = try FlagValues.text(bytes)
        if allowsUnlimited, text == "-1" { return -1 }
        guard let size = parsedByteCount(text) else { throw FlagValueError("invalid size: '\(text)'") }
        return size
    }

    /// A decimal number, as the value of `--cpus`.
    package static func decimal(_ bytes: [UInt8]) throws(FlagValueError) -> Double {
        guard let number = Double(try text(bytes)), number.isFinite else {
            throw FlagValueError("it is not a decimal number")
        }
        return number
    }

    /// A list in one value, with CSV quoting: `a,b` and `"a,b",c`.
    package static func commaSeparated(_ bytes: [UInt8]) throws(FlagValueError) -> [[UInt8]] {
        if bytes.isEmpty { return [[]] }
        do throws(CommaSeparatedError) {
            return try commaSeparatedFields(bytes)
        } catch {
            switch error {
            case .textAfterQuote: throw FlagValueError("text follows the closing quote of a field")
            case .bareQuote: throw FlagValueError("a quote stands inside an unquoted field")
            case .openQuote: throw FlagValueError("a quoted field has no end")
            }
        }
    }

    /// `key=value` pairs of one value, as `type=local,dest=out`; a field without `=` has an empty value.
    package static func fields(_ bytes: [UInt8]) throws(FlagValueError) -> [(key: String, value: [UInt8]?)] {
        var pairs: [(key: String, value: [UInt8]?)] = []
        for field in try commaSeparated(bytes) {
            let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let key = parts.first, !key.isEmpty else {
                throw FlagValueError("\"\(escapedForDisplay(field))\" is not a key=value field")
            }
            pairs.append((try text(Array(key)), parts.count > 1 ? Array(parts[1]) : nil))
        }
        return pairs
    }

    /// A limit of setrlimit(2), `name=soft[:hard]` with ulimit's names; -1 is no limit.
    package static func limit(_ bytes: [UInt8]) throws(FlagValueError) -> LimitText {
        let text = try FlagValues.text(bytes)
        do throws(LimitTextError) { return try LimitText(parsing: text) } catch {
            throw FlagValueError(error.description)
        }
    }

    /// A duration as Go writes it: `90s`, `1h30m`, `1.5h`; a bare 0 is accepted.
    ///
    /// Seconds.
    package static func seconds(_ bytes: [UInt8]) throws(FlagValueError) -> Double {
        guard let seconds = secondsOfDuration(try text(bytes)) else {
            throw FlagValueError("it is not a duration such as 90s or 1h30m")
        }
        return seconds
    }
}

/// One `--filter name=value`.
package struct ListFilter: Sendable, Hashable {
    package let name: String
    package let value: String

    package init(name: String, value: String) {
        self.name = name
        self.value = value
    }

    /// Parses the value of `--filter`; names are compared without case and surrounding space, as Docker does.
    package init(parsing bytes: [UInt8]) throws(FlagValueError) {
        let text = try FlagValues.text(bytes)
        guard let separator = text.firstIndex(of: "=") else {
            throw FlagValueError("bad format of filter (expected name=value)")
        }
        name = String(text[..<separator]).trimmed.lowercased()
        value = String(text[text.index(after: separator)...]).trimmed
    }
}
