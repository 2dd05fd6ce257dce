import Archive
import Glibc
import LinuxSystem
import Proofs
import SystemPackage
import Testing
import Text

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

private struct Member: Sendable {
    var entry: TarEntry
    var content: [UInt8] = []

    static func file(_ path: String, _ content: String = "x", mode: UInt16 = 0o644) -> Member {
        Member(
            entry: TarEntry(path: bytes(path), kind: .regular, mode: mode, size: Int64(content.utf8.count)),
            content: bytes(content)
        )
    }
    static func directory(_ path: String) -> Member {
        Member(entry: TarEntry(path: bytes(path), kind: .directory, mode: 0o755))
    }
    static func link(_ path: String, _ target: String) -> Member {
        Member(entry: TarEntry(path: bytes(path), kind: .symbolicLink(target: bytes(target)), mode: 0o777))
    }
    static func hardLink(_ path: String, _ target: String) -> Member {
        Member(entry: TarEntry(path: bytes(path), kind: .hardLink(target: bytes(target)), mode: 0o4777))
    }
    static func device(_ path: String, _ major: UInt32, _ minor: UInt32) -> Member {
        Member(entry: TarEntry(path: bytes(path), kind: .characterDevice(major: major, minor: minor)))
    }
}

private func archive(_ members: [Member]) async throws -> [UInt8] {
    try await onBlockingPool {
        let sink = MemorySink()
        let writer = TarWriter(sink)
        for member in members {
            try writer.begin(member.entry)
            try writer.write(member.content)
        }
        try writer.finish()
        return sink.bytes
    }
}

/// Extracts into `root/inside`; returns whether it was refused.
private func extract(_ members: [Member], _ root: FilePath, _ mode: LayerExtractor.Mode = .overlay) async throws -> Bool
{
    let archive = try await archive(members)
    return try await onBlockingPool {
        try HostFiles.createDirectory(root.appending("inside"))
        let extractor = LayerExtractor(root: try RootedDirectory(root.appending("inside")), mode: mode)
        do {
            _ = try extractor.extract(MemorySource(archive))
            return false
        } catch is ArchiveError {
            return true
        }
    }
}

/// Every file below a directory as "type mode owner size path [-> target | = content]".
private func listing(_ root: FilePath) async throws -> [String] {
    try await onBlockingPool {
        let directory = try RootedDirectory(root)
        var lines: [String] = []
        var pending: [FilePath] = try directory.entries().map { FilePath(bytes: $0) }
        while let path = pending.popLast() {
            let status = try directory.status(path)
            var line = "\(status.type) \(String(status.mode, radix: 8)) \(status.userID):\(status.groupID) "
            line += escapedForDisplay(path.bytes)
            switch status.type {
            case .symbolicLink: line += " -> \(escapedForDisplay(try directory.readLink(path)))"
            case .regular: line += " = \(escapedForDisplay(try directory.open(path, .readOnly).readToEnd()))"
            case .characterDevice, .blockDevice: line += " \(status.deviceMajor):\(status.deviceMinor)"
            case .directory:
                let opaque = try directory.open(path, .pathOnly).extendedAttribute(bytes("trusted.overlay.opaque"))
                if opaque == bytes("y") { line += " opaque" }
                pending += try directory.entries(of: path).map { path.appending(FilePath(bytes: $0).components) }
            case .fifo, .socket: break
            }
            lines.append(line)
        }
        return lines.sorted()
    }
}

@Suite(.requires(.root)) struct `Extracting layers` {
    /// A1, A3, A4: whatever is linked and then written through, nothing outside the root changes.
    @Test func `nothing is ever written outside the root`() async throws {
        let targets = [
            "/", "..", "../..", ".", "/outside", "../outside", "../../outside", "a/../../outside", "/proc/self/root",
            "loop",
        ]
        let throughs: [(String) -> Member] = [
            { .file("\($0)/victim", "changed", mode: 0o4777) }, { .file("\($0)/outside/victim", "changed") },
            { .directory("\($0)/new") }, { .hardLink("grabbed", "\($0)/victim") },
            { .hardLink("grabbed", "\($0)/outside/victim") },
            { .link("\($0)/victim", "/etc/passwd") }, { .device("\($0)/null", 1, 3) },
            { .file("\($0)/.wh.victim", "") }, { .file("\($0)/.wh..wh..opq", "") }, { .file($0, "replaced") },
            { .directory($0) },
        ]
        for target in targets {
            for through in throughs {
                try await withScratchDirectory { root in
                    try await onBlockingPool {
                        try HostFiles.createDirectory(root.appending("outside"), mode: 0o711)
                        let victim = try OpenFile.open(root.appending("outside/victim"), [.writeOnly, .create])
                        try victim.write(bytes("untouched"))
                        try victim.changeMode(0o600)
                    }
                    let before = try await listing(root.appending("outside"))
                    _ = try await extract(
                        [.link("a", target), .link("b", "a"), .link("loop", "loop"), through("a"), through("b")],
                        root
                    )
                    let found = try await listing(root.appending("outside"))
                    #expect(found == before)
                    let top = try await onBlockingPool { try RootedDirectory(root).entries() }
                    #expect(top == [bytes("inside"), bytes("outside")])
                }
            }
        }
    }

    @Test(arguments: ["../escape", "a/../../escape", "/../escape", "a/..", ".."])
    func `names that climb are refused`(_ name: String) async throws {
        try await withScratchDirectory { root in
            let refused = try await extract([.directory("a"), .file(name)], root)
            #expect(refused)
            let top = try await onBlockingPool { try RootedDirectory(root).entries() }
            #expect(top == [bytes("inside")])
        }
    }

    @Test func `the root is never replaced and takes its own metadata`() async throws {
        for member: Member in [.file("."), .link("/", "/etc"), .link("./", "/etc"), .hardLink(".", "a")] {
            try await withScratchDirectory { root in
                let refused = try await extract([.file("a"), member], root)
                #expect(refused)
            }
        }
        try await withScratchDirectory { root in
            var top = Member.directory("./")
            top.entry.mode = 0o1777
            top.entry.userID = 7
            let refused = try await extract([top, .file("a")], root)
            #expect(!refused)
            let status = try await onBlockingPool { try OpenFile.open(root.appending("inside"), .pathOnly).status() }
            #expect(status.mode == 0o1777)
            #expect(status.userID == 7)
        }
    }

    @Test(.proves("C20: an archive's ./ leaves the"))
    func `an archive that is not a layer leaves the directory itself alone`() async throws {
        for (name, kind) in [("./", TarEntry.Kind.directory), ("/", .directory), ("", .regular), (".", .fifo)] {
            try await withScratchDirectory { root in
                try await onBlockingPool {
                    try HostFiles.createDirectory(root.appending("inside"))
                    try OpenFile.open(root.appending("inside"), [.readOnly, .directory]).changeMode(0o751)
                }
                let top = Member(entry: TarEntry(path: bytes(name), kind: kind, mode: 0o1700, userID: 7, groupID: 8))
                let refused = try await extract([top, .file("a")], root, .plain(owner: nil))
                #expect(!refused)
                let status = try await onBlockingPool {
                    try OpenFile.open(root.appending("inside"), .pathOnly).status()
                }
                #expect(status.mode == 0o751, "\(name)")
                #expect(status.userID == 0 && status.groupID == 0, "\(name)")
                #expect(try await listing(root.appending("inside")) == ["regular 644 0:0 a = x"])
            }
        }
    }

    @Test(.proves("C12: the header of a hard link"))
    func `outside of layers a hard link's own header counts for its file`() async throws {
        try await withScratchDirectory { root in
            var link = Member.hardLink("b", "a")
            (link.entry.mode, link.entry.userID, link.entry.groupID) = (0o755, 7, 8)
            link.entry.modified = FileTime(seconds: 1_100_000_000)
            var toLink = Member.hardLink("m", "l")
            toLink.entry.userID = 9
            let members = [.file("a"), link, .link("l", "a"), toLink]
            let refused = try await extract(members, root, .plain(owner: nil))
            #expect(!refused)
            let inside = root.appending("inside")
            #expect(
                try await listing(inside) == [
                    "regular 755 7:8 a = x", "regular 755 7:8 b = x", "symbolicLink 777 0:0 l -> a",
                    "symbolicLink 777 0:0 m -> a",
                ]
            )
            let time = try await onBlockingPool {
                try OpenFile.open(inside.appending("a"), .pathOnly).status().modified
            }
            #expect(time == FileTime(seconds: 1_100_000_000))
        }
    }

    @Test func `hard links may be absolute, go through links and name links`() async throws {
        try await withScratchDirectory { root in
            let refused = try await extract(
                [
                    .directory("usr/bin"), .file("usr/bin/tool", "tool", mode: 0o4755), .link("bin", "/usr/bin"),
                    .hardLink("one", "/usr/bin/tool"), .hardLink("two", "bin/tool"),
                    .hardLink("three", "./usr//bin/tool"),
                    .hardLink("four", "bin"), .hardLink("one", "/usr/bin/tool"),
                ],
                root
            )
            #expect(!refused)
            let lines = try await listing(root.appending("inside"))
            for name in ["one", "two", "three"] { #expect(lines.contains("regular 4755 0:0 \(name) = tool")) }
            #expect(lines.contains("symbolicLink 777 0:0 four -> /usr/bin"))
        }
        for target in ["later", "../outside/victim", "dir", "gone", "."] {
            try await withScratchDirectory { root in
                let refused = try await extract(
                    [.directory("dir"), .file(".wh.gone", ""), .hardLink("h", target), .file("later")],
                    root
                )
                #expect(refused)
            }
        }
    }

    @Test func `whiteouts become what overlayfs has for them`() async throws {
        let vectors: [([Member], [String])] = [
            ([.file(".wh.a", "")], ["characterDevice 0 0:0 a 0:0"]),
            ([.file("d/.wh.a", "")], ["characterDevice 0 0:0 d/a 0:0", "directory 755 0:0 d"]),
            ([.file("d/.wh..wh..opq", "")], ["directory 755 0:0 d opaque"]),
            ([.file("a"), .file(".wh.a", "")], ["regular 644 0:0 a = x"]),
            ([.file(".wh.a", ""), .file("a")], ["regular 644 0:0 a = x"]),
            ([.file(".wh.a", ""), .file(".wh.a", "")], ["characterDevice 0 0:0 a 0:0"]),
            ([.file(".wh.a", ""), .directory("a")], ["directory 755 0:0 a opaque"]),
            ([.directory("a"), .file(".wh.a", "")], ["directory 755 0:0 a opaque"]),
            ([.file(".wh.a", ""), .file("a/b")], ["directory 755 0:0 a opaque", "regular 644 0:0 a/b = x"]),
            ([.file(".wh..wh.plnk/1", ""), .file("b")], ["regular 644 0:0 b = x"]),
            (
                [.link("l", "d"), .directory("d"), .file("l/.wh.a", "")],
                [
                    "characterDevice 0 0:0 d/a 0:0", "directory 755 0:0 d", "symbolicLink 777 0:0 l -> d",
                ]
            ),
        ]
        for (members, expected) in vectors {
            try await withScratchDirectory { root in
                let refused = try await extract(members, root)
                #expect(!refused)
                let found = try await listing(root.appending("inside"))
                #expect(found == expected)
            }
        }
        let refused: [Member] = [
            .file(".wh.", ""), .file(".wh..", ""), .file(".wh...", ""), .file("d/.wh.", ""), .file(".wh.x/y"),
            .directory(".wh.x"),
            .link(".wh.x", "y"), .device("a", 0, 0), .device(".wh.a", 1, 3), .file("d/.wh..wh.other", ""),
        ]
        for member in refused {
            try await withScratchDirectory { root in
                let refused = try await extract([member], root)
                #expect(refused, "\(member.entry)")
            }
        }
    }

    @Test func `overlayfs's own attributes in a layer are dropped`() async throws {
        try await withScratchDirectory { root in
            var member = Member.directory("d")
            let names = [
                "trusted.overlay.redirect", "trusted.overlay.opaque", "trusted.overlay.metacopy", "user.overlay.opaque",
                "trusted.overlay.overlay.opaque", "security.selinux", "user.kept",
            ]
            member.entry.attributes = names.map { .init(name: bytes($0), value: bytes("y")) }
            let made = member
            let refused = try await extract([made], root)
            #expect(!refused)
            let kept = try await onBlockingPool {
                try OpenFile.open(root.appending("inside/d"), .pathOnly).extendedAttributes()
            }
            #expect(kept.map(\.name) == [bytes("user.kept")])
        }
    }

    @Test func `capabilities and setuid survive the change of owner`() async throws {
        try await withScratchDirectory { root in
            var member = Member.file("ping", "x", mode: 0o4755)
            member.entry.userID = 1000
            let capability: [UInt8] = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
            member.entry.attributes = [.init(name: bytes("security.capability"), value: capability)]
            let made = member
            let refused = try await extract([made], root)
            #expect(!refused)
            let (status, value) = try await onBlockingPool {
                let file = try OpenFile.open(root.appending("inside/ping"), .pathOnly)
                return (try file.status(), try file.extendedAttribute(bytes("security.capability")))
            }
            #expect(status.mode == 0o4755)
            #expect(status.userID == 1000)
            #expect(value == capability)
        }
    }

    @Test func `names are bytes`() async throws {
        let names: [[UInt8]] = [
            [0xcc, 0x81, 0x78], bytes("é"), bytes("e\u{301}"), [0xff, 0xfe], bytes("a\nb"), [0x1b, 0x5b, 0x32, 0x4a],
            bytes("a\\b"),
            bytes("dot."), bytes("space "), bytes("CASE"), bytes("case"), bytes("con"), bytes("\u{202e}x"),
            bytes("..."),
            [UInt8](repeating: 0x6e, count: 255),
        ]
        try await withScratchDirectory { root in
            let refused = try await extract(names.map { Member(entry: TarEntry(path: $0, kind: .regular)) }, root)
            #expect(!refused)
            let found = try await onBlockingPool { try RootedDirectory(root.appending("inside")).entries() }
            #expect(Set(found) == Set(names))
            #expect(found.count == names.count)
        }
        try await withScratchDirectory { root in
            let refused = try await extract([.file(String(repeating: "n", count: 256))], root)
            #expect(refused)
            let tooDeep = try await extract([.file(String(repeating: "d/", count: 2100) + "f")], root)
            #expect(tooDeep)
        }
    }

    @Test(arguments: ["gnu", "pax", "ustar"])
    func `what GNU tar packs is unpacked as GNU tar does`(_ format: String) async throws {
        try await withScratchDirectory { root in
            let script = """
                set -e; cd "$0"; mkdir -p tree/sub/deep theirs; cd tree; echo one > file; ln file sub/hard; ln -s ../file sub/soft
                mknod null c 1 3; mkfifo pipe; chmod 4755 file; chown 12:34 sub; touch -d @1000000000 sub/deep
                printf 'head' > sparse; truncate -s 3M sparse; printf 'tail' >> sparse
                [ \(format) = ustar ] || touch "$(printf 'long%.0s' $(seq 60))"
                cd ..; tar --format=\(format) \(format == "ustar" ? "" : "-S") -C tree -cf a.tar .; tar -C theirs -xpf a.tar
                """
            let made = try await runProgram("sh", ["-c", script, root.string])
            #expect(made.status == 0, "\(made.errorText)")
            try await onBlockingPool {
                try HostFiles.createDirectory(root.appending("ours"))
                let source = FileSource(try OpenFile.open(root.appending("a.tar"), .readOnly))
                let directory = try RootedDirectory(root.appending("ours"))
                _ = try LayerExtractor(root: directory, mode: .plain(owner: nil)).extract(source)
            }
            let found = try await listing(root.appending("ours"))
            let expected = try await listing(root.appending("theirs"))
            #expect(found == expected)
            let times = try await runProgram(
                "sh",
                [
                    "-c", "cd \"$0\"; stat -c '%n %Y %h' $(cd ours; find . -type f -o -type d | sed s:^:ours/:)",
                    root.string,
                ]
            )
            let theirs = try await runProgram(
                "sh",
                [
                    "-c", "cd \"$0\"; stat -c '%n %Y %h' $(cd ours; find . -type f -o -type d | sed s:^:theirs/:)",
                    root.string,
                ]
            )
            #expect(times.text.replacing("ours/", with: "") == theirs.text.replacing("theirs/", with: ""))
        }
    }
}
