// Names, paths, arguments and logs are bytes (docs/decisions). With these conformances they are written as text is.

/// An ASCII character as a byte: `byte == "/"`, `case "a"..."z":`.
extension UInt8: @retroactive ExpressibleByUnicodeScalarLiteral {
    /// The byte of an ASCII character; any other character is a bug in the source and stops the program.
    @_transparent
    public init(unicodeScalarLiteral scalar: Unicode.Scalar) {
        self.init(ascii: scalar)
    }
}

/// A literal as its UTF-8 bytes: `path == "/proc"`, `["sh", "-c"]` as a list of arguments, `name + ".lock"`.
///
/// Interpolation takes bytes as they are: `"\(name)=\(value)"`.
extension Array: @retroactive ExpressibleByUnicodeScalarLiteral,
    @retroactive ExpressibleByExtendedGraphemeClusterLiteral,
    @retroactive ExpressibleByStringLiteral, @retroactive ExpressibleByStringInterpolation
where Element == UInt8 {
    /// Takes the UTF-8 bytes of the literal.
    @inlinable
    public init(stringLiteral text: StaticString) {
        self = text.withUTF8Buffer { Array($0) }
    }

    /// Takes the bytes that the interpolation has collected.
    @inlinable
    public init(stringInterpolation interpolation: ByteInterpolation) { self = interpolation.bytes }
}

/// A literal as its UTF-8 bytes, so that a part of an array is compared as the whole is: `path.suffix(4) == ".git"`.
extension ArraySlice: @retroactive ExpressibleByUnicodeScalarLiteral,
    @retroactive ExpressibleByExtendedGraphemeClusterLiteral, @retroactive ExpressibleByStringLiteral
where Element == UInt8 {
    /// Takes the UTF-8 bytes of the literal.
    @inlinable
    public init(stringLiteral text: StaticString) { self = [UInt8](stringLiteral: text)[...] }
}

/// Collects the bytes of a literal with interpolations.
public struct ByteInterpolation: StringInterpolationProtocol {
    @usableFromInline var bytes: [UInt8] = []

    /// Starts with room for the literal parts, and some for the others.
    @inlinable
    public init(literalCapacity: Int, interpolationCount: Int) {
        bytes.reserveCapacity(literalCapacity + 16 * interpolationCount)
    }

    /// Adds a literal part.
    @inlinable
    public mutating func appendLiteral(_ text: StaticString) {
        text.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    /// Adds bytes as they are.
    @inlinable
    public mutating func appendInterpolation(_ part: some Collection<UInt8>) { bytes.append(contentsOf: part) }

    /// Adds text as UTF-8.
    @inlinable
    public mutating func appendInterpolation(_ text: some StringProtocol) { bytes.append(contentsOf: text.utf8) }

    /// Adds a number in decimal digits.
    ///
    /// A byte is refused: whether it means a character or a number, the caller has to say.
    @inlinable
    public mutating func appendInterpolation(_ number: some FixedWidthInteger) {
        bytes.append(contentsOf: String(number).utf8)
    }

    @available(*, unavailable, message: "interpolate [byte] for a character, Int(byte) for a number")
    public mutating func appendInterpolation(_ byte: UInt8) {}
}

extension Collection where Element == UInt8 {
    /// Whether the first bytes are those of a literal: `variable.starts(with: "PATH=")`.
    @inlinable
    public func starts(with text: StaticString) -> Bool {
        text.withUTF8Buffer { starts(with: $0) }
    }
}

// The operators of the standard library take any sequence on one side, which leaves a literal on that side a String.
extension Array where Element == UInt8 {
    /// Both, one after the other.
    @inlinable
    public static func + (left: Self, right: Self) -> Self {
        var both = left
        both.reserveCapacity(left.count + right.count)
        both.append(contentsOf: right)
        return both
    }

    /// Appends the bytes on the right.
    @inlinable
    public static func += (left: inout Self, right: Self) { left.append(contentsOf: right) }
}
