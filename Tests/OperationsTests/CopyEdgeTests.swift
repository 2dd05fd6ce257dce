import BuildGraph
import Foundation
import Glibc
import LLB
import LinuxSystem
import Proofs
import SystemPackage
import Testing

@testable import Operations

@Suite struct `COPY at its edges` {
    private let scratch: Scratch
    private let image: FilePath

    init() throws {
        scratch = try Scratch()
        image = try scratch.tree("image")
    }

    @Test(.proves("C16: a source that is missing: what"))
    func `a missing source without a similar name is reported with what is there`() async throws {
        let context = try scratch.tree("context", ["app/main.c": "", "app/util.c": "", "app/ignored": ""])
        await #expect {
            try await copying("app/zzzzzzzz", to: "/", from: context, in: image, ignoring: ["app/ignored"])
        } throws: { error in
            "\(error)".hasSuffix("\"/app/zzzzzzzz\": not found (\"/app\" has main.c, util.c)")
        }
        await #expect {
            try await copying(
                "app/log/x",
                to: "/",
                from: try scratch.tree("other", ["app/log/x": ""]),
                in: image,
                ignoring: ["**/log"]
            )
        } throws: { error in "\(error)".contains("the pattern \"**/log\" of .dockerignore keeps it out") }
    }

    @Test(.proves("C6: COPY --parents through a link before /./"))
    func `a path that must be there may lead through a link`() async throws {
        let context = try scratch.tree("context", ["real/c/f": "1", "real/c/g": "2"])
        symlink("real", "\(context)/lk")
        let tree = try await onBlockingPool { SourceTree(root: try RootedDirectory(context), name: bytes("context")) }
        var copy = FileCopy.instruction(source: bytes("/lk/c"), destination: bytes("/9/"))
        copy.includePatterns = [bytes("f")]
        for (required, isThere) in [("/lk/c/f", true), ("/lk/c/none", false), ("/lk/c/g", false)] {
            copy.requiredPaths = [bytes(required)]
            let digester = ContentDigester(tree: tree, memo: UncachedFileDigests())
            let key = try? await digester.contentKey(of: [Selection(copy)])
            #expect((key != nil) == isThere, "\(required)")
        }
    }

    /// An access control list with an entry for user 1000.
    ///
    /// See acl(5).
    private static let list: [UInt8] = [
        2, 0, 0, 0, 1, 0, 6, 0, 255, 255, 255, 255, 2, 0, 4, 0, 232, 3, 0, 0, 4, 0, 4, 0, 255, 255, 255, 255,
        16, 0, 4, 0, 255, 255, 255, 255, 32, 0, 0, 0, 255, 255, 255, 255,
    ]

    @Test(.proves("C22: POSIX access control lists"))
    func `an access control list is copied and counts, unless the step gives the file a mode`() async throws {
        let context = try scratch.tree("context", ["a": "1"])
        let source = try await onBlockingPool { SourceTree(root: try RootedDirectory(context), name: bytes("stage")) }
        let digester = ContentDigester(tree: source, memo: UncachedFileDigests())
        let copy = FileCopy.instruction(source: bytes("a"), destination: bytes("/b"))
        let before = try await digester.contentKey(of: [Selection(copy)])
        let name = bytes("system.posix_acl_access")
        func list(of path: String) async throws -> [UInt8]? {
            try await onBlockingPool { try OpenFile.open(FilePath(path), .readOnly).extendedAttribute(name) }
        }
        do {
            try await onBlockingPool {
                try OpenFile.open(FilePath("\(context)/a"), .readOnly).setExtendedAttribute(name, Self.list)
            }
        } catch let error as SystemCallError where error.errno == .notSupported {
            // A file system without them has nothing to lose.
            return
        }
        #expect(try await digester.contentKey(of: [Selection(copy)]).digest != before.digest)
        try await copying("a", to: "/b", from: context, in: image)
        #expect(try await list(of: "\(image)/b") == Self.list)
        try await copying("a", to: "/c", from: context, in: image) { $0.mode = .bits(0o600) }
        #expect(try await list(of: "\(image)/c") == nil)
        var status = stat()
        #expect(stat("\(image)/c", &status) == 0)
        #expect(status.st_mode & 0o7777 == 0o600)
    }
}
