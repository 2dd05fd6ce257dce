import Foundation
import LinuxSystem
import SystemPackage
import Testing

/// Numbers that a seed decides.
struct SeededNumbers: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }
}

/// One fault of one file of a store, which a seed decides.
struct StoreFault {
    private static let directories = ["blobs/sha256", "snapshots", "containers"]
    private static let files = ["slipway.db", "slipway.db-wal", "slipway.db-sums", "slipway.db-shm", "slipway.records"]

    let seed: UInt64
    /// What was done, for messages.
    private(set) var account = ""

    init(seed: UInt64) { self.seed = seed }

    /// Damages a store; `other` is another store of the same form, whose files are taken for its own.
    mutating func apply(to root: String, other: String) throws {
        var numbers = SeededNumbers(seed: seed)
        // Half of the faults are those of the database, which is most of what can go wrong.
        let candidates = Bool.random(using: &numbers) ? Self.files : try Self.contents(of: root)
        let name = candidates[Int.random(in: 0..<candidates.count, using: &numbers)]
        let file = URL(filePath: root + "/" + name)
        guard var content = try? Data(contentsOf: file) else {
            account = "seed \(seed): \(name) is not there"
            return
        }
        let kind = Int.random(in: 0..<6, using: &numbers)
        account = "seed \(seed): \(["a bit", "200 bits", "cut", "lost", "swapped", "a bit early"][kind]) of \(name)"
        switch kind {
        case 0: Self.flip(1, in: &content, before: content.count, &numbers)
        case 1: Self.flip(200, in: &content, before: content.count, &numbers)
        case 2: content = content.prefix(content.isEmpty ? 0 : Int.random(in: 0..<content.count, using: &numbers))
        case 3: return try FileManager.default.removeItem(at: file)
        case 4: content = (try? Data(contentsOf: URL(filePath: other + "/" + name))) ?? Data()
        default: Self.flip(1, in: &content, before: min(content.count, 300), &numbers)
        }
        // In place, so that owners and links are what they were.
        let handle = try FileHandle(forUpdating: file)
        try handle.truncate(atOffset: UInt64(content.count))
        try handle.write(contentsOf: content)
        try handle.close()
    }

    private static func flip(_ count: Int, in content: inout Data, before end: Int, _ numbers: inout SeededNumbers) {
        if end == 0 { return }
        for _ in 0..<count {
            content[content.startIndex + Int.random(in: 0..<end, using: &numbers)] ^=
                1 << UInt8.random(in: 0..<8, using: &numbers)
        }
    }

    private static func contents(of root: String) throws -> [String] {
        try directories.flatMap { directory -> [String] in
            let names = try FileManager.default.subpathsOfDirectory(atPath: root + "/" + directory)
            return names.filter { name in
                var isDirectory: ObjCBool = false
                let path = "\(root)/\(directory)/\(name)"
                return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && !isDirectory.boolValue
                    && !name.hasSuffix(".lock")
            }.sorted().map { "\(directory)/\($0)" }
        }
    }
}

/// A file system in memory with stores to be damaged, made once.
///
///     log/     everything since it was made is in the log of its database
///     pages/   the same, in the database itself
///     other/   another store of the same form
struct FaultyStores: Sendable {
    static let commands = [
        ["images", "--no-trunc", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}"], ["system", "check", "--deep"],
    ]

    let directory: String
    /// What `images` says of a sound store.
    private(set) var images: Set<String> = []
    /// What a build exports of a sound store.
    private(set) var exported = Data()

    init(at directory: String) async throws {
        self.directory = directory
        try Self.write("one\n", to: directory + "/base/tree/etc/one")
        try Self.write(String(repeating: "two\n", count: 3000), to: directory + "/base/tree/two")
        try Self.write("FROM scratch\nCOPY tree /\n", to: directory + "/base/Dockerfile")
        try Self.write("FROM base:1\nCOPY f /f\n", to: directory + "/app/Dockerfile")
        try Self.write(String(repeating: "three\n", count: 900), to: directory + "/app/f")
        try Self.write("FROM app:1\nCOPY g /g\n", to: directory + "/next/Dockerfile")
        try Self.write("four\n", to: directory + "/next/g")
        let maker = slipway("maker")
        try await maker.succeed(
            "build",
            "-q",
            "-o",
            "type=docker,name=base:1,dest=\(directory)/base.tar",
            directory + "/base"
        )
        for name in ["log", "other"] {
            let store = slipway(name)
            try await store.succeed("load", "-i", directory + "/base.tar")
            try await store.succeed("build", "-q", "-t", "app:1", directory + "/app")
            try await store.succeed("create", "--name", "one", "--network", "none", "base:1", "/none")
            try? FileManager.default.removeItem(atPath: directory + "/\(name)/reserve")
        }
        try await copy("log", to: "pages")
        images = try await names(in: "log")
        let build = try await build(in: "log", to: directory + "/sound.tar")
        exported = try Data(contentsOf: URL(filePath: directory + "/sound.tar"))
        try await copy("pages", to: "log")
        guard build.status == 0, images.count == 2 else { throw ProgramNotFound(name: "sound store") }
    }

    func slipway(_ name: String) -> Slipway {
        Slipway(root: directory + "/" + name, environment: ["SOURCE_DATE_EPOCH": "1000000000"])
    }

    func copy(_ name: String, to target: String) async throws {
        try? FileManager.default.removeItem(atPath: directory + "/" + target)
        _ = try await runProgram("cp", ["-a", directory + "/" + name, directory + "/" + target])
    }

    func names(in name: String) async throws -> Set<String> {
        let listed = try await slipway(name).run(Self.commands[0])
        return Set(listed.text.split(separator: "\n").map(String.init))
    }

    func build(in name: String, to file: String) async throws -> ProgramResult {
        try await slipway(name)("build", "-q", "-o", "type=docker,name=next:1,dest=\(file)", directory + "/next")
    }

    private static func write(_ text: String, to path: String) throws {
        let file = URL(filePath: path)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
    }
}
