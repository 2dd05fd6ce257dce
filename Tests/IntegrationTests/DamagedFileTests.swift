import Foundation
import Proofs
import Testing

/// Files of unpacked layers in which the disk has changed a bit: what is read of them by Slipway itself goes nowhere.
@Suite(.requires(.root, .program("crun"))) struct `A damaged file of a layer` {
    private let slipway: Slipway
    private let directory: TemporaryDirectory
    private let scratch: TemporaryDirectory
    private static let content = String(repeating: "what it was\n", count: 20_000)

    init() async throws {
        (slipway, directory) = try Slipway.isolated()
        scratch = try TemporaryDirectory()
        try scratch.write(Self.content, to: "tree/data/file")
        try scratch.write("small\n", to: "tree/data/small")
        try scratch.write("", to: "context/.keep")
        let busybox = "cp /bin/busybox tree/busybox && tar -C tree -cf data.tar ."
        let made = try await runProgram("sh", ["-c", "mkdir -p tree && \(busybox)"], in: scratch.url)
        try #require(made.status == 0, "\(made.errorText)")
        try await slipway.succeed("import", scratch.url.appending(path: "data.tar").path, "data:1")
        // Its files are unpacked once they are needed.
        let first = try await slipway.build("FROM scratch\nCOPY --from=data:1 /data/small /\n", in: scratch)
        try #require(first.status == 0, "\(first.errorText)")
    }

    private func build(_ dockerfile: String, _ options: String...) async throws -> ProgramResult {
        try await slipway.build(dockerfile, options, in: scratch)
    }

    /// The files of this path in unpacked layers.
    private func files(_ path: String) throws -> [String] {
        let snapshots = slipway.root + "/snapshots"
        return try FileManager.default.contentsOfDirectory(atPath: snapshots)
            .map { "\(snapshots)/\($0)/fs/\(path)" }.filter { FileManager.default.fileExists(atPath: $0) }
    }

    /// Flips a bit of the only file that has this path in a layer, and leaves its times.
    private func damage(_ path: String) throws {
        let found = try files(path)
        let file = try #require(found.count == 1 ? found.first : nil, "\(found)")
        let attributes = try FileManager.default.attributesOfItem(atPath: file)
        let handle = try FileHandle(forUpdating: URL(filePath: file))
        try handle.seek(toOffset: 3)
        let byte = try #require(try handle.read(upToCount: 1)?.first)
        try handle.seek(toOffset: 3)
        try handle.write(contentsOf: [byte ^ 4])
        try handle.close()
        try FileManager.default.setAttributes(
            [.modificationDate: try #require(attributes[.modificationDate])],
            ofItemAtPath: file
        )
    }

    private func expectRefusal(_ result: ProgramResult, _ texts: String...) {
        #expect(result.status == 1)
        for text in texts + ["is damaged", "slipway system check --deep --repair"] {
            #expect(result.errorText.contains(text), "\(text): \(result.errorText)")
        }
    }

    @Test(.proves("A13: a damaged file of an unpacked"))
    func `does not get into an image by COPY from an image, and can after a repair`() async throws {
        let copy = "FROM scratch\nCOPY --from=data:1 /data/"
        try damage("data/file")
        expectRefusal(try await build("\(copy) /d/\n"), "/data/file", "of docker.io/library/data:1")
        expectRefusal(try await build("\(copy)file /f\n", "--no-cache"), "/data/file", "of docker.io/library/data:1")
        #expect(try await build("\(copy)small /second\n").status == 0, "the others are what they were")
        let checked = try await slipway("system", "check", "--deep")
        #expect(checked.status == 1 && checked.text.contains("(/data/file)"), "\(checked.text)")
        try await slipway.succeed("system", "check", "--deep", "--repair")
        let built = try await build("\(copy)file /f\n", "-o", "../out")
        #expect(built.status == 0, "\(built.errorText)")
        #expect(try String(contentsOf: scratch.url.appending(path: "out/f"), encoding: .utf8) == Self.content)
        #expect(try await slipway.succeed("system", "check", "--deep").hasSuffix("no problems\n"))
    }

    @Test(.proves("A13: a damaged file of an unpacked"))
    func `of a stage that was never exported is made again after a repair`() async throws {
        let stage =
            "FROM data:1 AS made\nRUN [\"/busybox\", \"sh\", \"-c\", "
            + "\"/busybox mkdir /out; /busybox cp /data/file /out/one; /busybox cp /busybox /out/two\"]\n"
        let copy = stage + "FROM scratch\nCOPY --from=made /out "
        #expect(try await build("\(copy) /first/\n").status == 0)
        try damage("out/one")
        expectRefusal(try await build("\(copy) /second/\n"), "/out/one")
        let checked = try await slipway("system", "check", "--deep")
        #expect(checked.status == 1 && checked.text.contains("(/out/one)"), "\(checked.text)")
        try await slipway.succeed("system", "check", "--deep", "--repair")
        let built = try await build("\(copy) /second/\n", "-o", "../out")
        #expect(built.status == 0, "\(built.errorText)")
        #expect(try String(contentsOf: scratch.url.appending(path: "out/second/one"), encoding: .utf8) == Self.content)
    }

    @Test(.proves("A13: a damaged file of an unpacked"))
    func `is not mounted into a step, and not exported`() async throws {
        try damage("data/file")
        // Of the step's own root nothing is known.
        let step =
            "FROM scratch AS tools\nCOPY --from=data:1 /busybox /\n"
            + "FROM tools\nRUN --mount=type=bind,from=data:1,source=/data,target=/m "
        expectRefusal(try await build(step + "[\"/busybox\", \"cp\", \"/m/file\", \"/copy\"]\n"), "/data/file")
        let plain = "FROM data:1\n"
        expectRefusal(try await build(plain, "-o", "../out"), "/data/file", "of docker.io/library/data:1")
        #expect(!FileManager.default.fileExists(atPath: scratch.url.appending(path: "out/data/file").path))
        expectRefusal(
            try await build(plain, "-o", "type=tar,dest=../out.tar"),
            "/data/file",
            "of docker.io/library/data:1"
        )
        #expect(!FileManager.default.fileExists(atPath: scratch.url.appending(path: "out.tar").path))
    }

    @Test(.proves("A13: a damaged file of an unpacked"))
    func `of the stage itself is not copied within it`() async throws {
        try damage("data/file")
        let copy = "FROM data:1 AS self\nRUN [\"/busybox\", \"true\"]\nFROM self\nCOPY --from=self /data/file /again\n"
        expectRefusal(try await build(copy), "/data/file")
    }

    @Test(.proves("A13: a damaged file of an unpacked"))
    func `is not noticed in a store without sums, until a check has made them`() async throws {
        let snapshots = slipway.root + "/snapshots"
        func sums() throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: snapshots).map { "\(snapshots)/\($0)/sums" }
                .filter { FileManager.default.fileExists(atPath: $0) }
        }
        let found = try sums()
        #expect(!found.isEmpty)
        for file in found { try FileManager.default.removeItem(atPath: file) }
        let copy = "FROM scratch\nCOPY --from=data:1 /data/file "
        #expect(try await build("\(copy) /1\n").status == 0)
        #expect(try await slipway.succeed("system", "check").hasSuffix("no problems\n"))
        #expect(try await slipway.succeed("system", "check", "--deep").hasSuffix("no problems\n"))
        #expect(try sums().contains(found[0]))
        // Sums that are damaged themselves are none.
        let file = try FileHandle(forUpdating: URL(filePath: found[0]))
        try file.seek(toOffset: 40)
        try file.write(contentsOf: Array("nonsense".utf8))
        try file.close()
        #expect(try await build("\(copy) /2\n").status == 0)
        try await slipway.succeed("system", "check", "--deep")
        try damage("data/file")
        expectRefusal(try await build("\(copy) /3\n"), "/data/file", "of docker.io/library/data:1")
    }
}
