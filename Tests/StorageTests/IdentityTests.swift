import LinuxSystem
import Storage
import Testing

@Suite struct `The numbers of a store's owners` {
    private let ann = IdentityMaps(
        users: IdentityMap(root: 1000, others: [100_000...165_535]),
        groups: IdentityMap(root: 1000, others: [100_000...165_535])
    )
    private let annAlone = IdentityMaps(users: IdentityMap(root: 1000), groups: IdentityMap(root: 1000))
    private let bob = IdentityMaps(users: IdentityMap(root: 1001), groups: IdentityMap(root: 1001))

    private func isOpened(_ store: Store, by maps: IdentityMaps, keepingModes keepsModes: Bool = false) async -> Bool {
        do {
            let identities = FileIdentities(maps: maps, keepsModes: keepsModes)
            _ = try await Store.open(at: store.root, tables: .all, identities: identities)
            return true
        } catch {
            return false
        }
    }

    @Test func `a store opens again with the numbers it was made with`() async throws {
        try await withStore { store in
            #expect(await isOpened(store, by: ann))
            #expect(await isOpened(store, by: ann))
        }
    }

    @Test func `a store of other numbers is refused with its own`() async throws {
        try await withStore { store in
            #expect(await isOpened(store, by: ann))
            #expect(await !isOpened(store, by: bob))
            #expect(await !isOpened(store, by: .machine))
            let text = "\(StorageError.otherIdentities(root: store.root, made: ann))"
            #expect(text.contains("1000-1000, 100000-165535") && text.contains("/etc/subuid"))
        }
    }

    @Test func `numbers that are added later do no harm, and are then needed`() async throws {
        let more = IdentityMaps(
            users: IdentityMap(root: 1000, others: [100_000...200_000]),
            groups: IdentityMap(root: 1000, others: [100_000...200_000])
        )
        try await withStore { store in
            #expect(await isOpened(store, by: ann))
            #expect(await isOpened(store, by: more))
            #expect(await !isOpened(store, by: ann))
        }
    }

    @Test func `a store that keeps owners beside files is refused where the kernel keeps them`() async throws {
        try await withStore { store in
            #expect(await isOpened(store, by: annAlone))
            #expect(await !isOpened(store, by: ann))
            let text = "\(StorageError.otherKeeping(root: store.root, made: FileIdentities(maps: annAlone)))"
            #expect(text.contains("in a user namespace with one id"), "\(text)")
        }
    }

    @Test func `a store that keeps modes beside files is refused where they are the files' own`() async throws {
        try await withStore { store in
            #expect(await isOpened(store, by: annAlone, keepingModes: true))
            #expect(await isOpened(store, by: annAlone, keepingModes: true))
            #expect(await !isOpened(store, by: annAlone))
            #expect(await !isOpened(store, by: .machine))
            let made = FileIdentities(maps: annAlone, keepsModes: true)
            #expect("\(StorageError.otherKeeping(root: store.root, made: made))".contains("without a user namespace"))
        }
    }

    @Test func `a store of the machine's own numbers notes nothing`() async throws {
        try await withStore { store in
            #expect(await isOpened(store, by: .machine))
            let noted = try await onBlockingPool { try HostFiles.status(of: store.layout.identities) }
            #expect(noted == nil)
        }
    }
}
