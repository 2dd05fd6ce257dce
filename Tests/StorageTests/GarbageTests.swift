import GRDB
import LinuxSystem
import OCI
import Proofs
import Storage
import SystemPackage
import Testing
import Text

@Suite struct `Garbage collection` {
    @Test func `a blob goes when its lease is over`() async throws {
        try await withStore { store in
            let digest = try await store.withLease { lease in
                let digest = try await store.blobs.put([1, 2, 3], in: lease)
                #expect(try await store.collectGarbage().blobs.isEmpty)
                #expect(try await store.blobs.contains(digest))
                return digest
            }
            let garbage = try await store.collectGarbage()
            #expect(garbage.blobs == [digest])
            #expect(garbage.bytes == 3)
            #expect(try await store.blobs.contains(digest) == false)
            let isThere = try await onBlockingPool { try HostFiles.status(of: store.blobs.path(of: digest)) != nil }
            #expect(isThere == false)
        }
    }

    @Test func `what another opening of the store holds stays`() async throws {
        try await withStore { store in
            let other = try await Store.open(at: store.root, tables: .all)
            let digest = try await store.withLease { lease in
                let digest = try await store.blobs.put([1], in: lease)
                try await other.lastingLease.hold([.blob(digest)])
                return digest
            }
            #expect(try await store.collectGarbage().blobs.isEmpty)
            await other.close()
            #expect(try await store.collectGarbage().blobs == [digest])
        }
    }

    @Test func `layers of images stay with their blobs, others go with their files`() async throws {
        try await withStore { store in
            let (kept, configuration) = try await store.withLease { lease in
                let kept = try await store.blobs.put([1], in: lease)
                let loose = try await store.blobs.put([2], in: lease)
                let configuration = try await store.blobs.put("{}", in: lease)
                try await store.database.write { db in
                    for (id, blob) in [(1, kept), (2, loose)] {
                        try HostFiles.createDirectories(
                            store.layout.snapshot(LayerID(rawValue: Int64(id))).appending("fs")
                        )
                        try db.execute(
                            sql:
                                "INSERT INTO layers (id, diff_id, unpacked, size, created, last_used) VALUES (?, ?, 1, 100, 0, 0)",
                            arguments: [id, blob.description]
                        )
                        try db.execute(
                            sql: "INSERT INTO layer_blobs (layer_id, digest, media_type, size) VALUES (?, ?, 'm', 1)",
                            arguments: [id, blob.description]
                        )
                    }
                    try db.execute(
                        sql: "INSERT INTO images (id, os, architecture, stored) VALUES (?, 'linux', 'amd64', 0)",
                        arguments: [configuration.description]
                    )
                    try db.execute(
                        sql: "INSERT INTO image_layers VALUES (?, 0, 1)",
                        arguments: [configuration.description]
                    )
                }
                return (kept, configuration)
            }
            let garbage = try await store.collectGarbage()
            #expect(garbage.layers == [LayerID(rawValue: 2)])
            #expect(garbage.bytes == 101)
            #expect(try await store.blobs.present(among: [kept, configuration]) == [kept, configuration])
            let left = try await onBlockingPool { try HostFiles.entries(of: store.layout.snapshots) }
            #expect(left == ["1"])
            #expect(try await store.check(full: true).problems.isEmpty)
        }
    }

    @Test func `a removal that was interrupted is finished, and a blob that came back stays`() async throws {
        try await withStore { store in
            let (gone, back) = try await store.withLease { lease in
                (try await store.blobs.put([1], in: lease), try await store.blobs.put([2], in: lease))
            }
            try await store.database.write { db in
                for digest in [gone, back] {
                    try db.execute(sql: "INSERT INTO tombstones VALUES ('blob', ?)", arguments: [digest.description])
                    try db.execute(sql: "DELETE FROM blobs WHERE digest = ?", arguments: [digest.description])
                }
            }
            try await store.withLease { lease in
                _ = try await store.blobs.put([2], in: lease)
                _ = try await store.collectGarbage()
                #expect(try await store.blobs.contains(back))
            }
            #expect(try await store.check(full: true).problems.isEmpty)
            let isThere = try await onBlockingPool { try HostFiles.status(of: store.blobs.path(of: gone)) != nil }
            #expect(isThere == false)
        }
    }

    @Test(.proves("A17: what another process removes")) func `processes that come and go do not disturb a collection`()
        async throws
    {
        try await withStore { store in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<3 {
                    group.addTask {
                        for number in UInt8(0)..<40 {
                            let other = try await Store.open(at: store.root, tables: .all)
                            try await other.lastingLease.hold([.blob(Digest.sha256(of: [number]))])
                            await other.close()
                        }
                    }
                }
                group.addTask { for _ in 0..<60 { _ = try await store.collectGarbage() } }
                try await group.waitForAll()
            }
        }
    }

    @Test(.proves("D: a process that is killed while"))
    func `files that nothing refers to are reported, and removed by a repair`() async throws {
        try await withStore { store in
            let path = store.blobs.path(of: Digest.sha256(of: [9]))
            // As a process leaves it that is killed while it makes a container.
            let container = store.layout.containers.appending(String(repeating: "5f", count: 32))
            try await onBlockingPool {
                try OpenFile.open(path, [.writeOnly, .create]).write([9])
                try HostFiles.createDirectories(container.appending("fs"))
                try HostFiles.createDirectory(store.layout.containers.appending("other"))
                try OpenFile.open(store.layout.containers.appending("end.lock"), [.writeOnly, .create]).write([9])
            }
            #expect(try await store.check().problems == [.orphan(path), .orphan(container)])
            _ = try await store.repair()
            #expect(try await store.check().problems.isEmpty)
            let left = try await onBlockingPool { try HostFiles.entries(of: store.layout.containers).count }
            #expect(left == 2)
        }
    }
}
