import LinuxSystem
import Text

/// The records of a PAX extended header ("length key=value" lines).
///
/// See POSIX pax, "pax Extended Header".
struct PAXRecords {
    private(set) var records: [(key: [UInt8], value: [UInt8])] = []

    /// Parses the content of an `x` or `g` member.
    /// - Throws: `ArchiveError.invalidHeader` for anything that two readers could take differently.
    init(_ bytes: [UInt8]) throws(ArchiveError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            guard let space = rest.prefix(12).firstIndex(of: 0x20),
                let length = decimal(rest[rest.startIndex..<space]),
                length > Int64(space - rest.startIndex + 1), length <= Int64(rest.count)
            else { throw Self.damaged }
            let end = rest.startIndex + Int(length)
            let line = rest[(space + 1)..<(end - 1)]
            guard rest[end - 1] == 0x0a, let equals = line.firstIndex(of: "="), equals != line.startIndex
            else {
                throw Self.damaged
            }
            let key = Array(line[..<equals])
            let value = Array(line[(equals + 1)...])
            guard !key.contains(0) else { throw Self.damaged }
            records.append((key, value))
            rest = rest[end...]
        }
    }

    private static var damaged: ArchiveError { .invalidHeader(reason: "damaged extended header", entry: nil) }

    /// The value of a key that may stand there once; an empty one counts as missing.
    func single(_ key: String) throws(ArchiveError) -> [UInt8]? {
        let wanted = Array(key.utf8)
        let found = records.filter { $0.key == wanted }
        guard found.count <= 1 else {
            throw .invalidHeader(reason: "\(key) appears twice in the extended header", entry: nil)
        }
        guard let value = found.first?.value, !value.isEmpty else { return nil }
        return value
    }

    /// A name: not empty, without NUL.
    func name(_ key: String) throws(ArchiveError) -> [UInt8]? {
        guard records.contains(where: { $0.key == Array(key.utf8) }) else { return nil }
        guard let value = try single(key), !value.contains(0) else {
            throw .invalidHeader(reason: "\(key) in the extended header is not a name", entry: nil)
        }
        return value
    }

    /// A non-negative decimal number.
    ///
    /// Without a value it is 0 to Python, and to Go as if the key were not there.
    func number(_ key: String) throws(ArchiveError) -> Int64? {
        guard records.contains(where: { $0.key == Array(key.utf8) }) else { return nil }
        guard let text = try single(key), let value = decimal(text[...]) else {
            throw .invalidHeader(reason: "\(key) in the extended header is not a number", entry: nil)
        }
        return value
    }

    /// Seconds with a fraction; more digits than nanoseconds are cut off.
    func time(_ key: String) throws(ArchiveError) -> FileTime? {
        guard let text = try single(key) else { return nil }
        let isNegative = text.first == "-"
        let parts = text.dropFirst(isNegative ? 1 : 0).split(
            separator: ".",
            maxSplits: 1,
            omittingEmptySubsequences: false
        )
        let fraction = parts.count == 2 ? parts[1] : []
        guard let seconds = parts.first.flatMap({ decimal($0) }), fraction.allSatisfy({ (0x30...0x39).contains($0) })
        else {
            throw .invalidHeader(reason: "\(key) in the extended header is not a time", entry: nil)
        }
        let digits = Array(fraction.prefix(9)) + Array(repeating: 0x30, count: max(0, 9 - fraction.count))
        let nanoseconds = digits.reduce(Int32(0)) { $0 * 10 + Int32($1 - 0x30) }
        guard isNegative else { return FileTime(seconds: seconds, nanoseconds: nanoseconds) }
        return nanoseconds == 0
            ? FileTime(seconds: -seconds)
            : FileTime(seconds: -seconds - 1, nanoseconds: 1_000_000_000 - nanoseconds)
    }

    /// The records whose key starts with `SCHILY.xattr.`, by attribute name; of two with the same name the last.
    func extendedAttributes() -> [TarEntry.Attribute] {
        let prefix: [UInt8] = "SCHILY.xattr."
        var attributes: [[UInt8]: [UInt8]] = [:]
        for record in records where record.key.starts(with: prefix) && record.key.count > prefix.count {
            attributes[Array(record.key.dropFirst(prefix.count))] = record.value
        }
        return attributes.map { TarEntry.Attribute(name: $0.key, value: $0.value) }
            .sorted { $0.name.lexicographicallyPrecedes($1.name) }
    }
}

/// A decimal number without sign; nil for anything else and for what does not fit.
func decimal(_ text: ArraySlice<UInt8>) -> Int64? {
    guard !text.isEmpty, text.count <= 18 || text.drop(while: { $0 == 0x30 }).count <= 18 else { return nil }
    var value: Int64 = 0
    for byte in text {
        guard (0x30...0x39).contains(byte) else { return nil }
        value = value * 10 + Int64(byte - 0x30)
    }
    return value
}
