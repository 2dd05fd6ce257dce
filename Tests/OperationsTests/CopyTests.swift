import Foundation
import Glibc
import LLB
import LinuxSystem
import Proofs
import SystemPackage
import Testing

@testable import Operations

/// Copies as `COPY source destination` does; the result is the listing of the destination.
@discardableResult
func copying(
    _ source: String,
    to destination: String,
    from context: FilePath,
    in image: FilePath,
    ignoring patterns: [String] = [],
    _ adjust: @Sendable (inout FileCopy) -> Void = { _ in }
) async throws -> Int {
    var copy = FileCopy.instruction(source: bytes(source), destination: bytes(destination))
    adjust(&copy)
    let request = copy
    return try await onBlockingPool {
        let tree = SourceTree(
            root: try RootedDirectory(context),
            name: bytes("context"),
            filter: try PathFilter(includes: [], excludes: patterns.map(bytes)),
            ownership: .root
        )
        let copier = try FileCopier(request, from: tree, to: try RootedDirectory(image), owner: nil)
        return try copier.run()
    }
}

@Suite struct `COPY` {
    let scratch: Scratch
    let image: FilePath

    init() throws {
        scratch = try Scratch()
        image = try scratch.tree("image")
    }

    @Test(.proves("COPY of a directory")) func `a directory's contents are copied, not the directory`() async throws {
        let context = try scratch.tree("context", ["d/a": "1", "d/sub/b": "2", "other": "3"])
        try await copying("d", to: "/x", from: context, in: image)
        #expect(try scratch.listing(image) == ["x/", "x/a=1", "x/sub/", "x/sub/b=2"])
    }

    @Test(.proves("COPY of a directory")) func `the whole context goes into an existing directory and merges`()
        async throws
    {
        let context = try scratch.tree("context", ["a": "new", "d/b": "2"])
        _ = try scratch.tree("image/srv", ["a": "old", "d/c": "kept"])
        try await copying(".", to: "/srv", from: context, in: image)
        #expect(try scratch.listing(image) == ["srv/", "srv/a=new", "srv/d/", "srv/d/b=2", "srv/d/c=kept"])
    }

    @Test func `what a copy makes itself has a fixed time, and what it writes into keeps its own`() async throws {
        let context = try scratch.tree("context", ["a": "1", "d/b": "2"])
        _ = try scratch.tree("image/srv", [:])
        let (old, older) = (Date(timeIntervalSince1970: 1_000_000_000), Date(timeIntervalSince1970: 900_000_000))
        let undated = Date(timeIntervalSince1970: 946_684_800)
        for path in [context.appending("a"), context.appending("d"), image.appending("srv")] {
            try scratch.setTime(path, path.lastComponent == "d" ? older : old)
        }
        try await copying("a", to: "/srv/new/deep/a", from: context, in: image)
        try await copying("d", to: "/srv/d", from: context, in: image)
        try await copying(".", to: "/all", from: context, in: image)
        #expect(try scratch.time(image.appending("srv")) == old)
        #expect(try scratch.time(image.appending("srv/new")) == undated)
        #expect(try scratch.time(image.appending("srv/new/deep")) == undated)
        #expect(try scratch.time(image.appending("srv/new/deep/a")) == old)
        #expect(try scratch.time(image.appending("srv/d")) == older)
        // Whoever puts a context somewhere makes its root anew: that time is nobody's.
        #expect(try scratch.time(image.appending("all")) == undated)
        #expect(try scratch.time(image.appending("all/d")) == older)
    }

    @Test(.proves("COPY: slash at the end"))
    func `a file is renamed without a trailing slash and goes into a directory with one`() async throws {
        let context = try scratch.tree("context", ["a": "1"])
        try await copying("a", to: "/b", from: context, in: image)
        try await copying("a", to: "/deep/er/", from: context, in: image)
        try await copying("a", to: "/deep", from: context, in: image)
        #expect(try scratch.listing(image) == ["b=1", "deep/", "deep/a=1", "deep/er/", "deep/er/a=1"])
    }

    @Test(.proves("COPY: wildcards")) func `wildcards match names in one directory, and matching none is no error`()
        async throws
    {
        let context = try scratch.tree(
            "context",
            ["a.txt": "1", "b.txt": "2", "c.md": "3", "d/e.txt": "4", "d/f/g.txt": "5"]
        )
        #expect(try await copying("*.txt", to: "/one/", from: context, in: image) == 2)
        #expect(try await copying("*/e.txt", to: "/two/", from: context, in: image) == 1)
        #expect(try await copying("[!a].none", to: "/three/", from: context, in: image) == 0)
        #expect(try await copying("d*", to: "/four/", from: context, in: image) == 1)
        #expect(
            try scratch.listing(image) == [
                "four/", "four/e.txt=4", "four/f/", "four/f/g.txt=5", "one/", "one/a.txt=1", "one/b.txt=2", "two/",
                "two/e.txt=4",
            ]
        )
    }

    @Test(.proves("COPY: wildcards", "C16: a source that is missing: what"))
    func `a missing source is an error that names it and what was probably meant`() async throws {
        let context = try scratch.tree("context", ["requirements.txt": "", "secret": ""])
        await #expect {
            try await copying("requirments.txt", to: "/", from: context, in: image)
        } throws: { error in
            "\(error)"
                == "failed to compute cache key: failed to calculate checksum of ref context: \"/requirments.txt\": not found"
                + " (did you mean \"/requirements.txt\"?)"
        }
        await #expect {
            try await copying("secret", to: "/", from: context, in: image, ignoring: ["secret"])
        } throws: { error in "\(error)".contains("the pattern \"secret\" of .dockerignore keeps it out") }
    }

    @Test(.proves("COPY from outside the context")) func `paths above the context are the context's`() async throws {
        let context = try scratch.tree("context", ["a": "1"])
        _ = try scratch.tree("", ["outside": "x"])
        try await copying("../../a", to: "/b", from: context, in: image)
        await #expect(throws: OperationError.self) {
            try await copying("../outside", to: "/c", from: context, in: image)
        }
        #expect(try scratch.listing(image) == ["b=1"])
    }

    @Test(.proves("Symbolic links"))
    func `a link given as source is followed inside the context, links inside a directory are kept`() async throws {
        let context = try scratch.tree("context", ["real/f": "1"])
        let manager = FileManager.default
        try manager.createSymbolicLink(atPath: "\(context)/link", withDestinationPath: "/real")
        try manager.createSymbolicLink(atPath: "\(context)/real/inner", withDestinationPath: "../../outside")
        try manager.createSymbolicLink(atPath: "\(context)/out", withDestinationPath: "/etc/passwd")
        try await copying("link", to: "/x", from: context, in: image)
        #expect(try scratch.listing(image) == ["x/", "x/f=1", "x/inner -> ../../outside"])
        await #expect(throws: OperationError.self) { try await copying("out", to: "/y", from: context, in: image) }
    }

    @Test(.proves("Symbolic links")) func `links of the image are followed inside the image`() async throws {
        let context = try scratch.tree("context", ["a": "1", "d/b": "2"])
        _ = try scratch.tree("image/data")
        let manager = FileManager.default
        try manager.createSymbolicLink(atPath: "\(image)/srv", withDestinationPath: "/data")
        try manager.createSymbolicLink(atPath: "\(image)/up", withDestinationPath: "../../../../tmp-of-image")
        try await copying("a", to: "/srv/", from: context, in: image)
        try await copying("d", to: "/up", from: context, in: image)
        #expect(
            try scratch.listing(image) == [
                "data/", "data/a=1", "srv -> /data", "tmp-of-image/", "tmp-of-image/b=2",
                "up -> ../../../../tmp-of-image",
            ]
        )
    }

    @Test func `a link in the place of a copied file is replaced, a directory is in the way`() async throws {
        let context = try scratch.tree("context", ["d/a": "new", "d/b": "x"])
        let victim = try scratch.tree("victim", ["a": "safe"])
        _ = try scratch.tree("image/x")
        try FileManager.default.createSymbolicLink(atPath: "\(image)/x/a", withDestinationPath: "\(victim)/a")
        try await copying("d", to: "/x", from: context, in: image)
        #expect(try scratch.listing(image) == ["x/", "x/a=new", "x/b=x"])
        #expect(try scratch.listing(victim) == ["a=safe"])
        _ = try scratch.tree("image/y/a")
        await #expect(throws: OperationError.self) { try await copying("d", to: "/y", from: context, in: image) }
        try await copying("d", to: "/y", from: context, in: image) { $0.replacesDestination = true }
        #expect(try scratch.listing(image).contains("y/a=new"))
    }

    @Test func `ignored files are not there, and what is taken back in brings its directories`() async throws {
        let context = try scratch.tree(
            "context",
            ["a": "1", "b.o": "2", "node_modules/x": "3", "node_modules/keep/y": "4"]
        )
        try await copying(
            ".",
            to: "/",
            from: context,
            in: image,
            ignoring: ["*.o", "node_modules", "!node_modules/keep"]
        )
        #expect(try scratch.listing(image) == ["a=1", "node_modules/", "node_modules/keep/", "node_modules/keep/y=4"])
    }

    @Test(.proves("--exclude")) func `exclude and include patterns are relative to the source`() async throws {
        let context = try scratch.tree("context", ["d/a.txt": "1", "d/b.md": "2", "d/s/c.md": "3", "d/t/e.txt": "4"])
        try await copying("d", to: "/x", from: context, in: image) { $0.excludePatterns = [bytes("**/*.md")] }
        #expect(try scratch.listing(image) == ["x/", "x/a.txt=1", "x/s/", "x/t/", "x/t/e.txt=4"])
        let other = try scratch.tree("other")
        try await copying("/", to: "/", from: context, in: other) { $0.includePatterns = [bytes("d/s/c.md")] }
        #expect(try scratch.listing(other) == ["d/", "d/s/", "d/s/c.md=3"])
    }

    @Test(.proves("--chmod", "C5: set-id and sticky bits of COPY"))
    func `modes are kept, or set for files and directories`() async throws {
        let context = try scratch.tree("context", ["d/run": "1", "d/sub/f": "2"])
        #expect(chmod("\(context)/d/run", 0o4751) == 0)
        #expect(chmod("\(context)/d/sub", 0o750) == 0)
        try await copying("d", to: "/x", from: context, in: image)
        #expect(try scratch.mode(image.appending("x/run")) == 0o4751)
        #expect(try scratch.mode(image.appending("x/sub")) == 0o750)
        try await copying("d", to: "/y", from: context, in: image) { $0.mode = .bits(0o640) }
        #expect(try scratch.mode(image.appending("y/run")) == 0o640)
        // Set-id and sticky bits are for what is copied, not for what is made on the way to it.
        try await copying("d", to: "/new/top", from: context, in: image) { $0.mode = .bits(0o7555) }
        #expect(try scratch.mode(image.appending("new")) == 0o555)
        #expect(try scratch.mode(image.appending("new/top")) == 0o555)
        #expect(try scratch.mode(image.appending("new/top/run")) == 0o7555)
        try await copying("d", to: "/z", from: context, in: image) { $0.mode = .symbolic(bytes("u=rwX,go=rX")) }
        #expect(try scratch.mode(image.appending("z/run")) == 0o755)
        #expect(try scratch.mode(image.appending("z/sub/f")) == 0o644)
        #expect(try scratch.mode(image.appending("z/sub")) == 0o755)
    }

    @Test func `times, hard links and holes are kept`() async throws {
        let context = try scratch.tree("context", ["d/a": "12345"])
        try FileManager.default.linkItem(atPath: "\(context)/d/a", toPath: "\(context)/d/b")
        let sparse = Glibc.open("\(context)/d/sparse", O_CREAT | O_WRONLY, 0o644)
        #expect(ftruncate(sparse, 64 << 20) == 0)
        #expect(pwrite(sparse, "end", 3, (64 << 20) - 3) == 3)
        close(sparse)
        let past = Date(timeIntervalSince1970: 1_000_000_000)
        try FileManager.default.setAttributes([.modificationDate: past], ofItemAtPath: "\(context)/d/a")
        try FileManager.default.setAttributes([.modificationDate: past], ofItemAtPath: "\(context)/d")
        try await copying("d", to: "/x", from: context, in: image)
        try await onBlockingPool { [image] in
            let root = try RootedDirectory(image)
            #expect(try root.status("x/a").inode == root.status("x/b").inode)
            #expect(try root.status("x/a").modified == FileTime(seconds: 1_000_000_000))
            #expect(try root.status("x").modified == FileTime(seconds: 1_000_000_000))
            let copied = try root.status("x/sparse")
            #expect(copied.size == 64 << 20)
            #expect(copied.blocks * 512 < 1 << 20)
            let end = try root.open("x/sparse", .readOnly).readToEnd().suffix(3)
            #expect(Array(end) == bytes("end"))
        }
        try await copying("d/a", to: "/stamped", from: context, in: image) { $0.timestamp = 5_000_000_007 }
        try await onBlockingPool { [image] in
            let status = try RootedDirectory(image).status("stamped")
            #expect(status.modified == FileTime(seconds: 5, nanoseconds: 7))
        }
    }

    @Test func `a FIFO is made anew and never opened`() async throws {
        let context = try scratch.tree("context", ["d/a": "1"])
        #expect(mkfifo("\(context)/d/pipe", 0o640) == 0)
        try await copying("d", to: "/x", from: context, in: image)
        try await onBlockingPool { [image] in
            let status = try RootedDirectory(image).status("x/pipe")
            #expect(status.type == .fifo)
            #expect(status.mode == 0o640)
        }
    }

    @Test func `an empty file takes the place of a socket`() async throws {
        let context = try scratch.tree("context", ["d/a": "1"])
        try await onBlockingPool {
            let directory = try OpenFile.open(FilePath("\(context)/d"), [.readOnly, .directory])
            try directory.createNode(named: bytes("socket"), SpecialFile(.socket), mode: 0o640)
        }
        try await copying("d", to: "/x", from: context, in: image)
        try await onBlockingPool { [image] in
            let status = try RootedDirectory(image).status("x/socket")
            #expect(status.type == .regular && status.size == 0)
            #expect(status.mode == 0o640)
        }
    }

    @Test func `names that are not text are copied as they are`() async throws {
        let context = try scratch.tree("context")
        let names: [[UInt8]] = [[0xff, 0xfe], bytes("e\u{301}"), bytes("\u{e9}"), bytes("new\nline")]
        for name in names {
            let file = create("\(context)/".utf8CString.dropLast().map { UInt8(bitPattern: $0) } + name, 0)
            close(file)
        }
        try await copying(".", to: "/x/", from: context, in: image)
        let copied = try await onBlockingPool { [image] in try RootedDirectory(image).entries(of: "x") }
        #expect(Set(copied) == Set(names))
    }

    private func create(_ path: [UInt8], _ flags: Int32) -> Int32 {
        Glibc.open((path + [0]).map { CChar(bitPattern: $0) }, O_CREAT | O_WRONLY | flags, 0o644)
    }

    @Test func `a tree deeper than a path may be long is copied`() async throws {
        let context = try scratch.tree("context")
        try await onBlockingPool {
            var directory = try OpenFile.open(context, [.readOnly, .directory])
            for _ in 0..<300 {
                let name = bytes(String(repeating: "d", count: 20))
                try directory.createDirectory(named: name)
                directory = try directory.openEntry(named: name, [.readOnly, .directory])
            }
            try directory.createFile(named: bytes("f")).write(bytes("deep"))
        }
        #expect(try await copying(".", to: "/x", from: context, in: image) == 1)
        try await onBlockingPool { [scratch] in
            let root = try RootedDirectory(scratch.path)
            try removeTree(bytes("context"), in: root)
            try removeTree(bytes("image"), in: root)
        }
    }
}

@Suite struct `Other file changes` {
    let scratch: Scratch
    let image: FilePath

    init() throws {
        scratch = try Scratch()
        image = try scratch.tree("image", ["etc/passwd": "root", "d/a": "1", "d/b": "2"])
    }

    private func changing(_ body: @escaping @Sendable (TreeChanges) throws -> Void) async throws {
        try await onBlockingPool { [image] in try body(TreeChanges(root: try RootedDirectory(image))) }
    }

    @Test func `directories are made with their parents and existing ones left alone`() async throws {
        #expect(chmod("\(image)/d", 0o711) == 0)
        try await changing { changes in
            try changes.makeDirectory(DirectoryCreation(path: bytes("/usr/src/app")), owner: nil)
            try changes.makeDirectory(DirectoryCreation(path: bytes("d")), owner: nil)
            try changes.makeDirectory(DirectoryCreation(path: bytes("/../../up"), makesParents: false), owner: nil)
        }
        #expect(
            try scratch.listing(image) == [
                "d/", "d/a=1", "d/b=2", "etc/", "etc/passwd=root", "up/", "usr/", "usr/src/", "usr/src/app/",
            ]
        )
        #expect(try scratch.mode(image.appending("d")) == 0o711)
        #expect(try scratch.mode(image.appending("usr/src")) == 0o755)
        await #expect(throws: OperationError.self) {
            try await changing {
                try $0.makeDirectory(DirectoryCreation(path: bytes("/no/parent"), makesParents: false), owner: nil)
            }
        }
        await #expect(throws: OperationError.self) {
            try await changing { try $0.makeDirectory(DirectoryCreation(path: bytes("/d/a/x")), owner: nil) }
        }
    }

    @Test func `files and links are written inside the root`() async throws {
        let victim = try scratch.tree("victim", ["f": "safe"])
        try FileManager.default.createSymbolicLink(atPath: "\(image)/link", withDestinationPath: "\(victim)/f")
        try await changing { changes in
            try changes.makeFile(FileCreation(path: bytes("/new"), mode: 0o600, content: bytes("x")), owner: nil)
            try changes.makeFile(FileCreation(path: bytes("/d/a"), content: bytes("over")), owner: nil)
            try changes.makeSymbolicLink(SymbolicLinkCreation(path: bytes("/l"), target: bytes("../x")), owner: nil)
        }
        await #expect(throws: OperationError.self) {
            try await changing {
                try $0.makeFile(FileCreation(path: bytes("/link"), content: bytes("bad")), owner: nil)
            }
        }
        #expect(try scratch.listing(victim) == ["f=safe"])
        let listing = try scratch.listing(image)
        #expect(listing.contains("new=x") && listing.contains("d/a=over") && listing.contains("l -> ../x"))
        #expect(try scratch.mode(image.appending("new")) == 0o600)
    }

    @Test func `removals stay inside the root`() async throws {
        let victim = try scratch.tree("victim", ["f": "safe"])
        try FileManager.default.createSymbolicLink(atPath: "\(image)/link", withDestinationPath: victim.string)
        try await changing { changes in
            try changes.remove(FileRemoval(path: bytes("../victim"), allowsNotFound: true))
            try changes.remove(FileRemoval(path: bytes("/link")))
            try changes.remove(FileRemoval(path: bytes("/d/*"), allowsWildcards: true))
        }
        #expect(try scratch.listing(victim) == ["f=safe"])
        #expect(try scratch.listing(image) == ["d/", "etc/", "etc/passwd=root"])
        for path in ["/", ".", "..", ""] {
            await #expect(throws: OperationError.self) {
                try await changing { try $0.remove(FileRemoval(path: bytes(path), allowsNotFound: true)) }
            }
        }
        await #expect(throws: OperationError.self) {
            try await changing { try $0.remove(FileRemoval(path: bytes("/none"))) }
        }
    }
}

@Suite struct `Symbolic modes` {
    @Test(
        .proves("--chmod"),
        arguments: [
            ("u=rwX,go=rX", 0o600, false, 0o644), ("u=rwX,go=rX", 0o700, false, 0o755),
            ("u=rwX,go=rX", 0o600, true, 0o755),
            ("a+x", 0o644, false, 0o755), ("+x", 0o644, false, 0o755), ("g-w,o=", 0o777, false, 0o750),
            ("u+s,+t", 0o755, false, 0o5755),
            ("g=u", 0o740, false, 0o770), ("u+x-r", 0o600, false, 0o300), ("=", 0o7777, false, 0),
        ]
    )
    func `apply as chmod's`(_ text: String, _ mode: Int, _ isDirectory: Bool, _ expected: Int) throws {
        let expression = try ModeExpression(bytes(text))
        #expect(expression.applied(to: UInt32(mode), isDirectory: isDirectory) == UInt32(expected))
    }

    @Test(arguments: ["", "x", "u", "u=q", "u=r,", "8", "rw"])
    func `that make no sense are refused`(_ text: String) {
        #expect(throws: OperationError.self) { try ModeExpression(bytes(text)) }
    }
}
