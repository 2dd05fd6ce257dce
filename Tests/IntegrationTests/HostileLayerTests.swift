import Archive
import Foundation
import Glibc
import LinuxSystem
import Synchronization
import SystemPackage
import Testing
import Text

/// Layers and trees made to do harm: the catalogue of archives, A2, A10, A11 and A14.
@Suite(.requires(.root, .program("python3"), .program("crun")))
struct `Hostile layers` {
    private func archive(_ entries: some Sequence<TarEntry> & Sendable) async throws -> [UInt8] {
        try await onBlockingPool {
            let sink = MemorySink()
            let writer = TarWriter(sink)
            for entry in entries {
                try writer.begin(entry)
                try writer.write([UInt8](repeating: 1, count: Int(entry.size)))
            }
            try writer.finish()
            return sink.bytes
        }
    }

    private func extract(_ archive: [UInt8], to root: FilePath, limits: ArchiveLimits = ArchiveLimits()) async throws {
        try await onBlockingPool {
            let extractor = LayerExtractor(root: try RootedDirectory(root), mode: .overlay, limits: limits)
            _ = try extractor.extract(MemorySource(archive))
        }
    }

    private func file(_ path: String, size: Int64 = 1) -> TarEntry {
        TarEntry(path: Array(path.utf8), kind: .regular, mode: 0o644, size: size)
    }

    /// A2: while files are written into a directory, it is exchanged for a link that leads out, again and again.
    @Test func `a directory that becomes a link while it is written into leads nowhere`() async throws {
        for target in ["../outside", "/outside", "outside"] {
            try await withScratchDirectory { scratch in
                let (inside, outside) = (scratch.appending("inside"), scratch.appending("outside"))
                try await onBlockingPool {
                    try HostFiles.createDirectory(inside)
                    try HostFiles.createDirectory(outside, mode: 0o711)
                    try HostFiles.createDirectory(inside.appending("a"))
                    let absolute = target.hasPrefix("/") ? outside.string : target
                    try RootedDirectory(inside).createSymbolicLink("link", target: Array(absolute.utf8))
                }
                let before = try await onBlockingPool { try HostFiles.status(of: outside) }
                let layer = try await archive(
                    (0..<300).flatMap { number in
                        [
                            file("a/file\(number % 50)"),
                            TarEntry(path: "a", kind: .directory, mode: 0o755),
                            TarEntry(path: "a/d\(number % 20)/x", kind: .directory, mode: 0o4777),
                        ]
                    }
                )
                let isOver = Mutex(false)
                let swaps = Mutex(0)
                let swapper = try JoinableThread {
                    while !isOver.withLock({ $0 }) {
                        for (old, new) in [("a", "kept"), ("link", "a"), ("a", "link"), ("kept", "a")] {
                            _ = rename(inside.appending(old).string, inside.appending(new).string)
                        }
                        swaps.withLock { $0 += 1 }
                    }
                }
                // What the extraction makes of it does not matter: it may fail, and it may not get out.
                for _ in 0..<3 { try? await extract(layer, to: inside) }
                isOver.withLock { $0 = true }
                await onBlockingPool { swapper.join() }
                #expect(swaps.withLock { $0 } > 0)
                let (left, after, top) = try await onBlockingPool {
                    (
                        try HostFiles.entries(of: outside), try HostFiles.status(of: outside),
                        try HostFiles.entries(of: scratch)
                    )
                }
                #expect(left.isEmpty)
                #expect(after == before)
                #expect(top.count == 2)
            }
        }
    }

    /// A10: sizes of names, depth, numbers of entries and of links.
    @Test func `names and trees at the limits are extracted, and what is over them is refused`() async throws {
        let longest = String(repeating: "n", count: 255)
        let deepest = Array(repeating: "d", count: 2047).joined(separator: "/")
        for (paths, isRefused) in [
            ([longest], false), ([longest + "n"], true), ([deepest], false), ([deepest + "/dd"], true),
            ([Array(repeating: longest, count: 16).joined(separator: "/")], false),
        ] {
            try await withScratchDirectory { root in
                let layer = try await archive(paths.map { file($0) })
                if isRefused {
                    await #expect(throws: ArchiveError.self) { try await extract(layer, to: root) }
                } else {
                    try await extract(layer, to: root)
                }
            }
        }
        try await withScratchDirectory { root in
            var limits = ArchiveLimits()
            limits.entries = 5000
            let layer = try await archive((0..<5001).map { file("f\($0)", size: 0) })
            let error = await #expect(throws: ArchiveError.self) { try await extract(layer, to: root, limits: limits) }
            #expect(error == .overLimit(what: "entries", limit: 5000))
        }
        try await withScratchDirectory { root in
            let links = (0..<2000).map { TarEntry(path: "l\($0)", kind: .hardLink(target: [0x66])) }
            try await extract(try await archive([file("f")] + links), to: root)
            let status = try await onBlockingPool { try HostFiles.status(of: root.appending("l1999")) }
            #expect(status?.linkCount == 2001)
        }
    }

    /// A14: times and owners that do not fit what they are kept in.
    @Test func `times out of range become the epoch and owners out of range are refused`() async throws {
        let scratch = try TemporaryDirectory()
        let script = """
            import io, sys, tarfile
            key, value = sys.argv[1:]
            entry = tarfile.TarInfo("file")
            entry.pax_headers = {key: value}
            with tarfile.open("out.tar", "w", format=tarfile.PAX_FORMAT) as tar: tar.addfile(entry, io.BytesIO(b""))
            """
        func make(_ key: String, _ value: String) async throws -> [UInt8] {
            let made = try await runProgram("python3", ["-c", script, key, value], in: scratch.url)
            try #require(made.status == 0, "\(made.errorText)")
            return Array(try Data(contentsOf: scratch.url.appending(path: "out.tar")))
        }
        for time in ["9223372036854775807", "-1", "99999999999999999999", "10000000000.5", "-62135596800"] {
            let layer = try await make("mtime", time)
            try await withScratchDirectory { root in
                do {
                    try await extract(layer, to: root)
                    let status = try await onBlockingPool { try HostFiles.status(of: root.appending("file")) }
                    #expect(status?.modified == .epoch, "\(time)")
                } catch ArchiveError.invalidHeader {
                    // A number that no reader can keep.
                    #expect(time.count >= 19)
                }
            }
        }
        for key in ["uid", "gid"] {
            for value in ["4294967295", "4294967296", "-1", "9223372036854775808"] {
                let layer = try await make(key, value)
                try await withScratchDirectory { root in
                    _ = await #expect(throws: ArchiveError.self, "\(key) \(value)") {
                        try await extract(layer, to: root)
                    }
                }
            }
            let layer = try await make(key, "4294967294")
            try await withScratchDirectory { root in
                try await extract(layer, to: root)
                let status = try await onBlockingPool { try HostFiles.status(of: root.appending("file")) }
                #expect((key == "uid" ? status?.userID : status?.groupID) == 4_294_967_294)
            }
        }
    }

    /// A11: what is read of an image or a context may be a pipe, or a device that never ends.
    @Test(arguments: ["p", "c 1 5"]) func `anything but a file is refused rather than read`(node: String) async throws {
        let (slipway, scratch) = try Slipway.isolated()
        let made = try await runProgram(
            "sh",
            [
                "-ec",
                """
                mkdir -p tree/bin tree/etc context; cp /bin/busybox tree/bin; ln -s busybox tree/bin/sh
                mknod tree/etc/passwd \(node); mknod tree/etc/group \(node); tar -C tree -cf base.tar .
                """,
            ],
            in: scratch.url
        )
        try #require(made.status == 0, "\(made.errorText)")
        try await slipway.succeed("import", scratch.path + "/base.tar", "base")
        /// `timeout` ends what would hang, with status 124.
        func refuses(_ arguments: [String], naming name: String) async throws {
            let result = try await runProgram(
                "timeout",
                ["300", try Slipway.binary] + arguments,
                environment: ["SLIPWAY_ROOT": slipway.root]
            )
            #expect([1, 125, 126].contains(result.status), "\(arguments): \(result.status) \(result.errorText)")
            #expect(result.errorText.contains(name), "\(arguments): \(result.errorText)")
        }
        let context = scratch.path + "/context"
        try scratch.write("FROM base\nUSER app\nRUN true\n", to: "context/Dockerfile")
        try await refuses(["build", context], naming: "/etc/passwd")
        try scratch.write("FROM base\nCOPY --chown=app Dockerfile /\n", to: "context/Dockerfile")
        try await refuses(["build", context], naming: "/etc/passwd")
        try await refuses(
            ["run", "--rm", "--network", "none", "-u", "app", "base", "sh", "-c", ":"],
            naming: "/etc/passwd"
        )
        func replace(_ name: String) async throws {
            let replaced = try await runProgram(
                "sh",
                ["-ec", "rm -f context/\(name); mknod context/\(name) \(node)"],
                in: scratch.url
            )
            try #require(replaced.status == 0, "\(replaced.errorText)")
        }
        // As with BuildKit, an ignore file that cannot be read as one means nothing.
        try scratch.write("FROM base\nCOPY Dockerfile /\n", to: "context/Dockerfile")
        try await replace(".dockerignore")
        let built = try await runProgram(
            "timeout",
            ["300", try Slipway.binary, "build", context],
            environment: ["SLIPWAY_ROOT": slipway.root]
        )
        #expect(built.status == 0, "\(built.errorText)")
        try await replace("Dockerfile")
        try await refuses(["build", context], naming: "Dockerfile")
    }
}
