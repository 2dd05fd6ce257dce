import Foundation
import Glibc
import LinuxSystem
import SystemPackage
import Testing
import Text

@Suite struct `Unfinished files` {
    private let scratch: FilePath

    init() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "slipway-pending-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        scratch = FilePath(url.path)
    }

    private func names() throws -> [String] {
        try HostFiles.entries(of: scratch).map { String(decoding: $0, as: UTF8.self) }
    }

    private func text(_ name: String) throws -> String {
        let bytes = try #require(try contentsIfPresent(of: scratch.appending(name), limit: 1000))
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func `have no name, and then theirs`() throws {
        defer { try? removeTree(scratch) }
        let pending = try PendingFile(replacing: scratch.appending("out"))
        try pending.file.write("new")
        #expect(try names() == [])
        try pending.publish()
        #expect(try names() == ["out"])
        #expect(try text("out") == "new")
        let mask = umask(0)
        umask(mask)
        #expect(try HostFiles.status(of: scratch.appending("out"))?.mode == UInt16(0o666 & ~mask))
    }

    @Test func `leave what has their name as it is until they take its place`() throws {
        defer { try? removeTree(scratch) }
        try HostFiles.write("old", to: scratch.appending("out"))
        let abandoned = try PendingFile(replacing: scratch.appending("out"))
        try abandoned.file.write("half")
        abandoned.discard()
        #expect(try text("out") == "old")
        let pending = try PendingFile(replacing: scratch.appending("out"))
        try pending.file.write("new")
        #expect(try text("out") == "old")
        try pending.publish()
        #expect(try text("out") == "new")
        #expect(try names() == ["out"])
    }

    @Test func `of killed processes go when the file is made again, and no others`() throws {
        defer { try? removeTree(scratch) }
        // A process that has ended, and was waited for.
        let ended = Process()
        ended.executableURL = URL(filePath: "/bin/true")
        try ended.run()
        ended.waitUntilExit()
        let gone = ended.processIdentifier
        try HostFiles.write([], to: scratch.appending("out.\(gone).partial"))
        try HostFiles.createDirectories(scratch.appending("out.\(gone).partial.d").appending("x"))
        // Of a living process, of another file, of no process.
        let others = ["out.1.partial", "other.\(gone).partial", "out.x.partial", "out.-1.partial", "out..partial"]
        for name in others { try HostFiles.write([], to: scratch.appending(name)) }
        let pending = try PendingFile(replacing: scratch.appending("out"))
        try pending.publish()
        #expect(Set(try names()) == Set(others + ["out", "out.\(gone).partial.d"]))
    }
}
