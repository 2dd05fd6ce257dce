import Storage
import SystemPackage
import Testing

/// What happened in a store, told from process to process.
@Suite struct `The journal of events` {
    @Test func `gives what was told after a place, in its order`() async throws {
        try await withStore { store in
            let journal = store.journal
            await journal.append(StoreEvent(.image, "pull", of: "before"))
            let place = try await journal.end()
            await journal.append(StoreEvent(.container, "create", of: "a", ["name": "one"]))
            await journal.append(StoreEvent(.container, "start", of: "a"))
            let (events, next) = try await journal.next(after: place)
            #expect(events.map(\.action) == ["create", "start"])
            #expect(events.first?.attributes == ["name": "one"])
            #expect(try await journal.events(after: next).0.isEmpty)
            let all = try await journal.events(after: journal.beginning()).0
            #expect(all.map(\.action) == ["pull", "create", "start"])
        }
    }

    @Test func `wakes a reader that waits, and lets one go whose time is over`() async throws {
        try await withStore { store in
            let place = try await store.journal.end()
            #expect(try await store.journal.next(after: place, atMost: .milliseconds(20)).0.isEmpty)
            async let waited = store.journal.next(after: place)
            await store.journal.append(StoreEvent(.volume, "create", of: "v"))
            #expect(try await waited.0.map(\.subject) == ["v"])
        }
    }

    @Test func `loses nothing for readers when a file is full`() async throws {
        try await withStore { store in
            var place = try await store.journal.end()
            var read = 0
            let text = String(repeating: "x", count: 60_000)
            // More than two files of four megabytes.
            for number in 0..<160 {
                await store.journal.append(StoreEvent(.container, "start", of: "\(number)", ["label": text]))
                if number % 10 == 9 {
                    let (events, next) = try await store.journal.events(after: place)
                    #expect(events.map(\.subject) == (read..<number + 1).map { "\($0)" })
                    (read, place) = (number + 1, next)
                }
            }
        }
    }

    @Test func `leaves out the labels of an event that is too long`() async throws {
        try await withStore { store in
            let place = try await store.journal.end()
            let text = String(repeating: "x", count: 100_000)
            await store.journal.append(StoreEvent(.container, "start", of: "a", ["label": text]))
            let events = try await store.journal.events(after: place).0
            #expect(events.map(\.subject) == ["a"])
            #expect(events.first?.attributes.isEmpty == true)
        }
    }
}
