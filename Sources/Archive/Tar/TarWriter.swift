import LinuxSystem
import Text

/// Writes a tar archive whose bytes depend on nothing but the entries: ustar, with PAX records only where ustar has no room.
///
///     try writer.begin(entry)
///     try writer.write(content)      // exactly entry.size bytes
///     …
///     try writer.finish()
package final class TarWriter {
    private let sink: any ByteSink
    /// Content of the current entry still to come.
    private var remaining: Int64 = 0
    private var padding = 0
    private var current: [UInt8] = []

    package init(_ sink: any ByteSink) { self.sink = sink }

    /// Writes the header of an entry.
    ///
    /// Once any call has thrown, the archive is incomplete and must not be used. Times are cut to whole seconds and, before 1970, to 0; directories get a slash at their end.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func begin(_ entry: TarEntry) throws {
        try checkIsComplete()
        current = entry.path
        var path = entry.path
        if entry.kind == .directory, path.last != "/" { path.append("/") }
        let link: [UInt8] =
            switch entry.kind {
            case .symbolicLink(let target), .hardLink(let target): target
            case .regular, .directory, .characterDevice, .blockDevice, .fifo: []
            }
        let split = Self.split(path)
        var records: [(key: [UInt8], value: [UInt8])] = []
        func record(_ key: String, _ value: [UInt8]) { records.append((Array(key.utf8), value)) }
        let time = max(entry.modified.seconds, 0)
        let size = entry.kind == .regular ? entry.size : 0
        if split == nil { record("path", path) }
        if link.count > 100 { record("linkpath", link) }
        if size >= 1 << 33 { record("size", Array(String(size).utf8)) }
        if entry.userID >= 1 << 21 { record("uid", Array(String(entry.userID).utf8)) }
        if entry.groupID >= 1 << 21 { record("gid", Array(String(entry.groupID).utf8)) }
        if time >= 1 << 33 { record("mtime", Array(String(time).utf8)) }
        for attribute in entry.attributes {
            records.append(("SCHILY.xattr." + attribute.name, attribute.value))
        }
        if !records.isEmpty { try writeExtension(records, path) }

        var block = HeaderBlock()
        block.set(0, 100, split?.name ?? Array(path.prefix(100)))
        block.set(345, 155, split?.prefix ?? [])
        block.setOctal(100, 8, UInt64(entry.mode))
        block.setOctal(108, 8, entry.userID < 1 << 21 ? UInt64(entry.userID) : 0)
        block.setOctal(116, 8, entry.groupID < 1 << 21 ? UInt64(entry.groupID) : 0)
        block.setOctal(124, 12, size < 1 << 33 ? UInt64(size) : 0)
        block.setOctal(136, 12, time < 1 << 33 ? UInt64(time) : 0)
        block.set(157, 100, Array(link.prefix(100)))
        var device: (major: UInt32, minor: UInt32) = (0, 0)
        let flag: Character
        switch entry.kind {
        case .regular: flag = "0"
        case .hardLink: flag = "1"
        case .symbolicLink: flag = "2"
        case .characterDevice(let major, let minor): (flag, device) = ("3", (major, minor))
        case .blockDevice(let major, let minor): (flag, device) = ("4", (major, minor))
        case .directory: flag = "5"
        case .fifo: flag = "6"
        }
        block.set(156, 1, Array(flag.utf8))
        block.setOctal(329, 8, UInt64(device.major))
        block.setOctal(337, 8, UInt64(device.minor))
        try sink.write(block.finished())
        remaining = size
        padding = Int((512 - size % 512) % 512)
    }

    /// Writes content of the entry that was begun.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func write(_ bytes: UnsafeRawBufferPointer) throws {
        guard Int64(bytes.count) <= remaining else { throw ArchiveError.sizeChanged(entry: current) }
        try sink.write(bytes)
        remaining -= Int64(bytes.count)
        if remaining == 0, padding > 0 {
            try sink.write([UInt8](repeating: 0, count: padding))
            padding = 0
        }
    }

    /// Writes content of the entry that was begun.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }

    /// Writes the mark of the end.
    ///
    /// The sink is not finished.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func finish() throws {
        try checkIsComplete()
        try sink.write([UInt8](repeating: 0, count: 1024))
    }

    /// A size that does not hold would make every later entry unreadable.
    private func checkIsComplete() throws(ArchiveError) {
        guard remaining == 0 else { throw .sizeChanged(entry: current) }
    }

    private func writeExtension(_ records: [(key: [UInt8], value: [UInt8])], _ path: [UInt8]) throws {
        var content: [UInt8] = []
        for record in records {
            // The length counts its own digits.
            let rest = record.key.count + record.value.count + 3
            var length = rest + String(rest).utf8.count
            if rest + String(length).utf8.count != length { length = rest + String(length).utf8.count }
            content += Array(String(length).utf8) + [0x20] + record.key + "=" + record.value + [0x0a]
        }
        var block = HeaderBlock()
        let base = path.split(separator: "/").last ?? []
        block.set(0, 100, Array(("PaxHeaders.0/" + Array(base)).prefix(99)))
        block.setOctal(100, 8, 0o644)
        block.setOctal(108, 8, 0)
        block.setOctal(116, 8, 0)
        block.setOctal(124, 12, UInt64(content.count))
        block.setOctal(136, 12, 0)
        block.set(156, 1, "x")
        block.setOctal(329, 8, 0)
        block.setOctal(337, 8, 0)
        content += [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
        try sink.write(block.finished() + content)
    }

    /// The prefix and name fields of a path, or nil when it does not fit them.
    private static func split(_ path: [UInt8]) -> (prefix: [UInt8], name: [UInt8])? {
        if path.count <= 100 { return ([], path) }
        if path.count > 256 { return nil }
        // The last slash that leaves both parts small enough; the slash itself is stored nowhere.
        let candidates = path.indices.dropLast().filter { path[$0] == "/" && $0 > 0 && $0 <= 155 }
        guard let slash = candidates.last, path.count - slash - 1 <= 100 else { return nil }
        return (Array(path[..<slash]), Array(path[(slash + 1)...]))
    }
}

/// A header block that is being filled.
private struct HeaderBlock {
    private var bytes = [UInt8](repeating: 0, count: 512)

    init() {
        set(257, 8, "ustar\0" + "00")
    }

    mutating func set(_ offset: Int, _ count: Int, _ value: [UInt8]) {
        bytes.replaceSubrange(offset..<offset + min(count, value.count), with: value.prefix(count))
    }

    /// A number with leading zeros and a NUL behind it.
    mutating func setOctal(_ offset: Int, _ count: Int, _ value: UInt64) {
        let digits = Array(String(value, radix: 8).utf8)
        set(offset, count, [UInt8](repeating: 0x30, count: max(0, count - 1 - digits.count)) + digits)
    }

    /// The block with its checksum.
    consuming func finished() -> [UInt8] {
        set(148, 8, [UInt8](repeating: 0x20, count: 8))
        let sum = bytes.reduce(UInt64(0)) { $0 + UInt64($1) }
        setOctal(148, 7, sum)
        bytes[154] = 0
        return bytes
    }
}
