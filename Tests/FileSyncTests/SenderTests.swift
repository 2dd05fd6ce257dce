import BuildKitProto
import FileSync
import FoundationEssentials
import LinuxSystem
import SwiftProtobuf
import SystemPackage
import Testing

@Suite struct `Sending files` {
    @Test func `a tree with entries of every kind arrives as it is, and a second time nothing is sent`() async throws {
        try await withScratch { scratch in
            let source = try await blocking { try makeSource(scratch) }
            let wanted = try await blocking { try tree(of: source) }
            let first = try await sync(FileSender(from: source), to: scratch.receiver())
            let arrived = try await blocking { try tree(of: scratch.inside) }
            #expect(arrived == wanted)
            #expect(first.requested == 5)
            let second = try await sync(FileSender(from: source), to: scratch.receiver())
            #expect(second.requested == 0)
            #expect(!second.isChanged)
            try await blocking { try write("changed", to: "dir/file", in: source) }
            let third = try await sync(FileSender(from: source), to: scratch.receiver())
            #expect(third.requested == 1)
            let isSame = try await blocking { try tree(of: scratch.inside) == tree(of: source) }
            #expect(isSame)
        }
    }

    @Test(arguments: [
        ([], ["dir", "!dir/sub"], ["big", "dir", "dir/sub", "dir/sub/deep", "hard", "link"]),
        (["dir/sub/*"], [], ["dir", "dir/sub", "dir/sub/deep"]),
        (["h*", "dir"], ["dir/f*"], ["dir", "dir/empty", "dir/pipe", "dir/sub", "dir/sub/deep", "hard"]),
        (["nothing"], [], []),
    ])
    func `patterns choose what is sent, with the directories above it`(
        _ includes: [String],
        _ excludes: [String],
        _ names: [String]
    ) async throws {
        try await withScratch { scratch in
            let source = try await blocking { try makeSource(scratch) }
            let selection = try FileSelection(
                includes: includes.map { Array($0.utf8) },
                excludes: excludes.map { Array($0.utf8) } + [[0x5b, 0x5e, 0x61, 0x2d, 0x7a, 0x5d, 0x2a]]
            )
            _ = try await sync(FileSender(from: source, selection: selection), to: scratch.receiver())
            let lines = try await blocking { try tree(of: scratch.inside) }
            #expect(lines.compactMap { $0.split(separator: " ").first.map(String.init) } == names)
        }
    }

    @Test func `a hard link whose first name is not sent arrives as a file`() async throws {
        try await withScratch { scratch in
            let source = try await blocking { try makeSource(scratch) }
            let selection = try FileSelection(includes: [Array("hard".utf8)], excludes: [])
            let received = try await sync(FileSender(from: source, selection: selection), to: scratch.receiver())
            #expect(received.requested == 1)
            let lines = try await blocking { try tree(of: scratch.inside) }
            #expect(lines.count == 1 && lines.first?.contains(" content ") == true)
        }
    }

    @Test(arguments: [
        (
            [
                Fsutil_Types_Packet.with {
                    $0.type = .packetReq; $0.id = 9
                }
            ], "entry 9 is not a file on offer"
        ),
        (
            [
                .with {
                    $0.type = .packetReq; $0.id = 1
                }
            ], "entry 1 is not a file on offer"
        ),
        ([.with { $0.type = .packetReq }, .with { $0.type = .packetReq }], "entry 0 is not a file on offer"),
        ([.data(0, "x".utf8)], "the receiver sent what only a sender sends"),
        ([Fsutil_Types_Packet()], "the receiver sent what only a sender sends"),
    ])
    func `a receiver that asks for what is not on offer is refused`(
        _ packets: [Fsutil_Types_Packet],
        _ refusal: String
    ) async throws {
        try await withScratch { scratch in
            try await blocking {
                try write("x", to: "a", in: scratch.inside)
                try scratch.inside.createDirectory("b")
            }
            let (there, here) = MemoryChannel.pair()
            let task = Task { try await FileSender(from: scratch.inside).run(there) }
            while let packet = try await here.next(), packet.hasStat {}
            for packet in packets { try await here.send(packet) }
            let error = await #expect(throws: FileSyncError.self) { try await task.value }
            #expect(error?.description.contains(refusal) == true)
        }
    }

    @Test func `the failure of one end is the error of the other`() async throws {
        try await withScratch { scratch in
            let source = try await blocking { try makeSource(scratch) }
            let receiver = scratch.receiver(limits: SyncLimits(entries: 3))
            let (there, here) = MemoryChannel.pair()
            let task = Task { try await FileSender(from: source).run(there) }
            let refusal = FileSyncError.tooManyEntries(limit: 3)
            await #expect(throws: refusal) { try await receiver.run(here) }
            await #expect(throws: FileSyncError.receiverFailed(Array(refusal.description.utf8))) {
                try await task.value
            }
        }
    }

    @Test func `a receiver that is gone ends the sync`() async throws {
        try await withScratch { scratch in
            let (there, here) = MemoryChannel.pair()
            here.close()
            await #expect(throws: FileSyncError.cutShort) { try await FileSender(from: scratch.inside).run(there) }
        }
    }

    @Test func `twenty thousand entries arrive, and none is sent again`() async throws {
        try await withScratch { scratch in
            let source = try await blocking { () throws -> RootedDirectory in
                try scratch.root.createDirectory("many")
                let source = try scratch.root.openDirectory("many")
                for directory in 0..<20 {
                    let name = Array("d\(directory)".utf8)
                    try source.directory.createDirectory(named: name)
                    let handle = try source.directory.openEntry(named: name, [.pathOnly, .directory])
                    for file in 0..<1_000 { try handle.createSymbolicLink(named: Array("l\(file)".utf8), target: name) }
                }
                return source
            }
            let first = try await sync(FileSender(from: source), to: scratch.receiver())
            #expect(first.entries == 20_020)
            let second = try await sync(FileSender(from: source), to: scratch.receiver())
            #expect(!second.isChanged)
        }
    }
}

@available(*, noasync)
private func write(_ text: String, to path: FilePath, in root: RootedDirectory) throws {
    try root.open(path, [.writeOnly, .create, .truncate], mode: 0o644).write(Array(text.utf8))
}

/// A tree with what trees may have.
@available(*, noasync)
private func makeSource(_ scratch: Scratch) throws -> RootedDirectory {
    try scratch.root.createDirectory("source", mode: 0o755)
    let root = try scratch.root.openDirectory("source")
    for directory in ["dir", "dir/empty", "dir/sub"] { try root.createDirectory(FilePath(directory)) }
    try root.open("big", [.writeOnly, .create], mode: 0o600).write(
        (0..<300_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
    )
    try write("content", to: "dir/file", in: root)
    try write("", to: "dir/sub/deep", in: root)
    try root.createHardLink("hard", to: "dir/file")
    try root.createSymbolicLink("link", target: Array("../../nowhere".utf8))
    try root.createNode("dir/pipe", SpecialFile(.fifo), mode: 0o620)
    try write("raw name", to: FilePath(bytes: [0xff, 0xfe]), in: root)
    try write("set", to: FilePath("~setuid"), in: root)
    try root.changeMode("~setuid", 0o4755)
    let file = try root.open("dir/file", [.readOnly])
    try file.setExtendedAttribute(Array("user.note".utf8), [1, 2, 3])
    for (index, path) in ["big", "dir/file", "dir/sub/deep", "link", "dir/pipe", "dir/sub", "dir"].enumerated() {
        try root.setTimes(FilePath(path), modified: FileTime(seconds: 1_000 + Int64(index), nanoseconds: 123_456_789))
    }
    return root
}

@Suite struct `Paths that are followed` {
    /// A tree with links: what is sent for a path of it.
    private func sent(
        _ paths: [String],
        includes: [String] = []
    ) async throws -> [String] {
        var names: [String] = []
        try await withScratch { scratch in
            let source = try await blocking {
                try scratch.root.createDirectory("followed")
                let root = try scratch.root.openDirectory("followed")
                for name in ["real", "real/sub", "other"] as [FilePath] { try root.createDirectory(name) }
                for name in ["real/file", "real/sub/deep", "other/x", "plain"] as [FilePath] {
                    try write("x", to: name, in: root)
                }
                try root.createSymbolicLink("link", target: Array("real/file".utf8))
                try root.createSymbolicLink("directory", target: Array("/real".utf8))
                try root.createSymbolicLink("twice", target: Array("directory/sub".utf8))
                try root.createSymbolicLink("loop", target: Array("loop".utf8))
                try root.createSymbolicLink("out", target: Array("../../plain".utf8))
                return root
            }
            let selection = try await blocking {
                try FileSelection(
                    includes: includes.map { Array($0.utf8) },
                    excludes: [],
                    following: paths.map { Array($0.utf8) },
                    in: source
                )
            }
            _ = try await sync(FileSender(from: source, selection: selection), to: scratch.receiver())
            let lines = try await blocking { try tree(of: scratch.inside) }
            names = lines.compactMap { $0.split(separator: " ").first.map(String.init) }
        }
        return names
    }

    @Test(arguments: [
        (["plain"], ["plain"]),
        (["/plain", "missing"], ["plain"]),
        (["link"], ["link", "real", "real/file"]),
        (["directory/sub/deep"], ["directory", "real", "real/sub", "real/sub/deep"]),
        (["twice"], ["directory", "real", "real/sub", "real/sub/deep", "twice"]),
        (["loop"], ["loop"]),
        (["out"], ["out", "plain"]),
        (["l*k"], ["link", "real", "real/file"]),
        (["p*"], ["plain"]),
    ])
    func `arrive with the links on the way and what these lead to`(_ paths: [String], _ names: [String]) async throws {
        #expect(try await sent(paths) == names)
    }

    @Test func `of the directory itself leave nothing out`() async throws {
        #expect(try await sent(["."]).count == 12)
    }

    @Test func `add to what patterns choose`() async throws {
        #expect(try await sent(["link"], includes: ["other"]) == ["link", "other", "other/x", "real", "real/file"])
    }
}
