internal import Glibc

/// How a number with a fraction is written.
enum NumberForm: Sendable {
    /// `%.Nf` of printf(3).
    case fixed
    /// `%.Ne` of printf(3).
    case scientific
}

/// A number rounded to so many digits after the point.
///
/// See printf(3): the C library rounds the exact value, which arithmetic on `Double` cannot.
func numberText(_ number: Double, _ form: NumberForm, decimals: Int) -> String {
    withVaList([CInt(clamping: max(0, decimals)), number]) { arguments in
        // Without an exponent the largest number has 309 digits.
        var buffer = [CChar](repeating: 0, count: 320 + min(max(0, decimals), 1100))
        let count = vsnprintf(&buffer, buffer.count, form == .fixed ? "%.*f" : "%.*e", arguments)
        let written = buffer.prefix(min(Int(max(0, count)), buffer.count - 1))
        return String(decoding: written.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
