import CommandLine
import Foundation
import Glibc
import LinuxSystem
import OCI
import Storage
import SystemPackage
import Testing
import Text

/// Ingests blobs, holds them, and collects garbage in a loop until the process ends.
private func workForever(on root: String) async throws {
    let store = try await Store.open(at: FilePath(root), tables: .all)
    try await withThrowingTaskGroup(of: Void.self) { group in
        for task in 0..<4 {
            group.addTask {
                for round in 0... {
                    try await store.withLease { lease in
                        for size in [1, 100_000, 3_000_000] {
                            let byte = UInt8(truncatingIfNeeded: round &* 4 &+ task)
                            let content = [UInt8](repeating: byte, count: size + task)
                            try await store.blobs.ingest(in: lease, partialKey: "\(byte)-\(size)") { writer in
                                try await writer.restart()
                                try await writer.write(content)
                            }
                        }
                    }
                    if task == 0 { _ = try await store.collectGarbage() }
                }
            }
        }
        try await group.waitForAll()
    }
}

/// Ends the process as `kill -9` does, after a while, from a thread that nothing can hold up.
private func dieAfter(milliseconds: UInt32) {
    Thread.detachNewThread {
        usleep(milliseconds * 1000)
        kill(getpid(), SIGKILL)
    }
}

@Suite(.serialized) struct `A store under fire` {
    @Test func `kill -9 at any moment leaves a store that is sound`() async throws {
        try await withScratchDirectory { scratch in
            let root = scratch.appending("store").string
            for round in 0..<12 {
                let delay = UInt32(15 + round * 23)
                await #expect(processExitsWith: .signal(SIGKILL)) { [root = root as String, delay = delay as UInt32] in
                    dieAfter(milliseconds: delay)
                    try await workForever(on: root)
                }
                let store = try await Store.open(at: FilePath(root), tables: .all)
                let problems = try await store.check(full: true).problems
                #expect(problems.isEmpty, "after \(delay) ms: \(problems)")
                await store.close()
                let scratchLeft = try await onBlockingPool {
                    try HostFiles.entries(of: store.layout.tmp).count + HostFiles.entries(of: store.layout.run).count
                }
                #expect(scratchLeft == 0)
            }
        }
    }

    @Test func `processes that die do not disturb one that lives`() async throws {
        try await withScratchDirectory { scratch in
            let root = scratch.appending("store").string
            let store = try await Store.open(at: FilePath(root), tables: .all)
            let own = try await store.blobs.put("mine", in: store.lastingLease)
            async let first: Void = dieThreeTimes(on: root)
            async let second: Void = dieThreeTimes(on: root)
            _ = await (first, second)
            for _ in 0..<3 {
                let again = try await Store.open(at: FilePath(root), tables: .all)
                _ = try await again.collectGarbage()
                await again.close()
            }
            #expect(try await store.blobs.read(own) == "mine")
            #expect(try await store.check(full: true).problems.isEmpty)
            await store.close()
        }
    }

    private func dieThreeTimes(on root: String) async {
        for delay: UInt32 in [120, 60, 200] {
            await #expect(processExitsWith: .signal(SIGKILL)) { [root = root as String, delay = delay as UInt32] in
                dieAfter(milliseconds: delay)
                try await workForever(on: root)
            }
        }
    }

    @Test(.requires(.root)) func `a full disk is a clear error and the store goes on when there is space`() async throws
    {
        try await withScratchDirectory { scratch in
            let mount = scratch.appending("full")
            try await onBlockingPool {
                try HostFiles.createDirectory(mount)
                try DetachedMount.tmpfs(size: 4 << 20).attach(at: mount)
            }
            do {
                try await fill(mount)
            } catch {
                try await onBlockingPool { try unmount(mount, lazy: true) }
                throw error
            }
            try await onBlockingPool { try unmount(mount, lazy: true) }
        }
    }

    private func fill(_ mount: FilePath) async throws {
        let store = try await Store.open(at: mount.appending("store"), tables: .all)
        let kept = try await store.blobs.put([UInt8](repeating: 1, count: 1 << 20), in: store.lastingLease)
        let error = await #expect(throws: StorageError.self) {
            try await store.blobs.put([UInt8](repeating: 2, count: 5 << 20), in: store.lastingLease)
        }
        #expect(error?.description.hasPrefix("no space left on device while writing a blob in ") == true)
        #expect(error?.description.contains("slipway system prune") == true)
        let small = try await store.blobs.put([3], in: store.lastingLease)
        #expect(try await store.blobs.present(among: [kept, small]) == [kept, small])
        #expect(try await store.check(full: true).problems.isEmpty)
        await store.close()
        let again = try await Store.open(at: mount.appending("store"), tables: .all)
        #expect(try await again.collectGarbage().blobs.count == 2)
        await again.close()
    }
}
