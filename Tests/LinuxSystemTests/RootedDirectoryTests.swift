import Foundation
import LinuxSystem
import SystemPackage
import Testing
import Text

@Suite struct `Rooted directories` {
    private let root: URL

    init() throws {
        root = FileManager.default.temporaryDirectory.appending(path: "slipway-rooted-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: root.appending(path: "inside"), withIntermediateDirectories: true)
    }

    @Test func `a link to the outside is resolved inside`() throws {
        defer { try? FileManager.default.removeItem(at: root) }
        let directory = try RootedDirectory(FilePath(root.appending(path: "inside").path))
        try directory.createSymbolicLink("escape", target: "../../../etc")
        #expect(throws: SystemCallError.self) { try directory.open("escape/passwd", .readOnly) }
        try directory.createDirectory("etc")
        _ = try directory.open("escape/passwd", [.writeOnly, .create], mode: 0o644)
        #expect(try directory.entries(of: "etc") == ["passwd"])
    }

    @Test func `a combining mark after a slash does not hide dot-dot`() throws {
        defer { try? FileManager.default.removeItem(at: root) }
        let directory = try RootedDirectory(FilePath(root.appending(path: "inside").path))
        let name: [UInt8] = "../" + [0xcc, 0x81] + "x"
        _ = try directory.open(FilePath(bytes: name), [.writeOnly, .create], mode: 0o644)
        #expect(try directory.entries() == [[0xcc, 0x81, 0x78]])
    }

    @Test func `errors name an entry with all directories that it was reached by`() throws {
        defer { try? FileManager.default.removeItem(at: root) }
        let top = FilePath(root.path)
        let inside = try OpenFile.open(top, [.pathOnly, .directory]).openEntry(named: "inside", .pathOnly)
        try inside.createDirectory(named: "deep")
        let deep = try inside.openEntry(named: "deep", .pathOnly)
        #expect(deep.path == top.appending("inside/deep"))
        let error = #expect(throws: SystemCallError.self) { try deep.openEntry(named: "none", .readOnly) }
        #expect(error?.path == top.appending("inside/deep/none"))
        let relative = try RootedDirectory(top).open("", .pathOnly).openEntry(named: "inside", .pathOnly)
        #expect(relative.path == "inside")
    }
}
