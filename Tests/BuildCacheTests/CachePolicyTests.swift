import BuildCache
import Proofs
import Testing

@Suite struct `Policies of the build cache` {
    private let day = 86_400.0
    private let now: Int64 = 100 * 86_400

    /// Items of 10 bytes each, the first unused for the longest: one day more for each.
    private func items(_ count: Int, shared: Set<Int> = [], inUse: Set<Int> = [], type: String = "regular")
        -> [CacheItem]
    {
        (0..<count).map { number in
            CacheItem(
                id: "\(number)",
                type: number == 0 ? "exec.cachemount" : type,
                description: "step \(number)",
                size: 10,
                created: 0,
                lastUsed: now - Int64(count - number) * 86_400,
                usageCount: 1,
                parents: number > 0 ? ["\(number - 1)"] : [],
                isInUse: inUse.contains(number),
                isShared: shared.contains(number),
                isMutable: false,
                kind: .record(Int64(number))
            )
        }
    }

    private func doomed(
        _ items: [CacheItem],
        free: Int64 = 1000,
        _ change: (inout CachePolicy) -> Void
    ) -> [String] {
        var policy = CachePolicy()
        change(&policy)
        return policy.doomed(among: items, free: free, now: now).map(\.id)
    }

    @Test func `without limits remove everything that is neither used nor shared`() {
        #expect(doomed(items(4, shared: [1], inUse: [2])) { _ in } == ["0", "3"])
        #expect(doomed(items(4, shared: [1], inUse: [2])) { $0.all = true } == ["0", "1", "3"])
    }

    @Test func `remove the longest unused until the rest fits`() {
        #expect(doomed(items(5)) { $0.maxUsedSpace = 30 } == ["0", "1"])
        #expect(doomed(items(5)) { $0.maxUsedSpace = 50 } == [])
        // What is shared takes no room of its own.
        #expect(doomed(items(5, shared: [4])) { $0.maxUsedSpace = 30 } == ["0"])
    }

    @Test func `make room on the disk, but keep what is reserved`() {
        #expect(doomed(items(5), free: 80) { $0.minFreeSpace = 100 } == ["0", "1"])
        #expect(doomed(items(5), free: 0) { $0.minFreeSpace = 1000 } == ["0", "1", "2", "3", "4"])
        #expect(
            doomed(items(5), free: 0) {
                $0.minFreeSpace = 1000
                $0.reservedSpace = 30
            } == ["0", "1"]
        )
        #expect(doomed(items(5), free: 100) { $0.minFreeSpace = 100 } == [])
        #expect(
            doomed(items(5), free: 90) {
                $0.minFreeSpace = 100
                $0.maxUsedSpace = 20
            } == ["0", "1", "2"]
        )
    }

    @Test func `spare what was used a short time ago`() {
        #expect(doomed(items(5)) { $0.keepDuration = 3 * day } == ["0", "1", "2"])
        #expect(
            doomed(items(5)) {
                $0.keepDuration = 3 * day
                $0.maxUsedSpace = 40
            } == ["0"]
        )
    }

    @Test func `concern what their filters match: all of one of the alternatives`() {
        #expect(doomed(items(3)) { $0.filters = [.type("regular"), .description("step 2")] } == ["2"])
        #expect(doomed(items(3)) { $0.alternatives = [[.type("exec.cachemount")], [.parent("1")]] } == ["0", "2"])
        #expect(doomed(items(3)) { $0.alternatives = [[.type("regular"), .id("1")]] } == ["1"])
    }

    @Test(.proves("Garbage collection (gc, reservedSpace")) func `are BuildKit's unless configured otherwise`() {
        let standard = CachePolicy.standard(diskBytes: 1_000 << 30)
        #expect(standard.map(\.all) == [false, false, false, true])
        #expect(standard.map(\.keepDuration) == [2 * day, 60 * day, 0, 0])
        #expect(standard[0].maxUsedSpace == 512_000_000 && standard[0].alternatives.count == 3)
        for policy in standard.dropFirst() {
            #expect(policy.reservedSpace == 10_000_000_000 && policy.maxUsedSpace == 100_000_000_000)
            #expect(policy.minFreeSpace == 201_000_000_000)
        }
        let small = CachePolicy.standard(diskBytes: 50 << 30)
        #expect(small[2].reservedSpace == 6_000_000_000 && small[2].maxUsedSpace == 41_000_000_000)
        let own = CachePolicy.standard(diskBytes: 50 << 30, maxUsedSpace: 7)
        #expect(own[2].maxUsedSpace == 7 && own[2].reservedSpace == 0 && own[2].minFreeSpace == 0)
    }
}

@Suite struct `Text patterns` {
    @Test(
        arguments: [
            ("COPY", "[2/3] COPY a b", true), ("^COPY", "[2/3] COPY a b", false), ("b$", "[2/3] COPY a b", true),
            ("RUN.*install", "RUN apt-get install x", true), ("RUN.*install", "install RUN", false),
            ("a+b", "caaab", true), ("a+b", "cb", false), ("^a?b$", "b", true), ("^a*$", "", true),
            ("[0-9][0-9]*/", "step 12/13", true), ("[^a-z]", "abc", false), ("x|y", "only y", true),
            ("\\[2/3\\]", "[2/3] x", true), ("", "anything", true), ("[]a]", "]", true), ("a.c", "abc", true),
        ] as [(String, String, Bool)]
    )
    func `match anywhere unless they say where`(pattern: String, text: String, isFound: Bool) throws {
        #expect(try TextPattern(parsing: pattern).matches(text) == isFound)
    }

    @Test(arguments: ["*a", "(a)", "a{2}", "[a", "[z-a]", "a\\"])
    func `that are none are refused`(pattern: String) {
        #expect(throws: TextPattern.Invalid.self) { try TextPattern(parsing: pattern) }
    }

    @Test func `take no longer for hard patterns`() throws {
        let pattern = try TextPattern(parsing: String(repeating: "a?", count: 500) + String(repeating: "a", count: 500))
        #expect(pattern.matches(String(repeating: "a", count: 500)))
        #expect(!pattern.matches(String(repeating: "a", count: 499)))
    }
}
