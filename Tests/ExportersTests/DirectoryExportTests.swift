import Exporters
import Foundation
import Glibc
import LinuxSystem
import Proofs
import SystemPackage
import Testing
import Text

@Suite struct `Exporting to a directory` {
    private let scratch: FilePath
    private let result: RootedDirectory
    private let target: FilePath

    init() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "slipway-export-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url.appending(path: "result"), withIntermediateDirectories: true)
        scratch = FilePath(url.path)
        result = try RootedDirectory(scratch.appending("result"))
        target = scratch.appending("a").appending("target")
    }

    private func write(_ text: String, to path: FilePath, in root: RootedDirectory, mode: UInt32 = 0o644) throws {
        try root.open(path, [.writeOnly, .create, .truncate], mode: mode).write(Array(text.utf8))
    }

    private func text(_ path: FilePath, in root: RootedDirectory) throws -> String {
        String(decoding: try root.open(path, .readOnly).readToEnd(), as: UTF8.self)
    }

    @Test(.proves("local (exporter)")) func `keeps names, modes, times and links`() throws {
        defer { try? removeTree(scratch) }
        let name = FilePath(bytes: "d/" + [0xff, 0x0a])
        try result.createDirectory("d", mode: 0o755)
        try write("one", to: name, in: result)
        try result.changeMode(name, 0o4751)
        try result.createHardLink("other", to: name)
        try result.createSymbolicLink("link", target: "/etc/passwd")
        try result.changeMode("d", 0o500)
        try result.setTimes("d", modified: FileTime(seconds: 1_000_000_000))
        var export = try DirectoryExport(source: result, destination: target)
        try export.run()
        let written = try RootedDirectory(target)
        #expect(try text(name, in: written) == "one")
        #expect(try written.status(name).mode == 0o4751)
        #expect(try written.status("other").inode == written.status(name).inode)
        #expect(try written.readLink("link") == "/etc/passwd")
        #expect(try written.status("d").mode == 0o500)
        #expect(try written.status("d").modified == FileTime(seconds: 1_000_000_000))
        #expect(export.count == 4)
        try written.changeMode("d", 0o700)
        try result.changeMode("d", 0o700)
    }

    @Test(.proves("C11: devices and the times of FIFOs in local outputs", "C22: POSIX access control lists"))
    func `keeps the time of a FIFO and the attributes of files and directories`() throws {
        defer { try? removeTree(scratch) }
        try result.createNode("fifo", SpecialFile(.fifo), mode: 0o640)
        try result.setTimes("fifo", modified: FileTime(seconds: 1_000_000_000))
        try result.createDirectory("d", mode: 0o755)
        try write("1", to: "d/f", in: result)
        // An access control list with an entry for user 1000. See acl(5).
        let list: [UInt8] = [
            2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 232, 3, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255,
            16, 0, 4, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255,
        ]
        var hasLists = true
        for path: FilePath in ["d", "d/f"] {
            let file = try result.open(path, .readOnly)
            do throws(SystemCallError) {
                try file.setExtendedAttribute("user.note", [1, 2])
                try file.setExtendedAttribute("system.posix_acl_access", list)
            } catch {
                guard error.errno == .notSupported else { throw error }
                hasLists = false
            }
        }
        var export = try DirectoryExport(source: result, destination: target)
        try export.run()
        let written = try RootedDirectory(target)
        #expect(try written.status("fifo").type == .fifo)
        #expect(try written.status("fifo").mode == 0o640)
        #expect(try written.status("fifo").modified == FileTime(seconds: 1_000_000_000))
        guard hasLists else { return }
        for path: FilePath in ["d", "d/f"] {
            let file = try written.open(path, .readOnly)
            #expect(try file.extendedAttribute("user.note") == [1, 2])
            #expect(try file.extendedAttribute("system.posix_acl_access") == list)
        }
    }

    @Test func `never writes through a link that stands in the destination`() throws {
        defer { try? removeTree(scratch) }
        try result.createDirectory("x", mode: 0o755)
        try write("new", to: "x/file", in: result)
        try write("new", to: "y", in: result)
        let host = try RootedDirectory(scratch)
        try host.createDirectory("victim")
        try write("old", to: "victim/file", in: host)
        try host.createDirectory("a")
        try host.createDirectory("a/target")
        try host.createSymbolicLink("a/target/x", target: scratch.appending("victim").bytes)
        try host.createSymbolicLink("a/target/y", target: scratch.appending("victim/file").bytes)
        var export = try DirectoryExport(source: result, destination: target)
        try export.run()
        #expect(try text("victim/file", in: host) == "old")
        #expect(try text("a/target/x/file", in: host) == "new")
        #expect(try text("a/target/y", in: host) == "new")
    }

    @Test func `keeps what else is in the destination`() throws {
        defer { try? removeTree(scratch) }
        try write("new", to: "file", in: result)
        let host = try RootedDirectory(scratch)
        try host.createDirectory("a")
        try host.createDirectory("a/target")
        try write("kept", to: "a/target/other", in: host)
        try host.createDirectory("a/target/file")
        var export = try DirectoryExport(source: result, destination: target)
        try export.run()
        #expect(try text("a/target/other", in: host) == "kept")
        #expect(try text("a/target/file", in: host) == "new")
    }
}
