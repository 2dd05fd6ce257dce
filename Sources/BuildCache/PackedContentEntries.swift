import BuildGraph
import OCI
internal import Text

/// Lists of files in few bytes: a COPY of 50,000 files has 50,000 entries, which JSON would make megabytes of.
///
/// Each entry is: kind (1 byte), mode, owner, group (4 bytes each, little endian), a byte that says which digests follow, these
/// (32 bytes each), the length of the path (4 bytes) and the path.
enum PackedContentEntries {
    static func pack(_ entries: [ContentEntry]) -> [UInt8] {
        var bytes: [UInt8] = []
        func append(_ number: UInt32) { withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) } }
        for entry in entries {
            bytes.append(entry.kind.rawValue)
            append(entry.mode)
            append(entry.owner)
            append(entry.group)
            bytes.append((entry.content == nil ? 0 : 1) | (entry.extendedAttributes == nil ? 0 : 2))
            for digest in [entry.content, entry.extendedAttributes].compactMap(\.self) {
                bytes.append(contentsOf: digest.bytes)
            }
            append(UInt32(entry.path.count))
            bytes.append(contentsOf: entry.path)
        }
        return bytes
    }

    /// The entries of a list that `pack` made; what is damaged is left out, as the list only explains.
    static func unpack(_ bytes: [UInt8]) -> [ContentEntry] {
        var entries: [ContentEntry] = []
        var rest = bytes[...]
        func take(_ count: Int) -> ArraySlice<UInt8>? {
            guard rest.count >= count else { return nil }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }
        func number() -> UInt32? { take(4).map { $0.reversed().reduce(0) { $0 << 8 | UInt32($1) } } }
        func digest() -> Digest? { take(32).flatMap { Digest(sha256: $0) } }
        while let kind = take(1)?.first.flatMap({ ContentEntry.Kind(rawValue: $0) }), let mode = number(),
            let owner = number(), let group = number(), let flags = take(1)?.first
        {
            let content = flags & 1 == 0 ? nil : digest()
            let attributes = flags & 2 == 0 ? nil : digest()
            guard let length = number(), let path = take(Int(length)) else { break }
            entries.append(
                ContentEntry(
                    path: Array(path),
                    kind: kind,
                    mode: mode,
                    owner: owner,
                    group: group,
                    content: content,
                    extendedAttributes: attributes
                )
            )
        }
        return entries
    }
}

extension Digest {
    /// The digest itself, two digits a byte.
    fileprivate var bytes: [UInt8] {
        let digits = Array(hex.utf8).map {
            $0 < "a" ? $0 - "0" : $0 - "a" + 10
        }
        return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}
