import BuildGraph
import Foundation
import GRDB
import LLB
import LinuxSystem
import Proofs
import Storage
import SystemPackage
import Testing
import Text

@testable import Operations

@Suite struct `Content keys` {
    let scratch: Scratch
    let context: FilePath

    init() throws {
        scratch = try Scratch()
        context = try scratch.tree("context", ["d/a": "1", "d/sub/b": "2", "other": "3"])
    }

    private func key(
        _ source: String = "d",
        in root: FilePath? = nil,
        ignoring patterns: [String] = [],
        memo: any FileDigestCache = UncachedFileDigests(),
        _ adjust: (inout FileCopy) -> Void = { _ in }
    ) async throws -> ContentKey {
        var copy = FileCopy.instruction(source: bytes(source), destination: [])
        adjust(&copy)
        let directory = try await onBlockingPool { [context] in try RootedDirectory(root ?? context) }
        let tree = SourceTree(
            root: directory,
            name: bytes("context"),
            filter: try PathFilter(includes: [], excludes: patterns.map(bytes)),
            ownership: .root
        )
        return try await ContentDigester(tree: tree, memo: memo).contentKey(of: [Selection(copy)])
    }

    @Test(.proves("COPY and ADD of local files", "What is no loss: times; what is one: modes"))
    func `names, modes and data count, times do not`() async throws {
        let first = try await key()
        #expect(first.entries.map { String(decoding: $0.path, as: UTF8.self) } == ["d/a", "d/sub", "d/sub/b"])
        #expect(utimes("\(context)/d/a", [timeval(tv_sec: 1, tv_usec: 0), timeval(tv_sec: 1, tv_usec: 0)]) == 0)
        #expect(try await key().digest == first.digest)
        #expect(chmod("\(context)/d/a", 0o600) == 0)
        let changed = try await key()
        #expect(changed.digest != first.digest)
        #expect(chmod("\(context)/d/a", 0o644) == 0)
        #expect(try await key().digest == first.digest)
        try Data("x".utf8).write(to: URL(filePath: "\(context)/d/a"))
        #expect(try await key().digest != first.digest)
    }

    @Test func `what is not selected does not count`() async throws {
        let first = try await key()
        try Data("x".utf8).write(to: URL(filePath: "\(context)/other"))
        #expect(chmod("\(context)/d", 0o700) == 0)
        #expect(try await key().digest == first.digest)
        let ignoring = try await key(".", ignoring: ["other"])
        try Data("y".utf8).write(to: URL(filePath: "\(context)/other"))
        #expect(try await key(".", ignoring: ["other"]).digest == ignoring.digest)
        #expect(try await key(".").digest != ignoring.digest)
    }

    @Test(.proves("Fast and slow keys")) func `the same content elsewhere has the same key`() async throws {
        let other = try scratch.tree("elsewhere", ["e/a": "1", "e/sub/b": "2"])
        #expect(try await key().digest == (try await key("e", in: other).digest))
        let renamed = try scratch.tree("renamed", ["e/x": "1", "e/sub/b": "2"])
        #expect(try await key().digest != (try await key("e", in: renamed).digest))
    }

    @Test func `a file's name counts because it names the copy`() async throws {
        let same = try scratch.tree("same", ["x": "1", "y": "1"])
        #expect(try await key("x", in: same).digest != (try await key("y", in: same).digest))
    }

    @Test func `links count by their target and are not followed`() async throws {
        let manager = FileManager.default
        try manager.createSymbolicLink(atPath: "\(context)/d/link", withDestinationPath: "nowhere")
        let first = try await key()
        try manager.removeItem(atPath: "\(context)/d/link")
        try manager.createSymbolicLink(atPath: "\(context)/d/link", withDestinationPath: "elsewhere")
        #expect(try await key().digest != first.digest)
    }

    @Test func `two files with similar text do not run into each other`() async throws {
        let one = try scratch.tree("one", ["ab": "c", "d": ""])
        let two = try scratch.tree("two", ["a": "bc", "d": ""])
        #expect(try await key(".", in: one).digest != (try await key(".", in: two).digest))
    }

    @Test func `the memo spares reading what did not change and notices what did`() async throws {
        let store = try await Store.open(
            at: scratch.path.appending("store"),
            tables: StoreTables([FileDigestTable.self])
        )
        let memo = StoredFileDigests(store)
        let old = timeval(tv_sec: 1_000_000, tv_usec: 0)
        #expect(utimes("\(context)/d/a", [old, old]) == 0)
        let first = try await key(memo: memo)
        #expect(try await key(memo: memo) == first)
        try Data("9".utf8).write(to: URL(filePath: "\(context)/d/a"))
        #expect(utimes("\(context)/d/a", [old, old]) == 0)
        let changed = try await key(memo: memo)
        #expect(changed.digest != first.digest)
        #expect(changed == (try await key()))
        await store.close()
    }

    @Test func `a memoized digest is used when nothing about the file differs`() async throws {
        let store = try await Store.open(
            at: scratch.path.appending("store"),
            tables: StoreTables([FileDigestTable.self])
        )
        let memo = StoredFileDigests(store)
        // Two seconds later the digests may be kept; here they are put in as if that time had passed.
        let fresh = try await key(memo: memo)
        try await Task.sleep(for: .seconds(3.1))
        #expect(try await key(memo: memo) == fresh)
        let rows = try await store.database.read { db in
            try Int.fetchOne(db, sql: "SELECT count(*) FROM file_digests WHERE length(digest) > 1")
        }
        #expect(rows == 2)
        #expect(try await key(memo: memo) == fresh)
        await store.close()
    }

    @Test func `a file that was digested when it came is not read, unless it has changed`() async throws {
        let known = KnownFiles()
        let path = context.appending("d/a")
        let status = try #require(try await onBlockingPool { try HostFiles.status(of: path) })
        // Another digest than the content has tells whether it was read.
        known.note("d/a", status, sha256: [UInt8](repeating: 7, count: 32))
        let memo = ReceivedFileDigests(known: known, others: UncachedFileDigests())
        let read = try await key()
        let told = try await key(memo: memo)
        #expect(told.digest != read.digest)
        try Data("9".utf8).write(to: URL(filePath: path.string))
        #expect(try await key(memo: memo) == (try await key()))
    }
}
