import Archive
import Foundation
import LinuxSystem
import OCI
import Proofs
import Testing
import Text

/// Many bytes, made fast.
private func manyBytes(_ count: Int) -> [UInt8] {
    let block = sampleBytes(1 << 16)
    var bytes: [UInt8] = []
    while bytes.count < count { bytes += block }
    return Array(bytes.prefix(count))
}

/// An archive of a layer with a bit of everything.
@available(*, noasync)
private func sampleArchive() throws -> [UInt8] {
    let sink = MemorySink()
    let writer = TarWriter(sink)
    let attribute = TarEntry.Attribute(name: "user.note", value: [0, 1, 0xff])
    try writer.begin(TarEntry(path: "dir", kind: .directory, mode: 0o1755, modified: FileTime(seconds: 99)))
    func file(_ path: String, _ content: [UInt8], attributes: [TarEntry.Attribute] = []) throws {
        try writer.begin(
            TarEntry(
                path: Array(path.utf8),
                kind: .regular,
                mode: 0o4755,
                userID: 7,
                groupID: 8,
                size: Int64(content.count),
                modified: FileTime(seconds: 1_500_000_000),
                attributes: attributes
            )
        )
        try writer.write(content)
    }
    try file("dir/small", "small\n", attributes: [attribute])
    try file("dir/empty", [])
    try file("dir/" + String(repeating: "long-", count: 60), sampleBytes(1000))
    // Two whole chunks of 4 MiB and a rest; and one that is exactly a chunk.
    try file("dir/large", manyBytes((8 << 20) + 12345))
    try file("dir/chunk", manyBytes(4 << 20))
    try writer.begin(TarEntry(path: "link", kind: .symbolicLink(target: "dir/small")))
    try writer.begin(TarEntry(path: "hard", kind: .hardLink(target: "dir/small")))
    try writer.begin(TarEntry(path: "null", kind: .characterDevice(major: 1, minor: 3)))
    try writer.begin(TarEntry(path: "pipe", kind: .fifo))
    try writer.finish()
    return sink.bytes
}

@available(*, noasync)
private func makeEstargz(_ archive: [UInt8], level: Int? = nil, threads: Int = 2) throws
    -> (blob: [UInt8], summary: EstargzSink.Summary)
{
    let memory = MemorySink()
    let sink = try EstargzSink(memory, level: level, threads: threads)
    // In pieces that fit no boundary of the archive.
    for start in stride(from: 0, to: archive.count, by: 100_003) {
        try sink.write(Array(archive[start..<min(start + 100_003, archive.count)]))
    }
    try sink.finish()
    return (memory.bytes, try #require(sink.summary))
}

/// Reads an estargz blob by its footer and table only, as its specification says.
private struct EstargzBlob {
    let bytes: [UInt8]
    let contentsOffset: Int
    let contents: [UInt8]
    let entries: [[String: Any]]

    @available(*, noasync)
    init(_ bytes: [UInt8]) throws {
        self.bytes = bytes
        let footer = Array(bytes.suffix(51))
        try #require(Array(footer[..<10]) == [0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff])
        try #require(Array(footer[10..<16]) == [26, 0, "S", "G", 22, 0])
        try #require(Array(footer[32..<38]) == "STARGZ")
        try #require(Array(footer[38...]) == [1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0])
        contentsOffset = try #require(Int(String(decoding: footer[16..<32], as: UTF8.self), radix: 16))
        let reader = TarReader(try GzipSource(MemorySource(Array(bytes[contentsOffset..<bytes.count - 51]))))
        let entry = try #require(try reader.next())
        try #require(entry.path == "stargz.index.json")
        contents = try reader.readContent(limit: 1 << 20)
        try #require(try reader.next() == nil)
        let document = try #require(try JSONSerialization.jsonObject(with: Data(contents)) as? [String: Any])
        try #require(document["version"] as? Int == 1)
        entries = try #require(document["entries"] as? [[String: Any]])
    }

    /// The file that a table's entry begins, put together from its chunks, each of which has its digest.
    @available(*, noasync)
    func file(_ name: String) throws -> [UInt8] {
        let first = try #require(entries.firstIndex { $0["name"] as? String == name })
        let size = try #require(entries[first]["size"] as? Int)
        var content: [UInt8] = []
        for entry in entries[first...].prefix(while: { $0["name"] as? String == name }) {
            let offset = try #require(entry["offset"] as? Int)
            try #require(Array(bytes[offset..<offset + 2]) == [0x1f, 0x8b])
            #expect(entry["chunkOffset"] as? Int ?? 0 == content.count)
            let length = entry["chunkSize"] as? Int ?? size - content.count
            var chunk = [UInt8](repeating: 0, count: length)
            let source = try GzipSource(MemorySource(Array(bytes[offset...])))
            var read = 0
            while read < length {
                read += try chunk.withUnsafeMutableBytes { try source.read(into: .init(rebasing: $0[read...])) }
            }
            #expect(entry["chunkDigest"] as? String == Digest.sha256(of: chunk).description)
            content += chunk
        }
        #expect(content.count == size)
        #expect(entries[first]["digest"] as? String == Digest.sha256(of: content).description)
        return content
    }
}

@Suite struct `Estargz layers` {
    @Test(.proves("image, registry"))
    func `each file can be read by itself, found by the footer and verified by the table`() async throws {
        try await blocking {
            let (bytes, summary) = try makeEstargz(try sampleArchive())
            let blob = try EstargzBlob(bytes)
            #expect(Digest.sha256(of: blob.contents) == summary.contentsDigest)
            #expect(try blob.file("dir/small") == "small\n")
            #expect(try blob.file("dir/" + String(repeating: "long-", count: 60)) == sampleBytes(1000))
            #expect(try blob.file("dir/large") == manyBytes((8 << 20) + 12345))
            #expect(try blob.file("dir/chunk") == manyBytes(4 << 20))
            #expect(try blob.file(".no.prefetch.landmark") == [0x0f])
            #expect(blob.entries.filter { $0["name"] as? String == "dir/large" }.count == 3)
            #expect(blob.entries.filter { $0["name"] as? String == "dir/chunk" }.count == 1)
            let annotations = summary.annotations
            #expect(annotations["containerd.io/snapshot/stargz/toc.digest"] == "\(summary.contentsDigest)")
            #expect(annotations["io.containers.estargz.uncompressed-size"] == "\(summary.size)")
        }
    }

    @Test func `the table describes every member of the archive`() async throws {
        try await blocking {
            let blob = try EstargzBlob(try makeEstargz(try sampleArchive()).blob)
            func entry(_ name: String) throws -> [String: Any] {
                try #require(blob.entries.first { $0["name"] as? String == name }, "\(name)")
            }
            let directory = try entry("dir/")
            #expect(directory["type"] as? String == "dir")
            #expect(directory["mode"] as? Int == 0o1755)
            #expect(directory["modtime"] as? String == "1970-01-01T00:01:39Z")
            let small = try entry("dir/small")
            #expect(small["type"] as? String == "reg")
            #expect(small["mode"] as? Int == 0o4755)
            #expect(small["uid"] as? Int == 7 && small["gid"] as? Int == 8)
            #expect(small["modtime"] as? String == "2017-07-14T02:40:00Z")
            #expect(small["xattrs"] as? [String: String] == ["user.note": "AAH/"])
            let empty = try entry("dir/empty")
            #expect(empty["offset"] == nil && empty["chunkDigest"] == nil)
            #expect(empty["digest"] as? String == "\(Digest.sha256(of: []))")
            #expect(try entry("link")["linkName"] as? String == "dir/small")
            #expect(try entry("hard")["type"] as? String == "hardlink")
            let device = try entry("null")
            #expect(device["type"] as? String == "char")
            #expect(device["devMajor"] as? Int == 1 && device["devMinor"] as? Int == 3)
            #expect(try entry("pipe")["type"] as? String == "fifo")
            #expect(!blob.entries.contains { $0["name"] as? String == "stargz.index.json" })
        }
    }

    @Test func `other readers see a gzip archive with the layer's files and nothing more`() async throws {
        try await blocking {
            let archive = try sampleArchive()
            let (bytes, summary) = try makeEstargz(archive)
            let whole = try decompressing(MemorySource(bytes)).source.readToEnd()
            #expect(Array(whole.prefix(archive.count)) == archive)
            #expect(Digest.sha256(of: whole) == summary.diffID)
            #expect(Int64(whole.count) == summary.size)
            let reader = TarReader(MemorySource(whole))
            var names: [String] = []
            while let entry = try reader.next() { names.append(String(decoding: entry.path, as: UTF8.self)) }
            #expect(names.count == 10)
            #expect(!names.contains { $0.contains("landmark") || $0.contains("stargz") })
        }
    }

    @Test(arguments: [nil, 0, 9])
    func `the number of threads does not change the bytes`(level: Int?) async throws {
        try await blocking {
            let archive = try sampleArchive()
            let one = try makeEstargz(archive, level: level, threads: 1)
            for threads in [2, 7] {
                let other = try makeEstargz(archive, level: level, threads: threads)
                #expect(other.blob == one.blob && other.summary == one.summary)
            }
        }
    }

    @Test func `an archive that has the table's name, or ends early, is refused`() async throws {
        try await blocking {
            let sink = MemorySink()
            let writer = TarWriter(sink)
            try writer.begin(TarEntry(path: "./stargz.index.json", kind: .regular))
            try writer.finish()
            #expect(throws: ArchiveError.self) { try makeEstargz(sink.bytes) }
            #expect(throws: ArchiveError.self) { try makeEstargz(Array(try sampleArchive().prefix(700))) }
        }
    }

    @Test func `an empty layer has a table too`() async throws {
        try await blocking {
            let blob = try EstargzBlob(try makeEstargz([UInt8](repeating: 0, count: 1024)).blob)
            #expect(blob.entries.count == 1)
        }
    }
}
