import Archive
import Foundation
import Glibc
import LinuxSystem
import Proofs
import SystemPackage
import Testing

@Suite struct `Archives of files that change` {
    /// Changes a file when the first bytes of the archive arrive: after its size was read.
    private final class ChangingSink: ByteSink {
        private let memory = MemorySink()
        private let change: () throws -> Void
        private var isFirst = true
        var bytes: [UInt8] { memory.bytes }

        init(_ change: @escaping () throws -> Void) { self.change = change }

        func write(_ bytes: UnsafeRawBufferPointer) throws {
            if isFirst { try change() }
            isFirst = false
            try memory.write(bytes)
        }
    }

    /// Archives a file of 10,000 bytes through a small buffer, then one more entry, while its size becomes another.
    private func archive(changingSizeTo size: Int64) throws -> [Member] {
        let directory = try TemporaryDirectoryPath()
        let file = try OpenFile.open(directory.path.appending("file"), [.readWrite, .create])
        try file.write([UInt8](repeating: 0x61, count: 10_000))
        try file.seek(to: 0)
        let sink = ChangingSink { try file.truncate(to: size) }
        let writer = TarWriter(sink)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1024, alignment: 16)
        defer { buffer.deallocate() }
        try writer.append(TarEntry(path: bytes("file"), kind: .regular), contentOf: file, through: buffer)
        try writer.begin(TarEntry(path: bytes("next"), kind: .regular))
        try writer.finish()
        return try readAll(sink.bytes)
    }

    @Test(.proves("B6: a file that another process"))
    func `a file that grows is cut where it ended when its size was read`() throws {
        let members = try archive(changingSizeTo: 50_000)
        #expect(members.map(\.entry.path) == [bytes("file"), bytes("next")])
        #expect(members[0].content == [UInt8](repeating: 0x61, count: 10_000))
    }

    @Test(.proves("B6: a file that another process"), arguments: [0, 5000] as [Int64])
    func `a long file that becomes shorter is an error that names it`(
        size: Int64
    ) {
        #expect(throws: ArchiveError.sizeChanged(entry: bytes("file"))) { try archive(changingSizeTo: size) }
    }

    @Test(.proves("B6: a file that another process"), arguments: [64, 1 << 18])
    func `a file of the kernel has the size that was read, not the one it claims`(
        bufferSize: Int
    ) throws {
        let sink = MemorySink()
        let writer = TarWriter(sink)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferSize, alignment: 16)
        defer { buffer.deallocate() }
        let file = try OpenFile.open("/proc/version", .readOnly)
        try #require(try file.status().size == 0)
        try writer.append(TarEntry(path: bytes("version"), kind: .regular), contentOf: file, through: buffer)
        try writer.finish()
        let expected = try OpenFile.open("/proc/version", .readOnly).readToEnd()
        #expect(try readAll(sink.bytes).map(\.content) == [expected])
    }

    @Test(.proves("B6: a file that another process"))
    func `content that does not fit the size of its entry is an error, too much and too little`() throws {
        let writer = TarWriter(MemorySink())
        try writer.begin(TarEntry(path: bytes("x"), kind: .regular, size: 2))
        #expect(throws: ArchiveError.sizeChanged(entry: bytes("x"))) { try writer.write(bytes("abc")) }
        try writer.write(bytes("a"))
        #expect(throws: ArchiveError.sizeChanged(entry: bytes("x"))) { try writer.finish() }
        #expect(throws: ArchiveError.sizeChanged(entry: bytes("x"))) {
            try writer.begin(TarEntry(path: bytes("y"), kind: .regular))
        }
    }
}

/// A directory that goes with the value.
private final class TemporaryDirectoryPath {
    let path: FilePath

    init() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        path = FilePath(url.path)
    }

    deinit { try? FileManager.default.removeItem(atPath: path.string) }
}
