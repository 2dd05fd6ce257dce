import LinuxSystem
import OCI
internal import Text

/// One line of an estargz layer's table of contents: a member of the archive, or a further chunk of a file.
struct EstargzEntry {
    private let name: [UInt8]
    private let kind: Kind
    /// Which gzip member the content begins, or nil.
    var member: Int?
    /// Of the whole file.
    var digest: Digest?
    /// 0 where it goes to the end of the file.
    var chunkSize: Int64 = 0
    var chunkDigest: Digest?

    private enum Kind {
        case member(TarEntry)
        case chunk(offset: Int64)
    }

    init(_ entry: TarEntry) {
        name = entry.path
        kind = .member(entry)
    }

    init(chunkOf path: [UInt8], at offset: Int64) {
        name = path
        kind = .chunk(offset: offset)
    }

    /// The entry as the table has it, its members in the order of other writers; what is 0 or empty is left out.
    /// - Parameter starts: where each gzip member begins.
    /// - Returns: an object.
    func document(members starts: [Int64]) -> JSONValue {
        var fields = [JSONValue.Member("name", text(name))]
        func number(_ key: String, _ value: Int64) {
            if value != 0 { fields.append(.init(key, .number(Int(value)))) }
        }
        func digest(_ key: String, _ value: Digest?) {
            if let value { fields.append(.init(key, .string(value.description))) }
        }
        let offset = member.map { starts[$0] } ?? 0
        switch kind {
        case .member(let entry):
            fields.append(.init("type", .string(Self.type(of: entry.kind))))
            number("size", entry.size)
            if entry.modified.seconds != 0 { fields.append(.init("modtime", .string(Self.time(entry.modified)))) }
            switch entry.kind {
            case .symbolicLink(let target), .hardLink(let target): fields.append(.init("linkName", text(target)))
            case .regular, .directory, .characterDevice, .blockDevice, .fifo: break
            }
            number("mode", Int64(entry.mode))
            number("uid", Int64(entry.userID))
            number("gid", Int64(entry.groupID))
            number("offset", offset)
            switch entry.kind {
            case .characterDevice(let major, let minor), .blockDevice(let major, let minor):
                number("devMajor", Int64(major))
                number("devMinor", Int64(minor))
            case .regular, .directory, .symbolicLink, .hardLink, .fifo: break
            }
            if !entry.attributes.isEmpty {
                let attributes = entry.attributes.map {
                    JSONValue.Member(String(decoding: $0.name, as: UTF8.self), .bytes($0.value))
                }
                fields.append(.init("xattrs", .object(attributes)))
            }
            digest("digest", self.digest)
        case .chunk(let start):
            fields.append(.init("type", .string("chunk")))
            number("offset", offset)
            number("chunkOffset", start)
        }
        number("chunkSize", chunkSize)
        digest("chunkDigest", chunkDigest)
        return .object(fields)
    }

    private func text(_ bytes: [UInt8]) -> JSONValue { .string(String(decoding: bytes, as: UTF8.self)) }

    private static func type(of kind: TarEntry.Kind) -> String {
        switch kind {
        case .regular: "reg"
        case .directory: "dir"
        case .symbolicLink: "symlink"
        case .hardLink: "hardlink"
        case .characterDevice: "char"
        case .blockDevice: "block"
        case .fifo: "fifo"
        }
    }

    /// RFC 3339 in whole seconds, as archives have it.
    private static func time(_ time: FileTime) -> String { FileTime(seconds: time.seconds).rfc3339 }
}
