import Foundation
import LinuxSystem
import Proofs
import SystemPackage
import Testing
import Text

@Suite struct `Files` {
    private let directory: FilePath

    init() throws {
        let url = FileManager.default.temporaryDirectory.appending(path: "slipway-files-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        directory = FilePath(url.path)
    }

    @Test func `a tree is removed without following its links`() throws {
        defer { try? removeTree(directory) }
        let root = try RootedDirectory(directory)
        try root.createDirectory("kept")
        _ = try root.open("kept/file", [.writeOnly, .create], mode: 0o644)
        try root.createDirectory("gone")
        try root.createSymbolicLink("gone/link", target: directory.appending("kept").bytes)
        try root.createDirectory("gone/inner")
        _ = try root.open(FilePath(bytes: "gone/inner/" + [0xff, 0x0a]), [.writeOnly, .create], mode: 0o644)
        try removeTree(directory.appending("gone"))
        #expect(try root.entries() == ["kept"])
        #expect(try root.entries(of: "kept") == ["file"])
    }

    /// The order of ext4's allocator cannot be seen from outside; the mark can, where the file system has it.
    @Test func `a directory is marked whose entries are to be placed apart`() async throws {
        try await onBlockingPool { [directory] in
            let file = try OpenFile.open(directory, [.readOnly, .directory])
            file.keepEntriesApart()
            file.keepEntriesApart()
            try OpenFile.open("/proc", [.readOnly, .directory]).keepEntriesApart()
        }
        func output(_ program: String, _ arguments: [[UInt8]]) async throws -> String {
            let configuration = ChildProcessConfiguration(.named(program), arguments + [directory.bytes])
            return String(decoding: try await ChildProcess.run(configuration).output, as: UTF8.self)
        }
        let isMarked = try await output("lsattr", ["-d"]).prefix { $0 != " " }.contains("T")
        let canBe = try await output("stat", ["-f", "-c", "%T"]).hasPrefix("ext")
        try await onBlockingPool { [directory] in try removeTree(directory) }
        #expect(isMarked || !canBe)
    }

    @Test func `removing what is not there is no error`() throws {
        defer { try? removeTree(directory) }
        try removeTree(directory.appending("nothing"))
    }

    @Test(.proves("A17: what another process removes")) func `two who remove one tree do not disturb each other`()
        async throws
    {
        let path = directory.appending("tree")
        for _ in 0..<5 {
            try await onBlockingPool {
                for number in 0..<200 {
                    try HostFiles.createDirectories(path.appending("\(number % 20)/\(number)/deep"))
                }
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<4 { group.addTask { try await onBlockingPool { try removeTree(path) } } }
                try await group.waitForAll()
            }
        }
        try await onBlockingPool { try removeTree(directory) }
    }

    @Test(.proves("A17: what another process removes")) func `a directory that is gone has no entries`() throws {
        defer { try? removeTree(directory) }
        #expect(try RootedDirectory(directory).entriesIfPresent(of: "gone").isEmpty)
    }

    @Test func `a lock that another holds is not given`() throws {
        defer { try? removeTree(directory) }
        let path = directory.appending("lock")
        let held = try FileLock.acquire(path, .exclusive)
        #expect(try FileLock.tryAcquire(path, .shared) == nil)
        withExtendedLifetime(held) {}
    }

    @Test func `attributes of a file come back sorted and whole`() throws {
        defer { try? removeTree(directory) }
        let root = try RootedDirectory(directory)
        let file = try root.open("file", [.readWrite, .create], mode: 0o644)
        let long = [UInt8](repeating: 7, count: 1000)
        try file.setExtendedAttribute("user.b", long)
        try file.setExtendedAttribute("user.a", [])
        let attributes = try root.open("file", .pathOnly).extendedAttributes()
        #expect(attributes.map(\.name) == ["user.a", "user.b"])
        #expect(attributes.map(\.value) == [[], long])
    }

    @Test func `an error names the call, the path and the reason`() throws {
        defer { try? removeTree(directory) }
        let error = #expect(throws: SystemCallError.self) { try OpenFile.open("/no/such\u{1b}file", .readOnly) }
        #expect(error?.description == "open /no/such\\x1bfile: no such file or directory")
    }

    @Test(arguments: [("", "a", "a"), ("/", "a", "/a"), ("b", "a", "b/a"), ("/b/", "c/d", "/b/c/d"), ("b", "", "b")])
    func `a name is put to a path with one slash`(path: String, name: String, whole: String) throws {
        defer { try? removeTree(directory) }
        #expect(FilePath(path).appending(name: Array(name.utf8)) == FilePath(whole))
        #expect(FilePath(path).appending(name: [0xff]).bytes.last == 0xff)
    }
}
