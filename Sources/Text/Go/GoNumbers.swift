internal import Glibc

/// Numbers as Go's fmt package prints them.
package enum GoNumbers {
    /// `%.Ng`: so many significant digits without trailing zeros, with an exponent where the number needs one.
    package static func general(_ number: Double, precision: Int) -> String {
        if number == 0 { return "0" }
        if !number.isFinite { return number.isNaN ? "NaN" : number < 0 ? "-Inf" : "+Inf" }
        let precision = max(precision, 1)
        var exponent = Int(log10(abs(number)).rounded(.down))
        // Rounding may carry into one more digit: 999.9 with three digits is 1.00e+03.
        let rounded = fixed(abs(number) / pow(10, Double(exponent)), decimals: precision - 1)
        if rounded.hasPrefix("10") { exponent += 1 }
        if exponent < -4 || exponent >= precision {
            let mantissa = stripZeros(fixed(number / pow(10, Double(exponent)), decimals: precision - 1))
            return mantissa + exponentText(exponent)
        }
        return stripZeros(fixed(number, decimals: precision - 1 - exponent))
    }

    /// The shortest digits that read back as the same number.
    ///
    /// An exponent is written from the power of ten `exponentFrom`, which is 6 for `%v` and 21 for JSON.
    package static func shortest(_ number: Double, exponentFrom: Int = 6) -> String {
        if number == 0 { return number.sign == .minus ? "-0" : "0" }
        if !number.isFinite { return general(number, precision: 6) }
        for precision in 1...17 {
            let text = scientific(number, decimals: precision - 1)
            guard Double(text) == number else { continue }
            let exponent = Int(text.split(separator: "e").last ?? "0") ?? 0
            if exponent < -4 || exponent >= exponentFrom {
                let parts = text.split(separator: "e")
                return stripZeros(String(parts[0])) + exponentText(exponent)
            }
            return stripZeros(fixed(number, decimals: max(0, precision - 1 - exponent)))
        }
        return "\(number)"
    }

    /// `%.Ne`.
    package static func scientific(_ number: Double, decimals: Int) -> String {
        if number == 0 { return fixed(0, decimals: decimals) + "e+00" }
        var exponent = Int(log10(abs(number)).rounded(.down))
        var mantissa = fixed(number / pow(10, Double(exponent)), decimals: decimals)
        if mantissa.drop(while: { $0 == "-" }).hasPrefix("10") {
            exponent += 1
            mantissa = fixed(number / pow(10, Double(exponent)), decimals: decimals)
        }
        return mantissa + exponentText(exponent)
    }

    /// `%.Nf`.
    package static func fixed(_ number: Double, decimals: Int) -> String {
        withVaList([CInt(max(0, decimals)), number]) { arguments in
            var buffer = [CChar](repeating: 0, count: 400)
            let count = vsnprintf(&buffer, buffer.count, "%.*f", arguments)
            return String(decoding: buffer.prefix(Int(max(0, count))).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }

    private static func exponentText(_ exponent: Int) -> String {
        let digits = "\(abs(exponent))"
        return (exponent < 0 ? "e-" : "e+") + (digits.count < 2 ? "0" : "") + digits
    }

    private static func stripZeros(_ text: String) -> String {
        guard text.contains(".") else { return text }
        var text = text
        while text.hasSuffix("0") { text.removeLast() }
        if text.hasSuffix(".") { text.removeLast() }
        return text
    }
}
