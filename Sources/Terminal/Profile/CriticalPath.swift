/// The steps that decided how long a build took: each began when the one before it had ended, up to the step that ended last.
struct CriticalPath {
    /// A step as the path sees it.
    struct Node {
        /// Nil for a step that did not run.
        let span: BuildProfile.Span?
        let inputs: [Int]
        /// Whether it is one of the graph, rather than one of the builder's own such as the export.
        let isOfGraph: Bool
    }

    /// Their numbers, the first to begin first.
    let nodes: [Int]

    /// - Parameters:
    ///   - all: the steps of the build.
    ///   - end: the step that ended the build, as one that failed; nil for the one that ended last.
    init(_ all: [Node], to end: Int? = nil) {
        guard var number = end ?? Self.last(of: all.indices, all) else {
            nodes = []
            return
        }
        var path = [number]
        var seen: Set<Int> = [number]
        while let earlier = Self.last(of: Self.awaited(by: number, all), all), seen.insert(earlier).inserted {
            path.append(earlier)
            number = earlier
        }
        nodes = path.reversed()
    }

    /// What a step waited for, as far as it had ended by then.
    ///
    /// A step that uses no output waits all the same: the export for the graph, and the graph for what is read to plan it. No
    /// event says so, and it shows in the times.
    private static func awaited(by number: Int, _ all: [Node]) -> [Int] {
        guard let start = all[number].span?.start else { return [] }
        func hasEnded(_ other: Int) -> Bool { other != number && all[other].span.map { $0.end <= start } ?? false }
        let inputs = all[number].inputs.filter(hasEnded)
        if !inputs.isEmpty { return inputs }
        return all.indices.filter { hasEnded($0) && !(all[number].isOfGraph && all[$0].isOfGraph) }
    }

    /// The step that ended last; of several the one that took longest.
    private static func last(of numbers: some Sequence<Int>, _ all: [Node]) -> Int? {
        func rank(_ number: Int) -> (Double, Double, Int) {
            (all[number].span?.end ?? 0, all[number].span?.seconds ?? 0, -number)
        }
        return numbers.filter { all[$0].span != nil }.max { rank($0) < rank($1) }
    }
}
