import BuildKitProto
import FileSync
import FoundationEssentials
import Hashing
import LinuxSystem
import SwiftProtobuf
import SystemPackage
import Testing
import Text

@Suite struct `Receiving files` {
    /// A tree with an entry of most kinds, as a client sends it.
    private let sample: [FakeEntry] = [
        .file("a", "alpha", mode: 0o600, time: 1_700_000_000_123_456_789),
        .directory("d", mode: 0o750),
        .directory("d/empty"),
        .file("d/f", "in d", mode: 1 << 23 | 0o755),
        .symbolicLink("d/link", "../nowhere"),
        .hardLink("h", "d/f"),
        .named("pipe", 1 << 25 | 0o640),
        .file("z", ""),
    ]

    private let sampleTree = [
        "a regular 600 1700000000.123456789 alpha",
        "d directory 750 0.2",
        "d/empty directory 755 0.2",
        "d/f regular 4755 0.1 in d = first of 2",
        "d/link symbolicLink 777 0.0 -> ../nowhere",
        "h regular 4755 0.1 in d = d/f",
        "pipe fifo 640 0.0 0:0",
        "z regular 644 0.1 ",
    ]

    @Test func `a directory becomes what is sent, with modes, times, links and FIFOs`() async throws {
        try await withScratch { scratch in
            let sender = FakeSender(sample)
            let received = try await scratch.receiver().run(sender)
            #expect(received.entries == 8)
            #expect(received.requested == 3)
            #expect(received.bytes == 9)
            #expect(received.isChanged)
            #expect(sender.requests == [0, 3, 7])
            #expect(try await blocking { try tree(of: scratch.inside) } == sampleTree)
            #expect(try await blocking { try tree(of: scratch.workshop) }.isEmpty)
        }
    }

    @Test func `content is digested as it comes, for the files that stand there then`() async throws {
        try await withScratch { scratch in
            let received = try await scratch.receiver(isDigesting: true).run(FakeSender(sample))
            let expected: [([UInt8], [UInt8])] = [("a", "alpha"), ("d/f", "in d"), ("z", "")]
            #expect(received.digested.map(\.path) == expected.map(\.0))
            for (digested, (path, content)) in zip(received.digested, expected) {
                var hash = SecureHash()
                hash.update(content)
                #expect(digested.sha256 == hash.finalized())
                let found = try await blocking { try scratch.inside.status(FilePath(bytes: path)) }
                #expect(digested.status.inode == found.inode)
                #expect(digested.status.modified == found.modified)
                // That of the other one was changed by its second name.
                if path != "d/f" { #expect(digested.status.changed == found.changed) }
            }
            let unchanged = try await scratch.receiver(isDigesting: true).run(FakeSender(sample))
            #expect(unchanged.digested == [])
            let undigested = try await scratch.receiver(comparison: .none).run(FakeSender(sample))
            #expect(undigested.requested == 3 && undigested.digested == [])
        }
    }

    @Test func `of metadata alone only what patterns name is brought, and the rest is in a file`() async throws {
        let sent: [FakeEntry] = [
            .file("a", "alpha"), .directory("d"), .directory("d/e"), .file("d/e/f", "in e"), .file("d/e/g", "not"),
            .directory("h"), .file("h/i", "not"),
        ]
        try await withScratch { scratch in
            for _ in 0..<2 {
                let receiver = scratch.receiver(scope: .metadata(besides: ["d/**/f"]))
                _ = try await receiver.run(FakeSender(sent))
                let name = ".fsutil-metadata"
                let file = try await blocking {
                    try scratch.inside.open(FilePath(name), .readOnly).readToEnd(limit: 1 << 16)
                }
                var expected: [UInt8] = []
                for entry in sent {
                    let bytes: [UInt8] = try entry.stat.serializedBytes()
                    expected += [UInt8(bytes.count), 0, 0, 0] + bytes
                }
                #expect(file == expected)
                let brought = try await blocking { try tree(of: scratch.inside) }.filter { !$0.hasPrefix(name) }
                #expect(brought == ["d directory 755 0.2", "d/e directory 755 0.2", "d/e/f regular 644 0.1 in e"])
            }
        }
    }

    @Test func `a second sync asks for nothing and changes nothing`() async throws {
        try await withScratch { scratch in
            _ = try await scratch.receiver().run(FakeSender(sample))
            let before = try await blocking { try inodes(scratch.inside) }
            let sender = FakeSender(sample)
            let received = try await scratch.receiver().run(sender)
            #expect(sender.heard.map(\.type) == [.packetFin])
            #expect(!received.isChanged)
            #expect(try await blocking { try inodes(scratch.inside) } == before)
            #expect(try await blocking { try tree(of: scratch.inside) } == sampleTree)
        }
    }

    @Test func `only what differs is asked for, and the rest keeps its inodes`() async throws {
        try await withScratch { scratch in
            _ = try await scratch.receiver().run(
                FakeSender([.file("a", "one"), .file("b", "two"), .file("c", "three"), .file("d", "four")])
            )
            let before = try await blocking { try inodes(scratch.inside) }
            let sender = FakeSender([
                .file("a", "one"), .file("b", "2", time: 1), .file("c", "THREE", time: 9),
                .file("d", "four", mode: 0o755),
            ])
            let received = try await scratch.receiver().run(sender)
            #expect(sender.requests == [1, 2])
            #expect(received.isChanged)
            let after = try await blocking { try inodes(scratch.inside) }
            #expect(after["a"] == before["a"])
            #expect(after["d"]?.first == before["d"]?.first)
            #expect(
                try await blocking { try tree(of: scratch.inside) } == [
                    "a regular 644 0.1 one", "b regular 644 0.1 2", "c regular 644 0.9 THREE",
                    "d regular 755 0.1 four",
                ]
            )
        }
    }

    @Test func `what is not sent any more is removed, and what changes its type is replaced`() async throws {
        try await withScratch { scratch in
            _ = try await scratch.receiver().run(
                FakeSender([
                    .directory("dir"), .file("dir/below", "x"), .directory("gone"), .directory("gone/deep"),
                    .file("gone/deep/file", "y"), .file("plain", "z"), .symbolicLink("sym", "plain"),
                    .file("tail", "t"),
                ])
            )
            _ = try await scratch.receiver().run(
                FakeSender([
                    .file("dir", "now a file"), .directory("plain"), .file("plain/below", "w"),
                    .file("sym", "now a file"),
                ])
            )
            #expect(
                try await blocking { try tree(of: scratch.inside) } == [
                    "dir regular 644 0.1 now a file", "plain directory 755 0.2", "plain/below regular 644 0.1 w",
                    "sym regular 644 0.1 now a file",
                ]
            )
            #expect(try await blocking { try tree(of: scratch.workshop) }.isEmpty)
        }
    }

    @Test func `merged into a directory, a tree leaves what it does not name`() async throws {
        try await withScratch { scratch in
            _ = try await scratch.receiver().run(
                FakeSender([.directory("d"), .file("d/mine", "kept"), .file("f", "old"), .file("mine", "kept")])
            )
            let sender = FakeSender([.directory("d", mode: 0o700), .file("d/new", "new"), .file("f", "new")])
            _ = try await scratch.receiver(isMerging: true).run(sender)
            #expect(sender.requests == [1, 2])
            #expect(
                try await blocking { try tree(of: scratch.inside) } == [
                    "d directory 700 0.2", "d/mine regular 644 0.1 kept", "d/new regular 644 0.1 new",
                    "f regular 644 0.1 new", "mine regular 644 0.1 kept",
                ]
            )
        }
    }

    @Test func `without a directory for unfinished files the received one is used, and is left clean`() async throws {
        try await withScratch { scratch in
            let user = ProcessContext.effectiveUserID
            let group = ProcessContext.fileOwner.group
            let receiver = FileReceiver(into: scratch.inside, owners: .fixed(user: user, group: group))
            _ = try await receiver.run(FakeSender(sample))
            _ = try await receiver.run(FakeSender(sample))
            #expect(try await blocking { try tree(of: scratch.inside) } == sampleTree)
        }
    }

    @Test func `all content is asked for where nothing is to be compared`() async throws {
        try await withScratch { scratch in
            _ = try await scratch.receiver().run(FakeSender(sample))
            let sender = FakeSender(sample)
            _ = try await scratch.receiver(comparison: .none).run(sender)
            #expect(sender.requests == [0, 3, 7])
            #expect(try await blocking { try tree(of: scratch.inside) } == sampleTree)
        }
    }

    @Test func `names that are no UTF-8, and that Unicode calls equal, stay apart`() async throws {
        try await withScratch { scratch in
            var entries = [FakeEntry.file("", "1"), .file("", "2"), .file("", "3"), .file("", "4")]
            let names: [[UInt8]] = [
                [0x65, 0xcc, 0x81], [0xc3, 0xa9], [0xfe], [0xff, 0x0a],
            ]
            for (index, name) in names.enumerated() { entries[index].stat.path = Data(name) }
            _ = try await scratch.receiver().run(FakeSender(entries))
            #expect(
                try await blocking { try tree(of: scratch.inside) } == [
                    "e\\204\\129 regular 644 0.1 1", "\\195\\169 regular 644 0.1 2", "\\254 regular 644 0.1 3",
                    "\\255\\10 regular 644 0.1 4",
                ]
            )
        }
    }

    @Test func `a file that grew or shrank while it was sent is asked for again`() async throws {
        try await withScratch { scratch in
            var grown = FakeEntry.file("grown", "four")
            grown.stat.size = 2
            var shrunk = FakeEntry.file("shrunk", "")
            shrunk.stat.size = 7
            for _ in 0..<2 {
                let sender = FakeSender([grown, shrunk])
                _ = try await scratch.receiver().run(sender)
                #expect(sender.requests == [0, 1])
            }
            #expect(
                try await blocking { try tree(of: scratch.inside) } == [
                    "grown regular 644 0.1 four", "shrunk regular 644 0.1 ",
                ]
            )
        }
    }

    @Test func `files that stop sharing an inode are asked for, and links to a replaced file are made again`()
        async throws
    {
        try await withScratch { scratch in
            _ = try await scratch.receiver().run(
                FakeSender([.file("a", "one"), .hardLink("b", "a"), .hardLink("c", "a")])
            )
            let sender = FakeSender([.file("a", "two", time: 5), .file("b", "one"), .hardLink("c", "a")])
            _ = try await scratch.receiver().run(sender)
            #expect(
                try await blocking { try tree(of: scratch.inside) } == [
                    "a regular 644 0.5 two = first of 2", "b regular 644 0.1 one", "c regular 644 0.5 two = a",
                ]
            )
            let third = FakeSender([.file("a", "two", time: 5), .file("b", "one"), .file("c", "two", time: 5)])
            _ = try await scratch.receiver().run(third)
            #expect(third.requests == [2])
            #expect(try await blocking { try tree(of: scratch.inside) }.last == "c regular 644 0.5 two")
        }
    }

    @Test func `attributes of users are kept and follow what is sent, others are left out`() async throws {
        try await withScratch { scratch in
            var file = FakeEntry.file("f", "x")
            file.stat.xattrs = [
                "user.one": Data("1".utf8), "user.overlay.opaque": Data("y".utf8), "trusted.x": Data("y".utf8),
            ]
            var directory = FakeEntry.directory("d")
            directory.stat.xattrs = ["user.two": Data("2".utf8)]
            _ = try await scratch.receiver().run(FakeSender([directory, file]))
            #expect(
                try await blocking { try tree(of: scratch.inside) } == [
                    "d directory 755 0.2 user.two=2", "f regular 644 0.1 x user.one=1",
                ]
            )
            file.stat.xattrs = ["user.three": Data("3".utf8)]
            directory.stat.xattrs = [:]
            let sender = FakeSender([directory, file])
            #expect(try await scratch.receiver().run(sender).isChanged)
            #expect(sender.requests.isEmpty)
            #expect(
                try await blocking { try tree(of: scratch.inside) } == [
                    "d directory 755 0.2", "f regular 644 0.1 x user.three=3",
                ]
            )
        }
    }

    @Test func `attributes follow what is sent in a directory that had none of them before`() async throws {
        try await withScratch { scratch in
            let mark = scratch.path.appending("plain")
            try await blocking { try HostFiles.write([], to: mark) }
            func sync(_ entries: [FakeEntry]) async throws -> (isChanged: Bool, isPlain: Bool, tree: [String]) {
                let received = try await scratch.receiver(plainMark: mark).run(FakeSender(entries))
                return try await blocking {
                    (received.isChanged, try HostFiles.status(of: mark) != nil, try tree(of: scratch.inside))
                }
            }
            let plain: [FakeEntry] = [.directory("d"), .file("d/e", "y"), .file("f", "x")]
            var marked = plain
            marked[2].stat.xattrs = ["user.one": Data("1".utf8)]
            let bare = ["d directory 755 0.2", "d/e regular 644 0.1 y", "f regular 644 0.1 x"]
            #expect(try await sync(plain) == (true, true, bare))
            #expect(try await sync(plain) == (false, true, bare))
            #expect(try await sync(marked) == (true, false, Array(bare[..<2]) + ["f regular 644 0.1 x user.one=1"]))
            #expect(try await sync(plain) == (true, false, bare))
            // What is left out in any case takes nothing from the mark's truth.
            try await blocking { try HostFiles.write([], to: mark) }
            marked[2].stat.xattrs = ["trusted.x": Data("y".utf8)]
            #expect(try await sync(marked) == (false, true, bare))
        }
    }

    @Test func `content of many files may come interleaved, piece by piece`() async throws {
        try await withScratch { scratch in
            let files = (0..<200).map { String(1_000 + $0) }
            var script = files.map { FakeEntry.file($0, "\($0)\($0)").packet } + [Fsutil_Types_Packet()]
            for _ in 0..<2 { script += files.indices.map { .data(UInt32($0), files[$0].utf8) } }
            script += files.indices.reversed().map { .data(UInt32($0), []) }
            let sender = FakeSender(script: script)
            _ = try await scratch.receiver().run(sender)
            let lines = try await blocking { try tree(of: scratch.inside) }
            #expect(lines == files.map { "\($0) regular 644 0.1 \($0)\($0)" })
        }
    }

    @Test func `a sync cut after any packet leaves whole entries, and the next one makes the tree right`() async throws
    {
        let old: [FakeEntry] = [
            .file("a", "old a"), .directory("b"), .file("b/c", "old c"), .file("d", "same"), .file("gone", "gone"),
        ]
        let new: [FakeEntry] = [
            .file("a", "new a that is longer", time: 3), .directory("b", mode: 0o700), .file("b/c", "new c", time: 3),
            .file("b/n", "new"), .file("d", "same"), .hardLink("e", "a"), .symbolicLink("s", "d"),
        ]
        let wanted = [
            "a regular 644 0.3 new a that is longer = first of 2", "b directory 700 0.2", "b/c regular 644 0.3 new c",
            "b/n regular 644 0.1 new", "d regular 644 0.1 same", "e regular 644 0.3 new a that is longer = a",
            "s symbolicLink 777 0.0 -> d",
        ]
        // The last packet is the 22nd.
        for cut in 0..<22 {
            try await withScratch { scratch in
                _ = try await scratch.receiver().run(FakeSender(old))
                let sender = FakeSender(new, pieceSize: 3, cutAfter: cut)
                await #expect(throws: FileSyncError.cutShort) { try await scratch.receiver().run(sender) }
                for (path, contents) in [
                    "a": ["old a", "new a that is longer"], "b/c": ["old c", "new c"], "d": ["same"], "b/n": ["new"],
                ] {
                    let found = try await blocking { () throws -> [UInt8]? in
                        guard try scratch.inside.statusIfPresent(FilePath(path)) != nil else { return nil }
                        return try scratch.inside.open(FilePath(path), [.readOnly]).readToEnd()
                    }
                    if let found { #expect(contents.contains(String(decoding: found, as: UTF8.self)), "cut at \(cut)") }
                }
                #expect(try await blocking { try tree(of: scratch.workshop) }.isEmpty)
                _ = try await scratch.receiver().run(FakeSender(new))
                #expect(try await blocking { try tree(of: scratch.inside) } == wanted, "cut at \(cut)")
            }
        }
    }

    @Test func `progress counts bytes as they are sent`() async throws {
        try await withScratch { scratch in
            let last = LastValue()
            _ = try await scratch.receiver().run(FakeSender([])) { last.set($0) }
            // As docker shows an empty context: the packet that ends it all.
            #expect(last.value == 2)
            let entries = sample
            let sizes = entries.map { Int64($0.packet.wireSizeByEncoder) }.reduce(0, +)
            _ = try await scratch.receiver().run(FakeSender(entries)) { last.set($0) }
            #expect(last.value >= sizes + 9)
        }
    }

    @Test func `a sync whose task is cancelled ends while the sender is silent`() async throws {
        try await withScratch { scratch in
            let task = Task {
                try await scratch.receiver().run(FakeSender(script: [FakeEntry.file("a", "x").packet]))
            }
            try await Task.sleep(for: .milliseconds(20))
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
        }
    }
}

/// The inode of each entry, and when it was last changed in any way.
@available(*, noasync)
private func inodes(_ root: RootedDirectory) throws -> [String: [Int64]] {
    var found: [String: [Int64]] = [:]
    for name in try root.entries() {
        let status = try root.status(FilePath(bytes: name))
        found[String(decoding: name, as: UTF8.self)] = [
            Int64(bitPattern: status.inode), status.changed.seconds, Int64(status.changed.nanoseconds),
        ]
    }
    return found
}
