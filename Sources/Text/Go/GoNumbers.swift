/// Numbers as Go's fmt package prints them.
package enum GoNumbers {
    /// `%.Ng`: so many significant digits without trailing zeros, with an exponent where the number needs one.
    package static func general(_ number: Double, precision: Int) -> String {
        if number == 0 { return "0" }
        if !number.isFinite { return number.isNaN ? "NaN" : number < 0 ? "-Inf" : "+Inf" }
        let precision = max(precision, 1)
        let parts = scientific(number, decimals: precision - 1).split(separator: "e")
        let exponent = parts.last.flatMap { Int($0) } ?? 0
        if exponent < -4 || exponent >= precision { return stripZeros(String(parts[0])) + exponentText(exponent) }
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
        numberText(number == 0 ? 0 : number, .scientific, decimals: decimals)
    }

    /// `%.Nf`.
    package static func fixed(_ number: Double, decimals: Int) -> String {
        numberText(number, .fixed, decimals: decimals)
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
