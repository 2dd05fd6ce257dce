import BuildKitProto
import FileSync
import FoundationEssentials
import LinuxSystem
import SwiftProtobuf
import SystemPackage
import Testing

/// What a sender tries, and the words by which it is refused.
struct Attack: Sendable, CustomTestStringConvertible {
    let name: String
    let packets: [Fsutil_Types_Packet]
    let refusal: String

    init(_ name: String, _ packets: [Fsutil_Types_Packet], _ refusal: String) {
        self.name = name
        self.packets = packets
        self.refusal = refusal
    }

    init(_ name: String, entries: [FakeEntry], _ refusal: String) {
        self.init(name, entries.map(\.packet), refusal)
    }

    var testDescription: String { name }
}

private let end = Fsutil_Types_Packet()

private func changed(_ entry: FakeEntry, _ change: (inout Fsutil_Types_Stat) -> Void) -> FakeEntry {
    var entry = entry
    change(&entry.stat)
    return entry
}

@Suite struct `Refusing hostile senders` {
    static let paths: [Attack] = [
        Attack("climbs out", entries: [.file("../canary/new")], "../canary/new: its path has a component"),
        Attack(
            "climbs out below a directory",
            entries: [.directory("d"), .file("d/../../x")],
            "its path has a component"
        ),
        Attack("is the directory above", entries: [.directory("..")], "its path has a component"),
        Attack(
            "climbs out behind a combining mark",
            entries: [.file("../\u{301}x")],
            "its path has a component"
        ),
        Attack("is absolute", entries: [.file("/etc/new")], "at /etc/new: its path is absolute"),
        Attack("is the directory itself", entries: [.directory(".")], "its path has a component"),
        Attack("has a dot", entries: [.directory("d"), .file("d/./f")], "its path has a component"),
        Attack("has an empty component", entries: [.directory("d"), .file("d//f")], "its path has a component"),
        Attack("ends in a slash", entries: [.directory("d/")], "its path has a component"),
        Attack("is empty", entries: [.file("")], "its path is empty"),
        Attack("has a NUL byte", entries: [.file("a\0b")], "at a\\x00b: its path has a NUL byte"),
        Attack("is too long", entries: [.file(String(repeating: "a/", count: 2_500))], "longer than a path may be"),
        Attack("has a long name", entries: [.file(String(repeating: "n", count: 256))], "more than 255 bytes"),
    ]

    static let orders: [Attack] = [
        Attack("comes twice", entries: [.file("a"), .file("a")], "at a: it was sent before"),
        Attack("comes too late", entries: [.file("b"), .file("a")], "at a: it belongs before b"),
        Attack(
            "comes back to a directory",
            entries: [.directory("a"), .file("b"), .file("a/x")],
            "at a/x: its directory was not sent right before it"
        ),
        Attack("has no directory", entries: [.file("a/b")], "at a/b: its directory was not sent right before it"),
        Attack("is below a file", entries: [.file("a"), .file("a/b")], "at a/b: a is not a directory"),
        Attack(
            "is below a symbolic link",
            entries: [.symbolicLink("a", "../canary"), .file("a/b")],
            "at a/b: a is not a directory"
        ),
        Attack(
            "makes a directory a link and writes through it",
            entries: [.directory("a"), .symbolicLink("a", "../canary"), .file("a/b")],
            "at a: it was sent before"
        ),
        Attack("has no end", entries: (100..<200).map { .file("\($0)") }, "it has more than 50 entries"),
    ]

    static let kinds: [Attack] = [
        Attack("links to nothing", entries: [.hardLink("a", "b")], "at a: it is a hard link to b, which is not a file"),
        Attack(
            "links to a later file",
            entries: [.hardLink("a", "b"), .file("b")],
            "which is not a file sent before it"
        ),
        Attack(
            "links to a file outside",
            entries: [.hardLink("a", "../canary/file")],
            "../canary/file, which is not a file sent before it"
        ),
        Attack(
            "links through a symbolic link",
            entries: [.symbolicLink("a", "../canary"), .hardLink("b", "a/file")],
            "which is not a file sent before it"
        ),
        Attack(
            "links to a symbolic link",
            entries: [.symbolicLink("a", "../canary/file"), .hardLink("b", "a")],
            "which is not a file sent before it"
        ),
        Attack(
            "links to a directory",
            entries: [.directory("a"), .hardLink("b", "a")],
            "which is not a file sent before"
        ),
        Attack("links to itself", entries: [.hardLink("a", "a")], "which is not a file sent before it"),
        Attack("is a socket", entries: [.named("a", 1 << 24)], "has an unknown type"),
        Attack("is of two types", entries: [.named("a", 1 << 31 | 1 << 27)], "mode 0x88000000 has an unknown type"),
        Attack("is irregular", entries: [.named("a", 1 << 19)], "has an unknown type"),
        Attack("is shorter than nothing", entries: [changed(.file("a")) { $0.size = -1 }], "at a: a size of -1 bytes"),
        Attack("links to an empty name", entries: [.symbolicLink("a", "")], "target of the link is empty"),
        Attack("links to a name with NUL", entries: [.symbolicLink("a", "b\0c")], "target of the link is empty"),
        Attack(
            "is a device without numbers",
            entries: [changed(.named("a", 1 << 26 | 1 << 21)) { $0.devmajor = -1 }],
            "device numbers are out of range"
        ),
        Attack(
            "is a device beyond Linux's numbers",
            entries: [changed(.named("a", 1 << 26)) { $0.devminor = 1 << 20 }],
            "device numbers are out of range"
        ),
    ]

    static let packets: [Attack] = [
        Attack("sends content of no entry", [.data(7, "x".utf8)], "content of entry 7, which was not asked for"),
        Attack(
            "sends content of a directory",
            [FakeEntry.directory("d").packet, .data(0, "x".utf8)],
            "content of entry 0, which was not asked for"
        ),
        Attack(
            "ends a file twice",
            [FakeEntry.file("a").packet, FakeEntry.file("b").packet, .data(0, []), .data(0, [])],
            "content of entry 0, which was not asked for"
        ),
        Attack(
            "writes to a complete file",
            [FakeEntry.file("a").packet, FakeEntry.file("b").packet, .data(0, []), .data(0, "more".utf8)],
            "content of entry 0, which was not asked for"
        ),
        Attack(
            "sends more than may be",
            [FakeEntry.file("a").packet] + (0..<5).map { _ in .data(0, [UInt8](repeating: 1, count: 300)) },
            "its files have more than 1000 bytes"
        ),
        Attack("has entries after the last", [end, FakeEntry.file("a").packet], "an entry after all content"),
        Attack(
            "has two ends",
            [FakeEntry.file("a").packet, end, end],
            "the sender sent an entry before all content"
        ),
        Attack("ends before its entries", [.of(.packetFin)], "the sender sent the end before the last entry"),
        Attack(
            "ends before its content",
            [FakeEntry.file("a").packet, end, .of(.packetFin)],
            "the sender sent the end before all content"
        ),
        Attack("asks as receivers do", [.of(.packetReq)], "the sender sent a request before the last entry"),
        Attack("sends an unknown type", [.of(.UNRECOGNIZED(9))], "a packet of unknown type 9 before the last entry"),
        Attack("goes on after the end", [end, .of(.packetFin), .of(.packetFin)], "sent the end after the end"),
        Attack("fails after the end", [end, .of(.packetFin), .of(.packetErr)], "sent a failure after the end"),
    ]

    @Test(arguments: paths + orders + kinds + packets)
    func `is refused by name, told so, and leaves nothing outside of the directory`(_ attack: Attack) async throws {
        try await withScratch { scratch in
            try await blocking {
                try HostFiles.createDirectory(scratch.path.appending("canary"))
                try HostFiles.write(Array("untouched".utf8), to: scratch.path.appending("canary/file"))
            }
            let outside = try await blocking { try outsideTree(scratch) }
            let sender = FakeSender(script: attack.packets, ends: true)
            let limits = SyncLimits(entries: 50, content: 1_000)
            let error = await #expect(throws: FileSyncError.self) {
                try await scratch.receiver(limits: limits).run(sender)
            }
            let text = error?.description ?? ""
            #expect(text.contains("the file sync was refused") && text.contains(attack.refusal), "\(text)")
            #expect(sender.heard.last?.type == .packetErr)
            #expect(sender.heard.last.map { String(decoding: $0.data, as: UTF8.self) } == text)
            #expect(try await blocking { try outsideTree(scratch) } == outside)
            // And the directory is as good as before.
            _ = try await scratch.receiver().run(FakeSender([.file("good", "good")]))
            #expect(try await blocking { try tree(of: scratch.inside) } == ["good regular 644 0.1 good"])
        }
    }

    @Test func `its own failure is passed on, escaped, and not answered`() async throws {
        try await withScratch { scratch in
            let failure = Fsutil_Types_Packet.with {
                $0.type = .packetErr
                $0.data = Data("no access \u{1b}[31m".utf8)
            }
            let sender = FakeSender(script: [failure])
            let error = await #expect(throws: FileSyncError.self) { try await scratch.receiver().run(sender) }
            #expect(error?.description == "error from sender: no access \\x1b[31m")
            #expect(sender.heard.isEmpty)
        }
    }

    @Test func `a link that stood where a directory is sent is replaced, not followed`() async throws {
        try await withScratch { scratch in
            _ = try await blocking { try HostFiles.createDirectory(scratch.path.appending("canary")) }
            let outside = try await blocking { try outsideTree(scratch) }
            _ = try await scratch.receiver().run(FakeSender([.symbolicLink("a", "../canary"), .file("b")]))
            _ = try await scratch.receiver().run(
                FakeSender([.directory("a"), .file("a/new", "x"), .hardLink("b", "a/new")])
            )
            let lines = try await blocking { try tree(of: scratch.inside) }
            #expect(
                lines == [
                    "a directory 755 0.2", "a/new regular 644 0.1 x = first of 2", "b regular 644 0.1 x = a/new",
                ]
            )
            #expect(try await blocking { try outsideTree(scratch) } == outside)
        }
    }
}

/// All that is beside the received directory.
@available(*, noasync)
private func outsideTree(_ scratch: Scratch) throws -> [String] {
    try tree(of: scratch.root).filter { !$0.starts(with: "inside") && !$0.starts(with: "workshop") }
}
