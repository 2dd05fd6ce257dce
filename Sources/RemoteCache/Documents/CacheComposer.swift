package import BuildGraph
internal import OCI
package import Snapshots
package import Storage

/// A step as a cache keeps it.
package struct CacheableStep: Sendable, Hashable {
    package var key: CacheKey
    /// Other keys that it is found under.
    package var aliases: [CacheKey]
    package var inputs: [Input]
    /// The files of each output, as far as they are known; nil if none is.
    package var outputs: [FileTree?]?

    /// A step that it uses.
    package struct Input: Sendable, Hashable {
        package var key: CacheKey
        package var selector: [UInt8]

        package init(key: CacheKey, selector: [UInt8]) {
            self.key = key
            self.selector = selector
        }
    }

    package init(key: CacheKey, aliases: [CacheKey], inputs: [Input], outputs: [FileTree?]?) {
        self.key = key
        self.aliases = aliases
        self.inputs = inputs
        self.outputs = outputs
    }
}

/// Makes the document of a cache from the steps of a build.
///
/// Steps without layers in the cache are in it all the same: what is built on them is keyed by them.
package struct CacheComposer {
    private let steps: [CacheableStep]
    private let numbers: [CacheKey: Int]

    /// - Parameters:
    ///   - steps: those of a build, each after those it uses; the same step may be there for several platforms.
    ///   - wanted: the layers that may go along; nil for all.
    package init(_ steps: [CacheableStep], wanted: Set<LayerID>?) {
        var merged: [CacheableStep] = []
        var numbers: [CacheKey: Int] = [:]
        for var step in steps {
            if let wanted { step.outputs = step.outputs.flatMap { Self.present($0, wanted.contains) } }
            guard let number = numbers[step.key] else {
                numbers[step.key] = merged.count
                merged.append(step)
                continue
            }
            merged[number].outputs = Self.merged(merged[number].outputs, step.outputs)
            merged[number].aliases += step.aliases.filter { !merged[number].aliases.contains($0) }
        }
        self.steps = merged
        self.numbers = numbers
    }

    /// The outputs of a step whose layers are all there; nil where none has any of those.
    private static func present(_ outputs: [FileTree?], _ isThere: (LayerID) -> Bool) -> [FileTree?]? {
        let present = outputs.map { tree in tree.flatMap { $0.layers.allSatisfy(isThere) ? $0 : nil } }
        // Empty files say nothing of a step that has others.
        let isOfUse = present.contains { $0?.layers.isEmpty == false } || !present.contains(nil)
        return isOfUse ? present : nil
    }

    private static func merged(_ first: [FileTree?]?, _ second: [FileTree?]?) -> [FileTree?]? {
        guard let first, let second else { return first ?? second }
        return zip(first, second).map { $0 ?? $1 }
    }

    /// All layers that the document names, each once.
    package var layers: [LayerID] {
        var seen: Set<LayerID> = []
        return steps.flatMap { ($0.outputs ?? []).flatMap { $0?.layers ?? [] } }.filter { seen.insert($0).inserted }
    }

    /// The document; `known` says what is known of each layer.
    package func document(_ known: [LayerID: CachedLayer]) -> CacheDocument {
        var table = LayerTable(known: known)
        let records = steps.map { step in
            var record = record(of: step)
            guard let outputs = step.outputs.flatMap({ Self.present($0) { known[$0] != nil } }) else { return record }
            if outputs.count == 1, let tree = outputs[0], let top = table.top(of: tree.layers) {
                record.layers = [CacheDocument.Record.Result(layer: top)]
            } else {
                record.set(outputs) { table.number(of: $0, above: -1) }
            }
            return record
        }
        return CacheDocument(layers: table.layers, records: records)
    }

    /// The records of the document where the layers are those of an image, by their places in it.
    package func records(in image: FileTree) -> [CacheDocument.Record] {
        var places: [LayerID: Int] = [:]
        for (place, layer) in image.layers.enumerated() { places[layer] = places[layer] ?? place }
        return steps.map { step in
            var record = record(of: step)
            guard let outputs = step.outputs.flatMap({ Self.present($0) { places[$0] != nil } }) else { return record }
            if outputs.count == 1, let tree = outputs[0], !tree.layers.isEmpty, image.layers.starts(with: tree.layers) {
                record.layers = [CacheDocument.Record.Result(layer: tree.layers.count - 1)]
            } else {
                record.set(outputs) { places[$0] }
            }
            return record
        }
    }

    private func record(of step: CacheableStep) -> CacheDocument.Record {
        var record = CacheDocument.Record(digest: step.key.digest)
        let inputs = step.inputs.compactMap { input in
            numbers[input.key].map { number in
                let selector = input.selector.isEmpty ? nil : Digest.sha256(of: input.selector).description
                return [CacheDocument.Record.Input(selector: selector, link: number)]
            }
        }
        record.inputs = inputs.isEmpty ? nil : inputs
        record.aliases = step.aliases.isEmpty ? nil : step.aliases.map(\.digest)
        return record
    }
}

extension CacheDocument.Record {
    /// Notes outputs as chains of layers.
    fileprivate mutating func set(_ outputs: [FileTree?], _ number: (LayerID) -> Int?) {
        chains = outputs.compactMap { tree in tree.map { Chain(layers: $0.layers.compactMap(number)) } }
        self.outputs = outputs.count == 1 ? nil : outputs.count
        present = outputs.contains(nil) ? outputs.indices.filter { outputs[$0] != nil } : nil
    }
}

/// The layers of a document: one entry for each layer with what is below it.
private struct LayerTable {
    private struct Place: Hashable {
        let layer: LayerID
        let parent: Int
    }

    let known: [LayerID: CachedLayer]
    private(set) var layers: [CacheDocument.Layer] = []
    private var numbers: [Place: Int] = [:]

    init(known: [LayerID: CachedLayer]) { self.known = known }

    /// The entry of the topmost layer; nil for no layers.
    mutating func top(of tree: [LayerID]) -> Int? {
        var parent = -1
        for layer in tree { parent = number(of: layer, above: parent) }
        return tree.isEmpty ? nil : parent
    }

    mutating func number(of layer: LayerID, above parent: Int) -> Int {
        let place = Place(layer: layer, parent: parent)
        if let number = numbers[place] { return number }
        let number = layers.count
        numbers[place] = number
        if let blob = known[layer]?.blob.digest { layers.append(CacheDocument.Layer(blob: blob, parent: parent)) }
        return number
    }
}
