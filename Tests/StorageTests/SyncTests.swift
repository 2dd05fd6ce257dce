import LinuxSystem
import Storage
import SystemPackage
import Testing
import Text

@Suite struct `Copies of clients' directories` {
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func names(of copy: SyncedCopy) throws -> [[UInt8]] {
        // What is unfinished belongs to no copy.
        #expect(try HostFiles.entries(of: copy.workshop).isEmpty)
        return try HostFiles.entries(of: copy.files)
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func fill(_ store: Store, _ key: [UInt8], _ name: String) throws {
        let copy = try store.takeCopy(key: key, name: "context")
        try HostFiles.write("content", to: copy.files.appending(name))
    }

    @Test func `are found again with what they had, each by its key`() async throws {
        try await withStore { store in
            try await onBlockingPool {
                try Self.fill(store, "one", "a")
                #expect(try Self.names(of: store.takeCopy(key: "one", name: "context")) == ["a"])
                #expect(try Self.names(of: store.takeCopy(key: "two", name: "context")).isEmpty)
            }
        }
    }

    @Test func `are had by one build at a time: another one gets another`() async throws {
        try await withStore { store in
            try await onBlockingPool {
                try Self.fill(store, "one", "a")
                let first = try store.takeCopy(key: "one", name: "context")
                let second = try store.takeCopy(key: "one", name: "context")
                #expect(first.files != second.files)
                #expect(try Self.names(of: first) == ["a"] && Self.names(of: second).isEmpty)
            }
        }
    }

    @Test func `are not trusted that were made before the machine came up`() async throws {
        try await withStore { store in
            try await onBlockingPool {
                try Self.fill(store, "one", "a")
                let copy = try store.takeCopy(key: "one", name: "context")
                let mark = copy.files.removingLastComponent().appending("boot")
                try HostFiles.write("another boot", to: mark)
                withExtendedLifetime(copy) {}
            }
            let names = try await onBlockingPool {
                try Self.names(of: store.takeCopy(key: "one", name: "context"))
            }
            #expect(names.isEmpty)
        }
    }

    @Test func `are counted, and removed where no build has them`() async throws {
        try await withStore { store in
            try await onBlockingPool { for key in ["one", "two"] { try Self.fill(store, Array(key.utf8), "a") } }
            let held = try await onBlockingPool { try store.takeCopy(key: "two", name: "context") }
            let found = try await store.keptDirectories()
            #expect(found.map(\.kind) == [.sync, .sync] && found.allSatisfy { $0.name == "context" })
            #expect(found.allSatisfy { $0.size >= 7 } && found.count(where: \.isInUse) == 1)
            let removed = try await store.remove(found)
            #expect(removed.map(\.isInUse) == [false])
            #expect(try await store.keptDirectories().count == 1)
            withExtendedLifetime(held) {}
        }
    }
}
