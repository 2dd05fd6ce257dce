import Fakes
import Glibc
import LinuxSystem
import SystemPackage
import Testing

@testable import Archive

@Suite struct `Sums of files` {
    private func sum(_ text: String) -> FileSum {
        var counter = FileSum.Counter()
        counter.add(Array(text.utf8))
        return counter.sum
    }

    private func sums(_ note: (FileSumRecorder) -> Void) throws -> FileSums {
        let recorder = FileSumRecorder()
        note(recorder)
        return try #require(recorder.sums)
    }

    @Test func `are CRC-32C, however the content is cut`() {
        // The check value of the catalogue of CRCs.
        #expect(sum("123456789").checksum == 0xe306_9283)
        #expect(sum("").checksum == 0)
        let content = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* $0) }
        var whole = FileSum.Counter()
        whole.add(content)
        var pieces = FileSum.Counter()
        for start in stride(from: 0, to: content.count, by: 777) {
            pieces.add(Array(content[start..<min(start + 777, content.count)]))
        }
        #expect(whole.sum == pieces.sum && whole.count == 100_000)
        #expect(sum("a") != sum("a\0"))
    }

    @Test func `are looked up by SipHash-1-3 of the name`() {
        let hash = NameHash(key: (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908))
        // The first of the reference's vectors.
        #expect(hash([]) == 0xabac_0158_050f_c4dc)
        let names = (0..<2000).map { Array("usr/share/doc/package-\($0)/copyright".utf8) }
        #expect(Set(names.map { hash($0) }).count == names.count)
        #expect(names.allSatisfy { hash($0) != NameHash()($0) })
    }

    @Test func `are found under the name that came last, and under every name of a file`() throws {
        let sums = try sums { recorder in
            recorder.note(Array("b".utf8), sum("old"))
            recorder.note(Array("a/1".utf8), sum("one"))
            recorder.noteLink(Array("a/2".utf8), to: Array("b".utf8))
            recorder.note(Array("b".utf8), sum("new"))
            recorder.noteLink(Array("c".utf8), to: Array("b".utf8))
            recorder.note(Array("d".utf8), nil)
            recorder.note(Array("gone".utf8), sum("gone"))
            recorder.forget(Array("gone".utf8))
        }
        func answer(_ path: String) -> FileSums.Answer { sums.answer(for: Array(path.utf8)) }
        #expect(answer("b") == .known(sum("new")))
        #expect(answer("a/2") == .known(sum("old")))
        #expect(answer("c") == .known(sum("new")))
        #expect(answer("d") == .unknown)
        #expect(answer("gone") == .absent && answer("a") == .absent && answer("") == .absent)
        #expect(!sums.isComplete)
        var filled = sums
        filled.fill(in: Array("d".utf8), sum("four"))
        filled.fill(in: Array("b".utf8), sum("another"))
        filled.fill(in: Array("e".utf8), sum("five"))
        #expect(filled.isComplete)
        #expect(filled.answer(for: Array("d".utf8)) == .known(sum("four")))
        #expect(filled.answer(for: Array("b".utf8)) == .known(sum("new")))
        #expect(filled.answer(for: Array("e".utf8)) == .absent)
    }

    @Test func `of a link to what was never taken down are given up`() {
        let recorder = FileSumRecorder()
        recorder.noteLink(Array("b".utf8), to: Array("a".utf8))
        #expect(recorder.sums == nil)
    }

    @Test func `are read back as they were written, and not after any damage`() throws {
        let written = try sums { recorder in
            for number in 0..<40 { recorder.note(Array("d/\(number)".utf8), number % 7 == 0 ? nil : sum("\(number)")) }
        }
        let bytes = written.encoded
        let read = try #require(FileSums(encoded: bytes))
        for number in 0..<41 {
            #expect(read.answer(for: Array("d/\(number)".utf8)) == written.answer(for: Array("d/\(number)".utf8)))
        }
        for index in bytes.indices {
            var damaged = bytes
            damaged[index] ^= 1 << UInt8(index % 8)
            #expect(FileSums(encoded: damaged) == nil, "byte \(index)")
        }
        for count in [0, 1, 35, 36, bytes.count - 16, bytes.count - 1] {
            #expect(FileSums(encoded: Array(bytes.prefix(count))) == nil)
        }
        #expect(FileSums(encoded: bytes + bytes) == nil)
        let empty = try sums { _ in }
        #expect(FileSums(encoded: empty.encoded)?.answer(for: []) == .absent)
    }

    /// Extracts an archive as a layer, and gives the sums that were taken down.
    private func extracted(_ write: @escaping @Sendable (TarWriter) throws -> Void) async throws -> FileSums? {
        try await withTemporaryDirectory { root in
            try await onBlockingPool {
                let sink = MemorySink()
                let writer = TarWriter(sink)
                try write(writer)
                try writer.finish()
                let recorder = FileSumRecorder()
                let extractor = LayerExtractor(root: try RootedDirectory(root), mode: .marked)
                _ = try extractor.extract(MemorySource(sink.bytes), notingIn: recorder)
                return recorder.sums
            }
        }
    }

    private static func add(_ path: String, _ text: String, to writer: TarWriter) throws {
        var entry = TarEntry(path: Array(path.utf8), kind: .regular, mode: 0o644)
        (entry.userID, entry.groupID) = (geteuid(), getegid())
        entry.size = Int64(text.utf8.count)
        try writer.begin(entry)
        try writer.write(Array(text.utf8))
    }

    private static func add(_ path: String, _ kind: TarEntry.Kind, to writer: TarWriter) throws {
        var entry = TarEntry(path: Array(path.utf8), kind: kind, mode: 0o755)
        (entry.userID, entry.groupID) = (geteuid(), getegid())
        try writer.begin(entry)
    }

    @Test func `are taken down of what is extracted`() async throws {
        let sums = try #require(
            try await extracted { writer in
                try Self.add("./d//one", "1", to: writer)
                try Self.add("d/one", "first", to: writer)
                try Self.add("d/two", .hardLink(target: Array("./d/one".utf8)), to: writer)
                try Self.add("link", .symbolicLink(target: Array("d".utf8)), to: writer)
                try Self.add("d/.wh.gone", "", to: writer)
                try Self.add("empty", "", to: writer)
            }
        )
        #expect(sums.answer(for: Array("d/one".utf8)) == .known(sum("first")))
        #expect(sums.answer(for: Array("d/two".utf8)) == .known(sum("first")))
        #expect(sums.answer(for: Array("empty".utf8)) == .known(sum("")))
        for path in ["link", "d", "d/gone", "d/.wh.gone"] { #expect(sums.answer(for: Array(path.utf8)) == .absent) }
    }

    @Test func `are given up where names of the archive lead through a link`() async throws {
        let through = try await extracted { writer in
            try Self.add("usr/lib", .directory, to: writer)
            try Self.add("lib", .symbolicLink(target: Array("usr/lib".utf8)), to: writer)
            try Self.add("lib/x", "x", to: writer)
        }
        #expect(through == nil)
        let linked = try await extracted { writer in
            try Self.add("usr/lib/x", "x", to: writer)
            try Self.add("lib", .symbolicLink(target: Array("usr/lib".utf8)), to: writer)
            try Self.add("y", .hardLink(target: Array("lib/x".utf8)), to: writer)
        }
        #expect(linked == nil)
    }
}
