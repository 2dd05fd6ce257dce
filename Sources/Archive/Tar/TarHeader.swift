import LinuxSystem
import Text

/// One 512-byte header block, read as POSIX ustar, GNU or the format before them.
struct TarHeader {
    static let size = 512

    enum Format { case old, ustar, gnu }

    let bytes: UnsafeRawBufferPointer
    let format: Format

    /// Reads a block that is not all zeros.
    /// - Throws: `ArchiveError.invalidHeader` when the checksum is wrong.
    init(_ bytes: UnsafeRawBufferPointer) throws(ArchiveError) {
        self.bytes = bytes
        let magic = Array(bytes[257..<265])
        if magic == "ustar  \0" {
            format = .gnu
        } else if magic.prefix(6) == "ustar\0" {
            format = .ustar
        } else if magic.prefix(5) == "ustar" {
            throw .invalidHeader(reason: "unknown variant of the format", entry: nil)
        } else {
            format = .old
        }
        var unsigned: Int64 = 0
        var signed: Int64 = 0
        for (index, byte) in bytes.enumerated() {
            let counted: UInt8 = (148..<156).contains(index) ? 0x20 : byte
            unsigned += Int64(counted)
            signed += Int64(Int8(bitPattern: counted))
        }
        // Some old writers summed signed characters; both have always been accepted.
        let stored = try octal(148..<156, "checksum")
        guard stored == unsigned || stored == signed else {
            throw .invalidHeader(reason: "the checksum does not match", entry: nil)
        }
    }

    var typeFlag: UInt8 { bytes[156] }

    /// The name, with the prefix field in front where the format has one.
    var name: [UInt8] {
        let name = text(0..<100)
        guard format == .ustar else { return name }
        let prefix = text(345..<500)
        return prefix.isEmpty ? name : prefix + "/" + name
    }

    var linkName: [UInt8] { text(157..<257) }

    /// The field up to its first NUL.
    func text(_ range: Range<Int>) -> [UInt8] { Array(bytes[range].prefix { $0 != 0 }) }

    /// A number in octal, or in the GNU base-256 form.
    ///
    /// A field that is all spaces or NULs is 0.
    func number(_ range: Range<Int>, _ field: String) throws(ArchiveError) -> Int64 {
        let first = bytes[range.lowerBound]
        guard first & 0x80 != 0 else { return try octal(range, field) }
        guard first == 0x80 || first == 0xff else { throw invalid(field) }
        // Two's complement, the first bit of the first byte being only a mark.
        var value: Int64 = first == 0xff ? -1 : 0
        for byte in bytes[(range.lowerBound + 1)..<range.upperBound] {
            let (shifted, overflow) = value.multipliedReportingOverflow(by: 256)
            guard !overflow else { throw invalid(field) }
            value = shifted | Int64(byte)
        }
        return value
    }

    private func octal(_ range: Range<Int>, _ field: String) throws(ArchiveError) -> Int64 {
        var rest = bytes[range].drop { $0 == 0x20 }
        var value: Int64 = 0
        while let byte = rest.first, byte != 0, byte != 0x20 {
            guard (0x30...0x37).contains(byte) else { throw invalid(field) }
            value = value << 3 | Int64(byte - 0x30)
            rest = rest.dropFirst()
        }
        // GNU tar and Go disagree on what stands after the terminator; honest writers leave nothing there.
        guard rest.allSatisfy({ $0 == 0 || $0 == 0x20 }) else { throw invalid(field) }
        return value
    }

    private func invalid(_ field: String) -> ArchiveError {
        .invalidHeader(reason: "the \(field) is not a number", entry: text(0..<100))
    }
}
