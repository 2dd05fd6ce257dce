/// Text as Unicode scalars, so that `?` in a pattern means one character; a byte that is not UTF-8 counts as one character
/// of its own, above every scalar, and comes back as that byte.
package struct ScalarText {
    static let invalidBase: UInt32 = 0x11_0000

    package var scalars: [UInt32]

    package init(_ bytes: some RandomAccessCollection<UInt8>) {
        scalars = []
        scalars.reserveCapacity(bytes.count)
        var rest = bytes[...]
        while let byte = rest.first {
            guard byte >= 0x80 else {
                scalars.append(UInt32(byte))
                rest.removeFirst()
                continue
            }
            var decoder = UTF8()
            var iterator = rest.prefix(4).makeIterator()
            if case .scalarValue(let scalar) = decoder.decode(&iterator) {
                scalars.append(scalar.value)
                rest.removeFirst(UTF8.width(scalar))
            } else {
                scalars.append(Self.invalidBase + UInt32(byte))
                rest.removeFirst()
            }
        }
    }

    package static func bytes(of scalars: some Sequence<UInt32>) -> [UInt8] {
        var bytes: [UInt8] = []
        for value in scalars {
            if value < 0x80 {
                bytes.append(UInt8(value))
            } else if let scalar = Unicode.Scalar(value) {
                bytes.append(contentsOf: Array(String(Character(scalar)).utf8))
            } else {
                bytes.append(UInt8(truncatingIfNeeded: value - invalidBase))
            }
        }
        return bytes
    }
}
