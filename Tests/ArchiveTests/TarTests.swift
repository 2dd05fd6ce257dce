import Archive
import LinuxSystem
import Testing

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

/// A header block as an attacker or an old program would write it: any field can be overridden.
func rawHeader(_ name: String, type: Character = "0", size: Int = 0, change: (inout [UInt8]) -> Void = { _ in })
    -> [UInt8]
{
    var block = [UInt8](repeating: 0, count: 512)
    func set(_ offset: Int, _ text: String) {
        block.replaceSubrange(offset..<offset + text.utf8.count, with: text.utf8)
    }
    func octal(_ value: Int, _ width: Int) -> String {
        let digits = String(value, radix: 8)
        return String(repeating: "0", count: width - digits.count) + digits
    }
    set(0, name)
    set(100, "0000644\0")
    set(108, "0000000\0")
    set(116, "0000000\0")
    set(124, octal(size, 11))
    set(136, "00000000000\0")
    set(156, String(type))
    set(257, "ustar\0" + "00")
    change(&block)
    block.replaceSubrange(148..<156, with: bytes("        "))
    let sum = block.reduce(0) { $0 + Int($1) }
    set(148, octal(sum, 6) + "\0 ")
    return block
}

func padded(_ content: [UInt8]) -> [UInt8] {
    content + [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
}

func pax(_ records: [(String, String)], type: Character = "x") -> [UInt8] {
    var content: [UInt8] = []
    for (key, value) in records {
        var length = key.utf8.count + value.utf8.count + 3
        length += String(length + String(length).count).count
        content += bytes("\(length) \(key)=\(value)\n")
    }
    return rawHeader("PaxHeader", type: type, size: content.count) + padded(content)
}

let endOfArchive = [UInt8](repeating: 0, count: 1024)

struct Member: Hashable, Sendable {
    var entry: TarEntry
    var content: [UInt8]
}

@available(*, noasync)
func readAll(_ archive: [UInt8], limits: ArchiveLimits = ArchiveLimits()) throws -> [Member] {
    let reader = TarReader(MemorySource(archive), limits: limits)
    var members: [Member] = []
    while let entry = try reader.next() {
        var content = [UInt8](repeating: 0, count: Int(entry.size))
        while let piece = try reader.nextContent() {
            content.replaceSubrange(Int(piece.offset)..<Int(piece.offset) + piece.bytes.count, with: piece.bytes)
        }
        members.append(Member(entry: entry, content: content))
    }
    return members
}

@Suite struct `Tar archives` {
    @Test func `an empty file without a name, as some writers begin with, is skipped`() throws {
        let members = try readAll(rawHeader("") + rawHeader("a") + rawHeader("") + endOfArchive)
        #expect(members.map(\.entry.path) == [bytes("a")])
    }

    @Test(
        arguments: [
            (rawHeader("a"), true), (rawHeader("", type: "5"), true), (rawHeader("a", type: "Z"), true),
            (rawHeader("a") { $0[0] = 0 }, true), (endOfArchive, false), ([], false), (bytes("no archive"), false),
            (Array(rawHeader("a").dropLast()), false), ([1] + rawHeader("a").dropFirst(), false),
        ] as [([UInt8], Bool)]
    )
    func `an archive is told by its first header, sound or not`(content: [UInt8], expected: Bool) throws {
        #expect(try TarReader(MemorySource(content)).beginsWithHeader() == expected)
        #expect(
            try TarReader(MemorySource(content + padded([7]))).beginsWithHeader() == expected || content.count < 512
        )
    }

    @Test func `what was written is read back`() async throws {
        let long = bytes(String(repeating: "directory/", count: 30) + "file")
        let members: [Member] = [
            Member(entry: TarEntry(path: bytes("dir/"), kind: .directory, mode: 0o1777), content: []),
            Member(entry: TarEntry(path: bytes("dir/empty"), kind: .regular), content: []),
            Member(
                entry: TarEntry(
                    path: [0xff, 0xcc, 0x81, 0x0a],
                    kind: .regular,
                    mode: 0o4755,
                    userID: 3_000_000,
                    groupID: 4_294_967_294,
                    size: 700,
                    modified: FileTime(seconds: 1_700_000_000),
                    attributes: [
                        .init(name: bytes("security.capability"), value: [1, 0, 0, 2, 0, 0xa, 0]),
                        .init(name: bytes("user.empty"), value: []),
                    ]
                ),
                content: sampleBytes(700)
            ),
            Member(entry: TarEntry(path: long, kind: .regular, size: 3), content: [1, 2, 3]),
            Member(entry: TarEntry(path: long + [0x32], kind: .hardLink(target: long)), content: []),
            Member(entry: TarEntry(path: bytes("link"), kind: .symbolicLink(target: bytes("/a/../b"))), content: []),
            Member(entry: TarEntry(path: bytes("null"), kind: .characterDevice(major: 1, minor: 3)), content: []),
            Member(entry: TarEntry(path: bytes("disk"), kind: .blockDevice(major: 259, minor: 1_048_575)), content: []),
            Member(entry: TarEntry(path: bytes("pipe"), kind: .fifo), content: []),
        ]
        let read = try await blocking {
            let sink = MemorySink()
            let writer = TarWriter(sink)
            for member in members {
                try writer.begin(member.entry)
                try writer.write(member.content)
            }
            try writer.finish()
            #expect(sink.bytes.count.isMultiple(of: 512))
            return try readAll(sink.bytes)
        }
        #expect(read == members)
    }

    @Test func `extensions apply to the next member only`() async throws {
        let archive =
            pax([("path", "renamed"), ("mtime", "12.5"), ("SCHILY.xattr.user.a", "b")])
            + rawHeader("short", size: 2) + padded([1, 2]) + rawHeader("plain") + endOfArchive
        let members = try await blocking { try readAll(archive) }
        #expect(members.map(\.entry.path) == [bytes("renamed"), bytes("plain")])
        #expect(members[0].entry.modified == FileTime(seconds: 12, nanoseconds: 500_000_000))
        #expect(members[0].entry.attributes == [.init(name: bytes("user.a"), value: bytes("b"))])
        #expect(members[1].entry.attributes.isEmpty)
    }

    @Test func `a GNU long name replaces the header's`() async throws {
        let name = String(repeating: "n", count: 300)
        let archive =
            rawHeader("././@LongLink", type: "L", size: 301) + padded(bytes(name + "\0"))
            + rawHeader("nnn", size: 1) + padded([7]) + endOfArchive
        let members = try await blocking { try readAll(archive) }
        #expect(members.map(\.entry.path) == [bytes(name)])
        #expect(members[0].content == [7])
    }

    @Test func `the size of an extension is the one that counts`() async throws {
        // CVE-2025-62518: a reader that skips by the ustar size sees the members inside the content.
        let inner = rawHeader("smuggled", size: 0)
        let archive = pax([("size", "512")]) + rawHeader("outer", size: 0) + inner + endOfArchive
        let members = try await blocking { try readAll(archive) }
        #expect(members.map(\.entry.path) == [bytes("outer")])
        #expect(members[0].content == inner)
    }

    @Test func `a last member without its padding is whole, as umoci and Go have it`() async throws {
        let members = try await blocking { try readAll(rawHeader("a", size: 3) + [1, 2, 3]) }
        #expect(members.map(\.content) == [[1, 2, 3]])
        let padded = try await blocking { try readAll(rawHeader("a", size: 3) + [1, 2, 3, 0, 0]) }
        #expect(padded.count == 1)
    }

    static let refused: [(String, [UInt8])] = [
        ("sizes that disagree", pax([("size", "512")]) + rawHeader("a", size: 100) + padded([1]) + endOfArchive),
        ("two paths in one extension", pax([("path", "a"), ("path", "b")]) + rawHeader("c") + endOfArchive),
        ("NUL in a path", pax([("path", "a\0b")]) + rawHeader("c") + endOfArchive),
        ("an empty path", pax([("path", "")]) + rawHeader("c") + endOfArchive),
        (
            "an extension before an extension",
            pax([("path", "a")]) + pax([("path", "b")]) + rawHeader("c") + endOfArchive
        ),
        (
            "a long name and a path",
            rawHeader("L", type: "L", size: 2) + padded(bytes("l\0")) + pax([("path", "p")]) + rawHeader("c")
                + endOfArchive
        ),
        ("a long name before the end", rawHeader("L", type: "L", size: 2) + padded(bytes("l\0")) + endOfArchive),
        ("an extension before the end", pax([("path", "a")]) + endOfArchive),
        ("a global path", pax([("path", "a")], type: "g") + rawHeader("c") + endOfArchive),
        (
            "a wrong checksum",
            {
                var block = rawHeader("a"); block[0] = 0x62; return block + endOfArchive
            }()
        ),
        ("an unknown type", rawHeader("a", type: "Q") + endOfArchive),
        ("a directory with content", rawHeader("a/", type: "5", size: 512) + padded([1]) + endOfArchive),
        ("a link with content", rawHeader("a", type: "2", size: 5) { $0[157] = 0x62 } + padded([1]) + endOfArchive),
        (
            "a negative size",
            rawHeader("a") { $0.replaceSubrange(124..<136, with: [UInt8](repeating: 0xff, count: 12)) } + endOfArchive
        ),
        (
            "a size beyond 64 bits",
            rawHeader("a") { $0.replaceSubrange(124..<136, with: [0x80] + [UInt8](repeating: 0x7f, count: 11)) }
                + endOfArchive
        ),
        (
            "octal with junk",
            rawHeader("a") { $0.replaceSubrange(124..<136, with: bytes("0000000123x\0")) } + endOfArchive
        ),
        (
            "octal with an eight",
            rawHeader("a") { $0.replaceSubrange(124..<136, with: bytes("00000000180\0")) } + endOfArchive
        ),
        ("a user id of 2^32-1", pax([("uid", "4294967295")]) + rawHeader("a") + endOfArchive),
        ("a user id of 2^32", pax([("uid", "4294967296")]) + rawHeader("a") + endOfArchive),
        ("a negative user id", pax([("uid", "-1")]) + rawHeader("a") + endOfArchive),
        ("a directory without a name", rawHeader("", type: "5") + endOfArchive),
        ("content without a name", rawHeader("", size: 1) + padded([1]) + endOfArchive),
        ("a lone block of zeros", rawHeader("a") + [UInt8](repeating: 0, count: 512) + rawHeader("b") + endOfArchive),
        ("a cut header", Array(rawHeader("a")[..<300])),
        ("cut content", rawHeader("a", size: 600) + padded([1])),
        ("an extended header of a gigabyte", rawHeader("x", type: "x", size: 1 << 30) + endOfArchive),
        ("an extended header of the largest size", rawHeader("x", type: "x", size: 0o7777_7777_777) + endOfArchive),
        ("a long name of a gigabyte", rawHeader("L", type: "L", size: 1 << 30) + endOfArchive),
        (
            "a record longer than its header",
            {
                rawHeader("x", type: "x", size: 20) + padded(bytes("99 path=aaaaaaaaaaa\n")) + rawHeader("a")
                    + endOfArchive
            }()
        ),
        (
            "a record without a newline",
            rawHeader("x", type: "x", size: 8) + padded(bytes("8 path=a")) + rawHeader("b") + endOfArchive
        ),
        (
            "sparse pieces that overlap",
            {
                pax([
                    ("GNU.sparse.major", "0"), ("GNU.sparse.minor", "1"), ("GNU.sparse.size", "100"),
                    ("GNU.sparse.map", "0,10,5,10"),
                ])
                    + rawHeader("s", size: 20) + padded([1]) + endOfArchive
            }()
        ),
        (
            "sparse pieces beyond the file",
            {
                pax([
                    ("GNU.sparse.major", "0"), ("GNU.sparse.minor", "1"), ("GNU.sparse.size", "8"),
                    ("GNU.sparse.map", "0,10"),
                ])
                    + rawHeader("s", size: 10) + padded([1]) + endOfArchive
            }()
        ),
        (
            "ten million sparse pieces",
            {
                let map = bytes("10000000\n")
                return pax([
                    ("GNU.sparse.major", "1"), ("GNU.sparse.minor", "0"), ("GNU.sparse.realsize", "100"),
                    ("GNU.sparse.name", "s"),
                ])
                    + rawHeader("s", size: 512) + padded(map) + endOfArchive
            }()
        ),
    ]

    @Test(arguments: refused.indices)
    func `what readers understand differently is refused`(_ index: Int) async throws {
        let (name, archive) = Self.refused[index]
        await #expect(throws: ArchiveError.self, "\(name)") { try await blocking { try readAll(archive).count } }
    }

    @Test func `no header makes a read trap or hang`() async throws {
        try await blocking {
            let good =
                pax([("path", "renamed"), ("size", "700"), ("mtime", "1.5")]) + rawHeader("a", size: 700)
                + padded(sampleBytes(700)) + rawHeader("b", type: "2") { $0[157] = 0x61 } + endOfArchive
            var state: UInt64 = 42
            func random(_ limit: Int) -> Int {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return Int((state >> 33) % UInt64(limit))
            }
            for _ in 0..<4000 {
                var mutated = good
                for _ in 0..<(1 + random(3)) { mutated[random(mutated.count)] = UInt8(random(256)) }
                // A checksum that fits lets the damage reach the fields behind it.
                for block in stride(from: 0, to: mutated.count, by: 512) where mutated[block] != 0 {
                    mutated.replaceSubrange(block + 148..<block + 156, with: bytes("        "))
                    let sum = String(mutated[block..<block + 512].reduce(0) { $0 + Int($1) }, radix: 8)
                    let field = String(repeating: "0", count: 6 - min(6, sum.count)) + sum + "\0 "
                    mutated.replaceSubrange(block + 148..<block + 156, with: bytes(field).prefix(8))
                }
                var limits = ArchiveLimits()
                limits.expandedBytes = 1 << 20
                _ = try? readAll(mutated, limits: limits)
            }
        }
    }
}
