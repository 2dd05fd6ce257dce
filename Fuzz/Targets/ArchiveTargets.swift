internal import Archive

extension FuzzTarget {
    /// Memory that hostile input may cost.
    private static let outputLimit = 1 << 22

    static let tar = FuzzTarget("tar", maximumSize: 8192) { try read($0) }

    /// The content of an extended header, before a member that it is about.
    static let paxHeader = FuzzTarget("pax-header", maximumSize: 1024) { bytes in
        try read(member("x", bytes) + member("0", Array("content".utf8)) + [UInt8](repeating: 0, count: 1024))
    }

    static let gzip = FuzzTarget("gzip") { _ = try GzipSource(MemorySource($0)).readToEnd(limit: outputLimit) }
    static let zstd = FuzzTarget("zstd") { _ = try ZstdSource(MemorySource($0)).readToEnd(limit: outputLimit) }
    static let xz = FuzzTarget("xz") { _ = try XZSource(MemorySource($0)).readToEnd(limit: outputLimit) }
    static let bzip2 = FuzzTarget("bzip2") { _ = try Bzip2Source(MemorySource($0)).readToEnd(limit: outputLimit) }

    /// Reads an archive to its end.
    private static func read(_ bytes: [UInt8]) throws {
        let reader = TarReader(MemorySource(bytes))
        var count = 0
        while let entry = try reader.next() {
            try promise(!entry.path.contains(0), "a name with a NUL byte")
            var size = 0
            while let content = try reader.nextContent() { size += content.bytes.count }
            try promise(size <= bytes.count, "more content than input")
            count += 1
            try promise(count <= bytes.count / 512 + 1, "more members than headers")
        }
    }

    /// One member with a header that is in order.
    private static func member(_ type: Character, _ content: [UInt8]) -> [UInt8] {
        var header = [UInt8](repeating: 0, count: 512)
        func put(_ text: String, at offset: Int) {
            header.replaceSubrange(offset..<(offset + text.utf8.count), with: text.utf8)
        }
        func octal(_ value: Int, digits: Int) -> String {
            let text = String(value, radix: 8)
            return String(repeating: "0", count: digits - text.count) + text
        }
        put("name", at: 0)
        put(octal(0o644, digits: 7), at: 100)
        put(octal(0, digits: 7), at: 108)
        put(octal(0, digits: 7), at: 116)
        put(octal(content.count, digits: 11), at: 124)
        put(octal(0, digits: 11), at: 136)
        put("        ", at: 148)
        put(String(type), at: 156)
        put("ustar", at: 257)
        put("00", at: 263)
        put(octal(header.reduce(0) { $0 + Int($1) }, digits: 6) + "\0", at: 148)
        let padding = [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
        return header + content + padding
    }
}
