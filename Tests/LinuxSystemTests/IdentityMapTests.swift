import LinuxSystem
import Testing
import Text

@Suite struct `Maps of ids` {
    @Test func `the map that the kernel shows of the first namespace is the machine's`() throws {
        let map = try #require(IdentityMap(parsing: "         0          0 4294967295\n"))
        #expect(map.isMachine)
        #expect(IdentityMap(parsing: "0 1000 1\n1 100000 65536\n")?.isMachine == false)
    }

    @Test func `a map is written as the kernel takes it, with the user's own id as root`() {
        let map = IdentityMap(root: 1000, others: [100_000...165_535, 300_000...300_009])
        #expect(map.text == "0 1000 1\n1 100000 65536\n65537 300000 10\n")
        #expect(map.count == 65_547)
        #expect(IdentityMap(parsing: Array(map.text.utf8)) == map)
    }

    @Test(arguments: ["", "0 1000\n", "0 1000 0\n", "a b c\n", "0 0 99999999999\n"])
    func `something other than a map is not read as one`(text: String) {
        #expect(IdentityMap(parsing: Array(text.utf8)) == nil)
    }

    @Test func `ids from a gap on are not counted`() {
        let map = IdentityMap([.init(inside: 0, outside: 5, count: 10), .init(inside: 20, outside: 50, count: 10)])
        #expect(map.count == 10)
    }

    @Test func `a map with more ids includes one with fewer, and none whose ids mean something else`() {
        let small = IdentityMap(root: 1000)
        let large = IdentityMap(root: 1000, others: [100_000...165_535])
        let other = IdentityMap(root: 1000, others: [200_000...265_535])
        #expect(large.includes(small) && large.includes(large))
        #expect(!small.includes(large) && !other.includes(large))
        #expect(!IdentityMap.machine.includes(small))
    }

    @Test func `a range is included that two ranges make up together`() {
        let halves = IdentityMap([.init(inside: 0, outside: 10, count: 5), .init(inside: 5, outside: 15, count: 5)])
        let whole = IdentityMap([.init(inside: 0, outside: 10, count: 10)])
        #expect(halves.includes(whole) && whole.includes(halves))
    }

    @Test(
        arguments: [
            (1000, 65_537, [(0, 1), (999, 1000), (1000, 0), (1001, 1001), (65_536, 65_536)]),
            (65_536, 65_537, [(0, 1), (65_535, 65_536), (65_536, 0)]),
            (100_000, 65_537, [(0, 1), (65_535, 65_536), (100_000, 0)]), (0, 10, [(0, 0), (1, 1), (9, 9)]),
        ] as [(UInt32, UInt32, [(UInt32, UInt32)])]
    )
    func `a namespace that keeps its user's number has every other id as well`(
        own: UInt32,
        count: UInt32,
        pairs: [(UInt32, UInt32)]
    ) throws {
        let outer = IdentityMap(root: own, others: [200_000...(200_000 + count - 2)])
        #expect(outer.count == count)
        let map = try #require(outer.keepingRoot)
        for (inside, outside) in pairs {
            #expect(map.outside(of: inside) == outside)
            #expect(map.inside(of: outside) == inside)
        }
        #expect(map.ranges.reduce(0) { $0 + $1.count } == count)
        #expect(IdentityMap(root: own).keepingRoot == nil)
    }
}

@Suite struct `Subordinate ids` {
    private let ann = UserName(name: "ann", number: 1000)

    private func ids(_ text: String) -> SubordinateIDs { SubordinateIDs(parsing: Array(text.utf8)) }

    @Test func `a user has the lines of its name and those of its number`() {
        let ids = ids("ann:100000:10\nbob:200000:10\n1000:300000:5\n1001:400000:5\n")
        #expect(ids.ranges(of: ann, besides: 1000) == [100_000...100_009, 300_000...300_004])
    }

    @Test func `lines that say nothing are passed over`() {
        #expect(ids("\n# ann\nann\nann:1:x\nann:5:0\nann:4294967295:2\n").ranges(of: ann, besides: 1000) == [])
    }

    @Test func `ids that stand in two lines are given once, each range within one line`() {
        let ids = ids("ann:100000:10\nann:100005:10\n")
        #expect(ids.ranges(of: ann, besides: 1000) == [100_000...100_009, 100_010...100_014])
    }

    @Test func `the user's own id is in no range`() {
        #expect(ids("ann:995:10\n").ranges(of: ann, besides: 1000) == [995...999, 1001...1004])
        #expect(ids("ann:0:4294967295\n").ranges(of: ann, besides: 0) == [1...4_294_967_294])
    }

    @Test func `others who were given the same ids are found`() {
        let ids = ids("ann:100000:10\nbob:100009:1\ncarl:200000:10\n")
        let own = ids.ranges(of: ann, besides: 1000)
        #expect(ids.others(sharing: own, besides: ann) == ["bob"])
    }
}
