package import BuildGraph
package import OCI

/// A build cache that was read, with everything in it checked.
///
/// What it says is hostile until then: a document may name layers that are not there, loops, or a million records.
package struct ImportedCache: Sendable {
    /// What a document may hold.
    package struct Limits: Sendable {
        package var layers = 20_000
        package var records = 50_000
        /// Layers on top of each other.
        package var depth = 1024

        package init() {}
    }

    /// What a key leads to.
    package struct Found: Sendable, Hashable {
        package let key: CacheKey
        /// The layers of each output, the lowest first, and nil for an output that the cache has not.
        ///
        /// Nil for all where the cache knows the step and has no result of it.
        package let outputs: [[CachedLayer]?]?

        /// How many outputs the cache has.
        package var presentOutputs: Int { outputs?.count { $0 != nil } ?? 0 }
    }

    private enum Result: Sendable {
        case none
        case top(Int)
        case chains([[Int]?])
    }

    private struct Record: Sendable {
        let key: CacheKey
        let result: Result
    }

    /// What the user calls it.
    package let name: String
    private let layers: [CachedLayer]
    private let parents: [Int]
    private let records: [CacheKey: Record]

    /// Reads a document.
    /// - Parameters:
    ///   - document: what the cache says.
    ///   - name: what the user calls the cache.
    ///   - limits: how much of it is believed.
    ///   - layer: what is known of the blob of a layer.
    /// - Throws: `RemoteCacheError.invalid`, `.overLimit`.
    package init(
        checking document: CacheDocument,
        name: String,
        limits: Limits = Limits(),
        layer: (CacheDocument.Layer) throws(RemoteCacheError) -> CachedLayer
    ) throws(RemoteCacheError) {
        let layers = document.layers ?? []
        let records = document.records ?? []
        if layers.count > limits.layers { throw .overLimit(what: "layers", limit: limits.layers) }
        if records.count > limits.records { throw .overLimit(what: "records", limit: limits.records) }
        self.name = name
        parents = layers.map { $0.parent ?? 0 }
        try Self.checkDepth(of: parents, limit: limits.depth)
        try Self.checkLinks(of: records)
        var known: [CachedLayer] = []
        for entry in layers { known.append(try layer(entry)) }
        self.layers = known
        var byKey: [CacheKey: Record] = [:]
        for record in records {
            let result = try Self.result(of: record, layerCount: layers.count, depth: limits.depth)
            let key = CacheKey(record.digest)
            guard byKey.updateValue(Record(key: key, result: result), forKey: key) == nil else {
                throw .invalid(reason: "the record \(record.digest) appears twice")
            }
        }
        for record in records {
            for alias in record.aliases ?? [] where byKey[CacheKey(alias)] == nil {
                byKey[CacheKey(alias)] = byKey[CacheKey(record.digest)]
            }
        }
        self.records = byKey
    }

    /// All blobs that its layers can be read from.
    package var blobs: Set<Descriptor> { Set(layers.map(\.blob)) }

    /// What a key leads to; nil for a step that the cache does not know.
    package func record(for key: CacheKey) -> Found? {
        guard let record = records[key] else { return nil }
        switch record.result {
        case .none: return Found(key: record.key, outputs: nil)
        case .top(let top): return Found(key: record.key, outputs: [chain(to: top)])
        case .chains(let chains):
            return Found(key: record.key, outputs: chains.map { $0.map { chain in chain.map { layers[$0] } } })
        }
    }

    private func chain(to top: Int) -> [CachedLayer] {
        var chain: [CachedLayer] = []
        var next = top
        while next >= 0 {
            chain.append(layers[next])
            next = parents[next]
        }
        return chain.reversed()
    }

    private static func result(
        of record: CacheDocument.Record,
        layerCount: Int,
        depth: Int
    ) throws(RemoteCacheError) -> Result {
        func check(_ layer: Int) throws(RemoteCacheError) {
            guard (0..<layerCount).contains(layer) else {
                throw .invalid(reason: "the record \(record.digest) names layer \(layer) of \(layerCount)")
            }
        }
        if let layer = record.layers?.first?.layer {
            try check(layer)
            return .top(layer)
        }
        guard let chains = record.chains, !chains.isEmpty else { return .none }
        let count = record.outputs ?? 1
        let present = record.present ?? Array(0..<max(0, min(count, chains.count + 1)))
        guard count >= 1, count <= outputLimit, !present.isEmpty, present.count <= chains.count,
            present.allSatisfy({ (0..<count).contains($0) }), Set(present).count == present.count
        else {
            throw .invalid(reason: "the record \(record.digest) has \(count) outputs and \(chains.count) chains")
        }
        var outputs: [[Int]?] = Array(repeating: nil, count: count)
        for (place, chain) in zip(present, chains) {
            if chain.layers.count > depth { throw .overLimit(what: "layers on top of each other", limit: depth) }
            for layer in chain.layers { try check(layer) }
            outputs[place] = chain.layers
        }
        return .chains(outputs)
    }

    /// How many outputs a step may have.
    private static var outputLimit: Int { 1024 }

    /// Refuses layers that are above themselves, above nothing that is there, or too high.
    private static func checkDepth(of parents: [Int], limit: Int) throws(RemoteCacheError) {
        var depths = [Int](repeating: 0, count: parents.count)
        for start in parents.indices where depths[start] == 0 {
            var path: [Int] = []
            var next = start
            while next >= 0, depths[next] == 0 {
                path.append(next)
                if path.count > limit { break }
                guard (-1..<parents.count).contains(parents[next]) else {
                    throw .invalid(reason: "layer \(next) is above layer \(parents[next]) of \(parents.count)")
                }
                next = parents[next]
            }
            var depth = next >= 0 ? depths[next] : 0
            for layer in path.reversed() {
                depth += 1
                depths[layer] = depth
            }
            // Whoever goes round in circles gets here, too.
            if depth > limit || path.count > limit {
                throw .overLimit(what: "layers on top of each other", limit: limit)
            }
        }
    }

    /// Refuses steps that use themselves or steps that are not there.
    private static func checkLinks(of records: [CacheDocument.Record]) throws(RemoteCacheError) {
        let links = records.map { ($0.inputs ?? []).flatMap { $0.map(\.link) } }
        for (number, inputs) in links.enumerated() {
            for link in inputs where !records.indices.contains(link) {
                throw .invalid(reason: "record \(number) uses record \(link) of \(records.count)")
            }
        }
        // Its own stack: chains of records may be longer than a thread's.
        var state = [UInt8](repeating: 0, count: records.count)
        for root in records.indices where state[root] == 0 {
            var stack = [(record: root, next: 0)]
            state[root] = 1
            while let (record, next) = stack.last {
                guard next < links[record].count else {
                    state[record] = 2
                    stack.removeLast()
                    continue
                }
                stack[stack.count - 1].next += 1
                let input = links[record][next]
                if state[input] == 1 { throw .invalid(reason: "record \(input) uses itself") }
                if state[input] == 0 {
                    state[input] = 1
                    stack.append((input, 0))
                }
            }
        }
    }
}
