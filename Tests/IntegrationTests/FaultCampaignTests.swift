import Archive
import CommandLine
import Foundation
import Images
import LinuxSystem
import OCI
import Proofs
import Snapshots
import Storage
import SystemPackage
import Testing

/// Every fault of one file is named or harmless: never a trap, never an empty answer that looks like an answer, never wrong bytes.
@Suite(.serialized, .requires(.root)) struct `A store with a fault of one file` {
    /// Lends damaged stores on a file system in memory.
    private func withStores(_ body: (FaultyStores) async throws -> Void) async throws {
        try await withScratchDirectory { scratch in
            try await onBlockingPool { try DetachedMount.tmpfs(size: 256 << 20).attach(at: scratch) }
            do {
                let stores = try await FaultyStores(at: scratch.string)
                try await onBlockingPool {
                    try Store.openBlocking(at: FilePath(stores.directory + "/pages"), tables: .all).database.compact()
                }
                try await body(stores)
            } catch {
                try await onBlockingPool { try unmount(scratch, lazy: true) }
                throw error
            }
            try await onBlockingPool { try unmount(scratch, lazy: true) }
        }
    }

    @Test(.proves("A11-A13: 500 seeded faults of one")) func `says so or is not disturbed, whatever command comes`()
        async throws
    {
        try await withStores { stores in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for seed in UInt64(1)...40 {
                    if seed > 3 { try await group.next() }
                    group.addTask { try await runCommands(seed, stores) }
                }
                try await group.waitForAll()
            }
        }
    }

    private func runCommands(_ seed: UInt64, _ stores: FaultyStores) async throws {
        let name = "case-\(seed)"
        try await stores.copy(seed % 2 == 0 ? "log" : "pages", to: name)
        defer { try? FileManager.default.removeItem(atPath: stores.directory + "/" + name) }
        var fault = StoreFault(seed: seed)
        try fault.apply(to: stores.directory + "/" + name, other: stores.directory + "/other")
        let what = fault.account
        let slipway = stores.slipway(name)
        let listed = try await slipway.run(FaultyStores.commands[0])
        if listed.status == 0 {
            #expect(Set(listed.text.split(separator: "\n").map(String.init)) == stores.images, "\(what)")
        } else {
            #expect(
                listed.status == 1 && listed.errorText.contains("system check --repair"),
                "\(what): \(listed.errorText)"
            )
        }
        let file = stores.directory + "/\(name).tar"
        let built = try await stores.build(in: name, to: file)
        #expect(built.status == 0 || built.status == 1, "\(what): \(built.errorText)")
        if built.status == 0 {
            #expect(try Data(contentsOf: URL(filePath: file)) == stores.exported, "\(what)")
        } else {
            #expect(!built.errorText.isEmpty, "\(what)")
        }
        let checked = try await slipway("system", "check", "--deep")
        #expect(checked.status == 0 || checked.status == 1, "\(what): \(checked.errorText)")
        let repaired = try await slipway("system", "check", "--deep", "--repair")
        #expect(repaired.status == 0, "\(what): \(repaired.errorText)")
        let again = try await slipway("system", "check", "--deep")
        #expect(again.status == 0, "\(what): \(again.text)\(again.errorText)")
        for lost in stores.images.subtracting(try await stores.names(in: name)) {
            let id = try #require(lost.split(separator: " ").last)
            #expect(repaired.text.contains(id), "\(what): \(lost) is gone and \(repaired.text)")
        }
    }

    @Test(.proves("A11-A13: 500 seeded faults of one"), arguments: 0..<5)
    func `is found by those who open it, and mended`(part: Int) async throws {
        try await withStores { stores in
            let images = stores.images.sorted().joined(separator: "\n")
            await #expect(processExitsWith: .success) {
                [directory = stores.directory as String, images = images as String, part = part as Int] in
                let expected = Set(images.split(separator: "\n").map { String($0.split(separator: " ")[1]) })
                for seed in UInt64(1000 + part * 92)..<UInt64(1000 + part * 92 + 92) {
                    let root = directory + "/case"
                    try? FileManager.default.removeItem(atPath: root)
                    _ = try await runProgram("cp", ["-a", directory + (seed % 2 == 0 ? "/log" : "/pages"), root])
                    var fault = StoreFault(seed: seed)
                    try fault.apply(to: root, other: directory + "/other")
                    // What a trap leaves to be read.
                    try fault.account.write(toFile: directory + "/failure", atomically: true, encoding: .utf8)
                    do {
                        try await mend(root, expected)
                    } catch {
                        try "\(fault.account): \(error)".write(
                            toFile: directory + "/failure",
                            atomically: true,
                            encoding: .utf8
                        )
                        throw error
                    }
                }
                try FileManager.default.removeItem(atPath: directory + "/failure")
            }
            let failure = try? String(contentsOfFile: stores.directory + "/failure", encoding: .utf8)
            #expect(failure == nil)
        }
    }
}

/// Why a damaged store did not behave.
private struct Misbehaviour: Error, CustomStringConvertible {
    let description: String
}

private func names(in store: Store) async throws -> Set<String> {
    Set(try await ImageStore(store: store).list().map(\.id.description))
}

/// Opens a damaged store, reads all of it, repairs it, and throws where it did anything but tell the truth.
private func mend(_ root: String, _ expected: Set<String>) async throws {
    let path = FilePath(root)
    do {
        let store = try await Store.open(at: path, tables: .all)
        guard try await names(in: store) == expected else { throw Misbehaviour(description: "other images") }
        try await readLayers(of: store)
        _ = try await store.check(full: true)
        await store.close()
    } catch let error as StorageError {
        guard error.description.contains("system check --repair") else { throw error }
    }
    let rebuilt = try await Store.rebuildIfDamaged(at: path, tables: .all)
    let store = try await Store.open(at: path, tables: .all)
    let snapshots = SnapshotStore(store: store)
    var losses = (rebuilt?.losses ?? []) + (try await store.repair().losses)
    losses += try await store.discardFiles(of: try await snapshots.checkFiles().layers)
    for image in expected.subtracting(try await names(in: store)) where !losses.contains(where: { $0.contains(image) })
    {
        throw Misbehaviour(description: "\(image) was lost in silence: \(losses)")
    }
    let left = try await store.check(full: true).problems + (try await snapshots.checkFiles().damaged)
    guard left.isEmpty else { throw Misbehaviour(description: "after the repair: \(left)") }
    try await readLayers(of: store)
    await store.close()
}

/// Reads the archives of all layers of all images, which are right or refused.
private func readLayers(of store: Store) async throws {
    let snapshots = SnapshotStore(store: store)
    let images = ImageStore(store: store)
    for summary in try await images.list() {
        guard let image = try? await images.image(summary.id.description) else { continue }
        for (layer, diffID) in zip(image.layers, image.configuration.rootFileSystem.diffIDs) {
            let digest = RunningDigest()
            guard
                (try? await snapshots.leased(by: snapshots.store.lastingLease).writeArchive(of: layer, to: digest))
                    != nil
            else { continue }
            guard digest.value == diffID else { throw Misbehaviour(description: "wrong bytes of \(diffID)") }
        }
    }
}

/// The digest of what is written on one thread and asked for when that has ended.
private final class RunningDigest: ByteSink, @unchecked Sendable {
    private var digester = Digester(.sha256)
    func write(_ bytes: UnsafeRawBufferPointer) { digester.update(bytes) }
    var value: Digest { digester.finalize() }
}
