import GRDB
import Images
import LinuxSystem
import OCI
import Snapshots
import Storage
import SystemPackage
import Testing
import Text

@Suite struct `Finding images` {
    @Test func `by a name as docker shows it, in full, and without the tag`() async throws {
        try await withImages { images in
            let id = try await images.addSample("python:3-alpine", "app")
            for name in ["python:3-alpine", "docker.io/library/python:3-alpine", "app", "app:latest", "library/app"] {
                #expect(try await images.image(name).id == id)
            }
            #expect(try await images.image("app").names.map(\.familiar) == ["app:latest", "python:3-alpine"])
        }
    }

    @Test func `by id, by a unique prefix of it, with and without the algorithm`() async throws {
        try await withImages { images in
            let id = try await images.addSample("app")
            for name in [id.description, id.hex, id.short, String(id.hex.prefix(3)), "sha256:\(id.hex.prefix(5))"] {
                #expect(try await images.image(name).id == id)
            }
        }
    }

    @Test func `a name wins over an id that begins with it`() async throws {
        try await withImages { images in
            let first = try await images.addSample("one")
            let second = try await images.addSample(String(first.hex.prefix(4)), layers: [2])
            #expect(try await images.image(String(first.hex.prefix(4))).id == second)
            #expect(try await images.image(String(first.hex.prefix(5))).id == first)
        }
    }

    @Test func `a prefix that several images share is refused with the candidates`() async throws {
        try await withImages { images in
            var seen: [Character: Digest] = [:]
            var number = 0
            while true {
                let id = try await images.addSample(layers: [number])
                number += 1
                guard let letter = id.hex.first else { continue }
                if let other = seen[letter] {
                    let error = await #expect(throws: ImageError.self) { try await images.image(String(letter)) }
                    #expect(error == .ambiguousPrefix(String(letter), matches: [id, other].sorted()))
                    return
                }
                seen[letter] = id
            }
        }
    }

    @Test func `by digest of the repository it was pulled from`() async throws {
        try await withImages { images in
            let digest = Digest.sha256(of: [1])
            let id = try await images.addSample("app:1", digests: ["registry.example/app@\(digest)"])
            #expect(try await images.image("registry.example/app@\(digest)").id == id)
            #expect(try await images.image("registry.example/app:any@\(digest)").id == id)
            await #expect(throws: ImageError.noSuchImage("app@\(digest)")) { try await images.image("app@\(digest)") }
        }
    }

    @Test func `what is not there is named as docker names it`() async throws {
        try await withImages { images in
            await #expect(throws: ImageError.noSuchImage("nope:latest")) { try await images.image("nope") }
            #expect(ImageError.noSuchImage("nope:latest").description == "No such image: nope:latest")
            await #expect(throws: OCIError.self) { try await images.image("Nope") }
            _ = try await images.list()
        }
    }

    @Test func `an image for another platform is refused with both`() async throws {
        try await withImages { images in
            try await images.addSample("app")
            let error = await #expect(throws: ImageError.self) {
                try await images.image("app", platform: Platform(os: "linux", architecture: "arm64"))
            }
            let text = "image with reference app was found but its platform (linux/amd64) does not match"
            #expect(error?.description.hasPrefix(text) == true)
        }
    }
}

@Suite struct `Naming images` {
    @Test func `a name moves to the image that gets it, and the other one is left without`() async throws {
        try await withImages { images in
            let old = try await images.addSample("app")
            let new = try await images.addSample("app", layers: [2])
            #expect(try await images.image("app").id == new)
            #expect(try await images.image(old.hex).isDangling)
            try await images.tag(old.short, as: "registry.example:5000/team/app:v2")
            #expect(try await images.image(old.hex).names.map(\.familiar) == ["registry.example:5000/team/app:v2"])
        }
    }

    @Test func `a name with a digest cannot be a new name`() async throws {
        try await withImages { images in
            try await images.addSample("app")
            let target = "other@\(Digest.sha256(of: []))"
            let error = await #expect(throws: ImageError.self) { try await images.tag("app", as: target) }
            #expect(error?.description.contains("refusing to create a tag with a digest reference") == true)
            await #expect(throws: ImageError.noSuchImage("nope:latest")) { try await images.tag("nope", as: "x") }
            _ = try await images.list()
        }
    }

    @Test func `a configuration with other layers than the image is refused, and nothing is kept`() async throws {
        try await withImages { images in
            let configuration = try StrictJSON.encode(ImageConfiguration(platform: .current))
            let image = NewImage(configuration: configuration, layers: [LayerID(rawValue: 1)])
            await #expect(throws: ImageError.self) { try await images.add(image) }
            #expect(try await images.list().isEmpty)
        }
    }
}

@Suite struct `Listing images` {
    @Test func `newest first, with sizes shared and unique`() async throws {
        try await withImages { images in
            try await images.addSample("old", layers: [1, 2], created: "2020-01-01T00:00:00Z")
            try await images.addSample("new", layers: [1, 3, 4], created: "2025-01-01T00:00:00Z")
            let list = try await images.list()
            #expect(list.flatMap(\.names).map(\.familiar) == ["new:latest", "old:latest"])
            #expect(list.map(\.size) == [300, 200])
            #expect(list.map(\.sharedSize) == [100, 100])
            #expect(list.map(\.created) == [1_735_689_600, 1_577_836_800])
        }
    }

    @Test(arguments: [
        (["dangling=true"], [""]),
        (["dangling=false"], ["a:1", "b:1 b:2"]),
        (["label=color"], ["a:1", "b:1 b:2"]),
        (["label=color=red"], ["a:1"]),
        (["label=color", "label=shape=round"], ["b:1 b:2"]),
        (["before=b:1"], ["a:1"]),
        (["since=a:1"], ["", "b:1 b:2"]),
        (["reference=b"], ["b:1 b:2"]),
        (["reference=*:2"], ["b:2"]),
        (["reference=a", "reference=b:2"], ["a:1", "b:2"].reversed()),
        (["reference=docker.io/library/a"], ["a:1"]),
        (["until=2021-06-01"], ["a:1"]),
    ])
    func `filters`(_ filters: [String], _ expected: [String]) async throws {
        try await withImages { images in
            try await images.addSample("a:1", created: "2021-01-01T00:00:00Z", labels: ["color": "red"])
            try await images.addSample(
                "b:1",
                "b:2",
                layers: [2],
                created: "2022-01-01T00:00:00Z",
                labels: ["color": "blue", "shape": "round"]
            )
            try await images.addSample(layers: [3], created: "2023-01-01T00:00:00Z")
            let filter = try ImageFilter(parsing: filters, accepted: ImageFilter.forListing, now: 0)
            let list = try await images.list(filter).map { $0.names.map(\.familiar).joined(separator: " ") }
            #expect(Set(list) == Set(expected))
            #expect(list.count == expected.count)
        }
    }

    @Test func `filters that the command does not know are refused in docker's words`() {
        #expect(throws: ImageError.invalidFilter("color")) {
            try ImageFilter(parsing: ["color=red"], accepted: ImageFilter.forListing, now: 0)
        }
        #expect(ImageError.invalidFilter("color").description == "invalid filter 'color'")
        #expect(throws: ImageError.self) {
            try ImageFilter(parsing: ["dangling=maybe"], accepted: ImageFilter.forListing, now: 0)
        }
        #expect(throws: ImageError.self) {
            try ImageFilter(parsing: ["until=x"], accepted: ImageFilter.forPruning, now: 0)
        }
    }

    @Test func `a duration counts back from now`() throws {
        let filter = try ImageFilter(parsing: ["until=1h30m"], accepted: ImageFilter.forPruning, now: 10_000)
        #expect(filter.until == 4600)
    }
}

@Suite struct `Removing images` {
    @Test func `the last name goes with the image and its layers`() async throws {
        try await withImages { images in
            let id = try await images.addSample("app", layers: [1, 2])
            let first = Digest.sha256(of: "layer 1")
            let second = Digest.sha256(of: "layer 2")
            let chain = Digest.sha256(of: "\(first.description) \(second.description)")
            let lines = try await images.remove("app")
            #expect(
                lines.map(\.description)
                    == ["Untagged: app:latest", "Deleted: \(id)", "Deleted: \(chain)", "Deleted: \(first)"]
            )
            #expect(try await images.list().isEmpty)
            #expect(try await images.store.blobs.contains(id) == false)
        }
    }

    @Test func `one of several names goes alone, and names by digest with the last tag of their repository`()
        async throws
    {
        try await withImages { images in
            let digest = Digest.sha256(of: [7])
            let id = try await images.addSample("app:1", "app:2", digests: ["app@\(digest)"])
            #expect(try await images.remove("app:1").map(\.description) == ["Untagged: app:1"])
            let lines = try await images.remove("app:2").prefix(3).map(\.description)
            #expect(lines == ["Untagged: app:2", "Untagged: app@\(digest)", "Deleted: \(id)"])
        }
    }

    @Test func `by id an image with names in several repositories needs force`() async throws {
        try await withImages { images in
            let id = try await images.addSample("a", "b")
            let error = await #expect(throws: ImageError.self) { try await images.remove(id.short) }
            #expect(
                error?.description
                    == "conflict: unable to delete \(id.short) (must be forced) - image is referenced in multiple repositories"
            )
            let lines = try await images.remove(id.short, force: true).prefix(3).map(\.description)
            #expect(lines == ["Untagged: a:latest", "Untagged: b:latest", "Deleted: \(id)"])
        }
    }

    @Test func `layers that another image has stay`() async throws {
        try await withImages { images in
            try await images.addSample("base", layers: [1])
            try await images.addSample("app", layers: [1, 2])
            #expect(try await images.remove("app").count == 3)
            #expect(try await images.image("base").layers.count == 1)
            #expect(
                try await images.store.check().problems.allSatisfy { if case .database = $0 { false } else { true } }
            )
        }
    }

    @Test func `an image that a container uses is kept as docker keeps it`() async throws {
        try await withImages { images in
            let id = try await images.addSample("app")
            try await images.addContainer("0123456789abcdef", of: id, isRunning: false)
            let byName = await #expect(throws: ImageError.self) { try await images.remove("app") }
            #expect(
                byName?.description
                    == "conflict: unable to remove repository reference \"app\" (must force) - container "
                    + "0123456789ab is using its referenced image \(id.short)"
            )
            let byID = await #expect(throws: ImageError.self) { try await images.remove(id.hex) }
            #expect(
                byID?.description
                    == "conflict: unable to delete \(id.short) (must be forced) - image is being used by stopped container 0123456789ab"
            )
            let running = await #expect(throws: ImageError.self) {
                try await images.remove(id.hex, force: true) { _ in true }
            }
            #expect(
                running?.description.contains("(cannot be forced) - image is being used by running container") == true
            )
            #expect(try await images.remove("app", force: true).count >= 2)
        }
    }

    @Test func `prune removes images without a name, and all unused ones on request`() async throws {
        try await withImages { images in
            let old = try await images.addSample("app", layers: [1])
            try await images.addSample("app", layers: [2])
            let used = try await images.addSample("used", layers: [3])
            try await images.addContainer("c1", of: used, isRunning: false)
            #expect(try await images.prune().removals.first == .deleted(old))
            #expect(try await images.list().count == 2)
            let filter = try ImageFilter(parsing: ["label=keep"], accepted: ImageFilter.forPruning, now: 0)
            #expect(try await images.prune(all: true, filter: filter).removals.isEmpty)
            #expect(try await images.prune(all: true).removals.first == .untagged("app:latest"))
            #expect(try await images.list().map(\.id) == [used])
        }
    }
}

@Suite struct `Describing images` {
    @Test func `history shows the last step first and only it has the id`() async throws {
        try await withImages { images in
            let id = try await images.addSample("app", layers: [1, 2])
            let rows = try await images.history("app")
            #expect(rows.map(\.createdBy) == ["step 2", "step 1"])
            #expect(rows.map(\.id) == [id.description, nil])
            #expect(rows.map(\.size) == [100, 100])
            #expect(rows.first?.tags == ["app:latest"])
        }
    }

    @Test func `inspect has docker's fields`() async throws {
        try await withImages { images in
            let id = try await images.addSample("app", labels: ["a": "b"])
            let text = String(decoding: try StrictJSON.encode(try await images.inspect("app")), as: UTF8.self)
            for part in [
                "\"Id\":\"\(id)\"", "\"RepoTags\":[\"app:latest\"]", "\"RepoDigests\":[]", "\"Architecture\":\"amd64\"",
                "\"Size\":100", "\"Labels\":{\"a\":\"b\"}", "\"Comment\":\"made\"", "\"Type\":\"layers\"",
            ] {
                #expect(text.contains(part))
            }
        }
    }

    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0, 0), ("2026-11-23T09:30:00.5Z", 1_795_426_200, 500_000_000),
        ("2000-02-29T23:59:59+01:00", 951_865_199, 0), ("1969-12-31T23:59:59Z", -1, 0),
    ])
    func `times are read as Go writes them`(_ text: String, _ seconds: Int64, _ nanoseconds: Int32) {
        #expect(FileTime(rfc3339: text) == FileTime(seconds: seconds, nanoseconds: nanoseconds))
        if text.hasSuffix("Z") { #expect(FileTime(rfc3339: text)?.rfc3339 == text) }
    }

    @Test func `other texts and Go's zero time are not times`() {
        for text in ["", "2026-11-23", "0001-01-01T00:00:00Z", "2026-13-01T00:00:00Z", "2026-11-23T09:30:00"] {
            #expect(FileTime(rfc3339: text) == nil)
        }
    }
}

@Suite struct `Disk usage` {
    @Test func `images count each layer once and name what no container needs as reclaimable`() async throws {
        try await withImages { images in
            let used = try await images.addSample("used", layers: [1, 2])
            try await images.addSample("idle", layers: [1, 3])
            try await images.store.database.write { db in try db.execute(sql: "UPDATE layers SET unpacked = 1") }
            try await images.addContainer("c1", of: used, isRunning: true)
            let usage = try await images.systemUsage()
            #expect(usage.rows.map(\.kind.rawValue) == ["Images", "Containers"])
            #expect(usage.rows.map(\.total) == [2, 1])
            #expect(usage.rows.map(\.active) == [1, 1])
            let configurations = try await images.store.diskUsage().blobs
            #expect(usage.rows[0].size == 300 + configurations)
            #expect(usage.rows[0].reclaimable == 100 + configurations / 2)
        }
    }

    @Test func `ten thousand images can be listed`() async throws {
        try await withImages { images in
            try await images.store.database.write { db in
                for number in 0..<10_000 {
                    let id = Digest.sha256(of: "\(number)")
                    try db.execute(
                        sql:
                            "INSERT INTO images (id, created, os, architecture, stored) VALUES (?, ?, 'linux', 'amd64', 0)",
                        arguments: [id, number]
                    )
                    try db.execute(
                        sql: "INSERT INTO image_names VALUES (?, ?, 0)",
                        arguments: ["docker.io/library/app:\(number)", id]
                    )
                }
            }
            #expect(try await images.list().count == 10_000)
        }
    }
}

@Suite struct `Keeping images` {
    @Test func `what an image needs is on the disk before it is there: its configuration, archives and files`()
        async throws
    {
        try await withImages { images in
            let store = images.store
            // Of a layer that is not unpacked, of one that is, and what no image needs.
            for content in ["layer 1", "layer 2", "other"] {
                _ = try await store.blobs.put(Array(content.utf8), in: store.lastingLease)
            }
            try await images.addSample("first", layers: [1])
            let other = "blob \(Digest.sha256(of: "other"))"
            let second = "blob \(Digest.sha256(of: "layer 2"))"
            #expect(try await unflushed(store) == [other, second].sorted())
            try await store.database.writeLazily { db in
                for diffID in [Digest.sha256(of: "layer 2"), Digest.sha256(of: "layer 3")] {
                    try db.execute(
                        sql: "INSERT INTO layers (diff_id, unpacked, created, last_used) VALUES (?, 1, 0, 0)",
                        arguments: [diffID]
                    )
                    let layer = LayerID(rawValue: db.lastInsertedRowID)
                    if diffID == Digest.sha256(of: "layer 2") {
                        try db.execute(
                            sql: "INSERT INTO layer_blobs (layer_id, digest, media_type, size) VALUES (?, ?, 'x', 7)",
                            arguments: [layer, diffID]
                        )
                    }
                    try HostFiles.createDirectories(store.layout.snapshot(layer).appending("fs"))
                    try store.unflushed.note(.layer(layer), isReplaceable: true, in: db)
                }
            }
            try await images.addSample("second", layers: [2, 3])
            // The files of the layer whose archive is on the disk can be had again.
            #expect(try await unflushed(store) == [other, "layer 2"])
        }
    }

    private func unflushed(_ store: Store) async throws -> [String] {
        try await store.database.read { db in
            try String.fetchAll(db, sql: "SELECT resource FROM unflushed ORDER BY resource")
        }
    }
}
