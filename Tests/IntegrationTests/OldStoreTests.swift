import CommandLine
import Foundation
import GRDB
import Storage
import Testing

/// A store that was written before each table had an owner, kept as `Fixtures/OldStore`: one image of `COPY greeting /greeting`
/// under two names, and a container that was made of it.
@Suite(.requires(.root)) struct `A store of an older version` {
    private static let container = "79dbf86fb61c8d3f352f596b30ad43a40d89a5d2893d637779305aaab91df240"
    private static let image = "a8ffd58d49abbcc4104a1a3864f5dd0b358ddd0e4d12a88e0bc57fa2d57c4ba8"

    private func withOldStore(_ body: (Slipway, TemporaryDirectory) async throws -> Void) async throws {
        let scratch = try TemporaryDirectory()
        let fixture = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures/OldStore")
        func add(_ name: String, as path: String) throws {
            let target = scratch.url.appending(path: "store/\(path)")
            try FileManager.default.createDirectory(
                at: target.deletingLastPathComponent(),
                withIntermediateDirectories: true
            )
            try FileManager.default.copyItem(at: fixture.appending(path: name), to: target)
        }
        try add("slipway.records", as: "slipway.records")
        try add("container.record", as: "containers/\(Self.container)/record")
        try add("configuration.json", as: "blobs/sha256/\(Self.image)")
        for path in ["store/snapshots/1/fs/greeting", "context/greeting"] { try scratch.write("hello\n", to: path) }
        try scratch.write("FROM scratch\nCOPY greeting /greeting\nCMD [\"/greeting\"]\n", to: "context/Dockerfile")
        let sql = try String(contentsOf: fixture.appending(path: "slipway.db.sql"), encoding: .utf8)
        let database = try DatabaseQueue(path: scratch.path + "/store/slipway.db")
        try await database.writeWithoutTransaction { db in try db.execute(sql: sql) }
        try database.close()
        try await body(Slipway(root: scratch.path + "/store"), scratch)
    }

    @Test func `shows its images and containers, builds from its cache, and has no problems`() async throws {
        try await withOldStore { slipway, scratch in
            let images = try await slipway.succeed("images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}")
            let id = Self.image.prefix(12)
            #expect(images == "old:1 \(id)\nold:2 \(id)\n")
            let containers = try await slipway.succeed("ps", "-a", "--format", "{{.ID}} {{.Names}} {{.Image}}")
            #expect(containers == "\(Self.container.prefix(12)) kept old:1\n")
            let built = try await slipway.run(
                ["build", "--progress", "plain", scratch.path + "/context"]
            )
            #expect(built.status == 0 && built.errorText.contains("CACHED"), "\(built.errorText)")
            let record = try await slipway.run([
                "explain", "--profile", scratch.path + "/old.html", "06547b354e63a74f59fbf56e",
            ])
            #expect(record.status == 1, "\(record.errorText)")
            #expect(record.errorText.contains("an older Slipway made the record of the build"), "\(record.errorText)")
            let inUse = try await slipway.run(["rmi", "old:1", "old:2"])
            #expect(inUse.errorText.contains("container \(Self.container.prefix(12))"), "\(inUse.errorText)")
            // The layer is the cache's; the configuration has another form today.
            #expect(try await slipway.succeed("system", "check").hasSuffix("1 layers, 2 images: no problems\n"))
        }
    }

    @Test func `is made again from its records`() async throws {
        try await withOldStore { slipway, _ in
            for suffix in ["", "-wal", "-shm"] {
                try? FileManager.default.removeItem(atPath: slipway.root + "/slipway.db" + suffix)
            }
            let repaired = try await slipway.succeed("system", "check", "--repair")
            #expect(repaired.contains("from its records: 1 images, 1 layers, 1 containers\n"), "\(repaired)")
            #expect(try await slipway.succeed("ps", "-a", "--format", "{{.Names}}") == "kept\n")
            #expect(try await slipway.succeed("system", "check").hasSuffix("no problems\n"))
        }
    }
}

@Suite struct `Migrations of the store` {
    @Test func `that databases have been through keep their names and follow each other within each owner`() {
        let released = [
            "blobs and layers", "images and containers", "build cache", "build history", "downloads",
            "images of several platforms", "layers of remote caches", "forms of layers", "checked archives",
            "generations",
        ]
        let names = StoreTables.all.migrationNames
        #expect(Set(released).subtracting(names).isEmpty)
        #expect(Set(names).count == names.count)
    }
}
