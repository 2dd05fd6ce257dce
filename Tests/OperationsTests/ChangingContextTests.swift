import BuildGraph
import Foundation
import Glibc
import LLB
import LinuxSystem
import Proofs
import Synchronization
import SystemPackage
import Testing

@testable import Operations

/// Copies of a directory that changes between the computing of its key and the copy, or during either.
@Suite struct `A directory that changes while it is built` {
    private let scratch: Scratch
    private let context: FilePath
    private let image: FilePath

    init() throws {
        scratch = try Scratch()
        context = try scratch.tree("context", ["a": "one", "d/log": "first\n", "d/sub/b": "2", "e/c": "3"])
        symlink("a", "\(context)/link")
        image = try scratch.tree("image")
    }

    private static let copy: FileCopy = {
        var copy = FileCopy.instruction(source: bytes("/"), destination: bytes("/"))
        copy.copiesDirectoryContents = true
        return copy
    }()

    private func tree(_ root: FilePath) async throws -> SourceTree {
        try await onBlockingPool {
            SourceTree(root: try RootedDirectory(root), name: bytes("context"), ownership: .root)
        }
    }

    private func items(_ root: FilePath) async throws -> [ContentItem] {
        try await ContentDigester(tree: try await tree(root), memo: UncachedFileDigests()).items(
            of: Selection(Self.copy)
        )
    }

    private func key(_ root: FilePath) async throws -> ContentKey {
        ContentKey(of: [try await items(root)], in: try await tree(root))
    }

    /// Keys the context, lets it change, and copies it.
    private func copying(
        settled: Int64,
        _ change: () throws -> Void = {}
    ) async throws -> (record: CopyRecord, key: ContentKey, before: ContentKey) {
        let source = try await tree(context)
        let seen = try await items(context)
        try change()
        let record = CopyRecord(expecting: seen, settled: settled)
        try await onBlockingPool { [image] in
            let destination = try RootedDirectory(image)
            let copier = try FileCopier(Self.copy, from: source.recording(record), to: destination, owner: nil)
            _ = try copier.run()
        }
        return (record, ContentKey(of: [record.items], in: source), ContentKey(of: [seen], in: source))
    }

    private func write(_ text: String, _ name: String) throws {
        try Data(text.utf8).write(to: URL(filePath: "\(context)/\(name)"))
    }

    @Test(arguments: [Int64.max, 0])
    func `is keyed as before where nothing changed, with and without trust in its times`(settled: Int64) async throws {
        let (record, after, before) = try await copying(settled: settled)
        #expect(record.isAsExpected)
        #expect(after.digest == before.digest)
        #expect(try await key(image).digest == before.digest)
    }

    @Test(
        .proves("C17: a file of the context grows"),
        arguments: [
            "append", "cut", "rewrite", "rename over", "remove", "create", "mode", "mode of a directory", "link",
            "link to file",
            "file to link", "file to directory", "remove a directory",
        ]
    )
    func `is keyed by what was copied`(change: String) async throws {
        let (record, copied, before) = try await copying(settled: .max) {
            switch change {
            case "append": try write("first\nsecond\n", "d/log")
            case "cut": #expect(truncate("\(context)/d/log", 2) == 0)
            case "rewrite": try write("ONE", "a")
            case "rename over":
                try write("new", "a.tmp")
                #expect(rename("\(context)/a.tmp", "\(context)/a") == 0)
            case "remove": #expect(unlink("\(context)/d/sub/b") == 0)
            case "create": try write("", "d/new")
            case "mode": #expect(chmod("\(context)/a", 0o700) == 0)
            case "mode of a directory": #expect(chmod("\(context)/d", 0o700) == 0)
            case "link", "link to file":
                #expect(unlink("\(context)/link") == 0)
                if change == "link" { #expect(symlink("b", "\(context)/link") == 0) } else { try write("l", "link") }
            case "file to link", "file to directory":
                #expect(unlink("\(context)/a") == 0)
                if change == "file to link" {
                    #expect(symlink("x", "\(context)/a") == 0)
                } else {
                    mkdir("\(context)/a", 0o755)
                }
            default: try FileManager.default.removeItem(atPath: "\(context)/d")
            }
        }
        #expect(!record.isAsExpected)
        #expect(copied.digest != before.digest)
        #expect(try await copied.digest == key(image).digest)
        #expect(try await copied.digest == key(context).digest)
    }

    @Test func `is keyed by its bytes where no time shows the change`() async throws {
        let (record, copied, _) = try await copying(settled: 0) {
            // As on a file system with a coarse clock: the same file, size and times.
            var status = stat()
            #expect(lstat("\(context)/a", &status) == 0)
            let file = open("\(context)/a", O_WRONLY)
            #expect(pwrite(file, "ONE", 3, 0) == 3)
            futimens(file, [status.st_atim, status.st_mtim])
            close(file)
        }
        #expect(!record.isAsExpected)
        #expect(try await copied.digest == key(image).digest)
    }

    /// Changes files without a pause until it is told to stop.
    private func writing(_ isOver: Flag, _ kind: String) throws {
        var round = 0
        while !isOver.value {
            round += 1
            let path = "\(context)/\(kind)"
            switch kind {
            case "append":
                let file = open(path, O_WRONLY | O_CREAT | O_APPEND, 0o644)
                _ = Glibc.write(file, "a line of a log \(round)\n", 20)
                close(file)
                if round % 5000 == 0 { truncate(path, 0) }
            case "rewrite":
                try Data(String(repeating: "\(round % 10)", count: round % 7000).utf8).write(to: URL(filePath: path))
            case "rename":
                try write(String(repeating: "\(round % 10)", count: 3000), "rename.tmp")
                rename("\(path).tmp", path)
            default:
                let name = "\(path)-\(round % 50)"
                try write("temporary", "temporary-\(round % 50)")
                mkdir("\(name).d", 0o755)
                try write("x", "temporary-\(round % 50).d/x")
                unlink("\(name).d/x")
                rmdir("\(name).d")
                unlink(name)
            }
        }
    }

    @Test(.proves("C17: a file of the context grows"), arguments: ["append", "rewrite", "rename", "temporary"])
    func `is copied all the same, and the key is of the bytes that were copied`(kind: String) async throws {
        let isOver = Flag()
        let writer = Task { try await onBlockingPool { try writing(isOver, kind) } }
        var changed = 0
        for _ in 0..<40 {
            let (record, copied, _) = try await copying(settled: Int64(Date().timeIntervalSince1970) - 2)
            if !record.isAsExpected { changed += 1 }
            #expect(try await copied.digest == key(image).digest)
            try FileManager.default.removeItem(atPath: image.string)
            mkdir(image.string, 0o755)
        }
        isOver.set()
        try await writer.value
        #expect(changed > 0)
    }
}

/// Something that one thread says and another waits for.
private final class Flag: Sendable {
    private let state = Mutex(false)
    var value: Bool { state.withLock { $0 } }
    func set() { state.withLock { $0 = true } }
}
