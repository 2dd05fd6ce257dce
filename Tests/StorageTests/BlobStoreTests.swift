import LinuxSystem
import OCI
import Storage
import SystemPackage
import Testing
import Text

@Suite struct `Blobs` {
    private let content: [UInt8] = "the content of a blob"

    @Test func `a blob is read back by the digest of its content`() async throws {
        try await withStore { store in
            let digest = try await store.blobs.put(content, in: store.lastingLease)
            #expect(digest == Digest.sha256(of: content))
            #expect(try await store.blobs.read(digest) == content)
            #expect(try await store.blobs.size(of: digest) == Int64(content.count))
            #expect(try await store.blobs.contains(digest))
        }
    }

    @Test func `content of another digest is refused and leaves nothing`() async throws {
        try await withStore { store in
            let expected = Digest.sha256(of: "else")
            let error = await #expect(throws: StorageError.self) {
                try await store.blobs.ingest(in: store.lastingLease, expecting: expected) {
                    try await $0.write(content)
                }
            }
            #expect(error == .digestMismatch(expected: expected, actual: Digest.sha256(of: content), resumedAt: 0))
            let isThere = try await store.blobs.contains(expected)
            #expect(isThere == false)
            #expect(try await names(in: store.root.appending("ingest")).isEmpty)
        }
    }

    @Test func `the first byte too many stops the transfer`() async throws {
        try await withStore { store in
            let error = await #expect(throws: StorageError.self) {
                try await store.blobs.ingest(in: store.lastingLease, size: 20) { writer in
                    for byte in content { try await writer.write([byte]) }
                }
            }
            #expect(error == .sizeMismatch(expected: 20, actual: 21))
        }
    }

    @Test func `content that ends early is refused`() async throws {
        try await withStore { store in
            let error = await #expect(throws: StorageError.self) {
                try await store.blobs.ingest(in: store.lastingLease, size: 22) { try await $0.write(content) }
            }
            #expect(error == .sizeMismatch(expected: 22, actual: 21))
        }
    }

    @Test func `a download that broke off goes on where it ended`() async throws {
        try await withStore { store in
            struct ConnectionLost: Error {}
            let digest = Digest.sha256(of: content)
            await #expect(throws: ConnectionLost.self) {
                try await store.blobs.ingest(in: store.lastingLease, expecting: digest, size: 21, partialKey: "a") {
                    writer in
                    #expect(writer.offset == 0)
                    try await writer.write(Array(content[..<9]))
                    throw ConnectionLost()
                }
            }
            let (stored, size) = try await store.blobs.ingest(
                in: store.lastingLease,
                expecting: digest,
                size: 21,
                partialKey: "a"
            ) { writer in
                #expect(writer.offset == 9)
                try await writer.write(Array(content[9...]))
            }
            #expect(stored == digest)
            #expect(size == 21)
            #expect(try await store.blobs.read(digest) == content)
        }
    }

    @Test func `a source that cannot go on in the middle starts again`() async throws {
        try await withStore { store in
            let digest = Digest.sha256(of: content)
            _ = try? await store.blobs.ingest(in: store.lastingLease, size: 21, partialKey: "a") {
                try await $0.write(Array(content[..<9]))
            }
            try await store.blobs.ingest(in: store.lastingLease, expecting: digest, size: 21, partialKey: "a") {
                writer in
                #expect(writer.offset == 9)
                try await writer.restart()
                #expect(writer.offset == 0)
                try await writer.write(content)
            }
            #expect(try await store.blobs.read(digest) == content)
        }
    }

    @Test func `leftovers with wrong bytes are dropped, so that the next attempt succeeds`() async throws {
        try await withStore { store in
            let digest = Digest.sha256(of: content)
            _ = try? await store.blobs.ingest(in: store.lastingLease, size: 21, partialKey: "a") {
                try await $0.write([0, 0, 0])
            }
            let error = await #expect(throws: StorageError.self) {
                try await store.blobs.ingest(in: store.lastingLease, expecting: digest, size: 21, partialKey: "a") {
                    writer in
                    try await writer.write(Array(content[writer.offset < 3 ? 0... : 3...]))
                }
            }
            guard case .digestMismatch(_, _, resumedAt: 3)? = error else {
                Issue.record("unexpected error \(String(describing: error))")
                return
            }
            try await store.blobs.ingest(in: store.lastingLease, expecting: digest, size: 21, partialKey: "a") {
                writer in
                #expect(writer.offset == 0)
                try await writer.write(content)
            }
        }
    }

    @Test func `the same content may arrive several times at once`() async throws {
        try await withStore { store in
            let other = try await Store.open(at: store.root, tables: .all)
            let digest = Digest.sha256(of: content)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<12 {
                    group.addTask {
                        try await (index % 2 == 0 ? store : other).blobs.ingest(
                            in: (index % 2 == 0 ? store : other).lastingLease,
                            expecting: digest,
                            size: 21,
                            partialKey: index % 3 == 0 ? nil : "same"
                        ) { writer in
                            try await writer.restart()
                            for byte in content { try await writer.write([byte]) }
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(try await store.blobs.read(digest) == content)
            #expect(try await store.check(full: true).problems.isEmpty)
            await other.close()
        }
    }

    @Test func `a damaged blob is never handed out, and the error names it and the remedy`() async throws {
        try await withStore { store in
            let digest = try await store.blobs.put(content, in: store.lastingLease)
            try await onBlockingPool {
                try OpenFile.open(store.blobs.path(of: digest), .writeOnly).write("THE")
            }
            let error = await #expect(throws: StorageError.self) { try await store.blobs.read(digest) }
            #expect(error?.description.contains("blob \(digest) is damaged") == true)
            #expect(error?.description.contains("slipway system check --repair") == true)
            #expect(try await store.check().problems.isEmpty)
            let found = try await store.check(full: true).problems
            guard case .blobDamaged(digest, _)? = found.first else {
                Issue.record("a full check found \(found)")
                return
            }
            _ = try await store.repair()
            #expect(try await store.blobs.contains(digest) == false)
            #expect(try await store.check(full: true).problems.isEmpty)
            #expect(try await store.blobs.put(content, in: store.lastingLease) == digest)
        }
    }

    @Test func `a blob whose file was lost counts as absent`() async throws {
        try await withStore { store in
            let digest = try await store.blobs.put(content, in: store.lastingLease)
            try await onBlockingPool { _ = try HostFiles.remove(store.blobs.path(of: digest)) }
            #expect(try await store.blobs.contains(digest) == false)
            #expect(try await store.check().problems == [.blobMissing(digest)])
            _ = try await store.blobs.put(content, in: store.lastingLease)
            #expect(try await store.check().problems.isEmpty)
        }
    }

    @Test func `repositories that hold a blob are remembered once`() async throws {
        try await withStore { store in
            let digest = try await store.blobs.put(content, in: store.lastingLease)
            try await store.blobs.recordSource("docker.io/library/b", of: [digest])
            try await store.blobs.recordSource("docker.io/library/a", of: [digest])
            try await store.blobs.recordSource("docker.io/library/a", of: [digest])
            #expect(try await store.blobs.sources(of: digest) == ["docker.io/library/a", "docker.io/library/b"])
        }
    }

    private func names(in directory: FilePath) async throws -> [[UInt8]] {
        try await onBlockingPool { try HostFiles.entries(of: directory) }
    }
}
