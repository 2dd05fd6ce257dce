import BuildGraph
import LinuxSystem
import OCI
import Proofs
import RemoteCache
import Snapshots
import Storage
import Testing

private func digest(_ text: String) -> Digest { Digest.sha256(of: Array(text.utf8)) }
private func key(_ text: String) -> CacheKey { CacheKey(digest(text)) }
private func tree(_ layers: Int64...) -> FileTree { FileTree(layers: layers.map { LayerID(rawValue: $0) }) }

/// A layer of number n has the blob "n".
private func known(_ layers: [LayerID]) -> [LayerID: CachedLayer] {
    Dictionary(
        uniqueKeysWithValues: layers.map { layer in
            let blob = digest("\(layer.rawValue)")
            return (
                layer,
                CachedLayer(
                    blob: Descriptor(mediaType: .ociLayerGzip, digest: blob, size: layer.rawValue),
                    diffID: blob,
                    created: .epoch
                )
            )
        }
    )
}

@Suite struct `Caches that are written` {
    /// Two stages: what one made is copied into the other.
    private let steps = [
        CacheableStep(key: key("base"), aliases: [], inputs: [], outputs: [tree(1)]),
        CacheableStep(
            key: key("compile"),
            aliases: [key("compile, by definition")],
            inputs: [.init(key: key("base"), selector: [])],
            outputs: [tree(1, 2)]
        ),
        CacheableStep(
            key: key("copy"),
            aliases: [],
            inputs: [.init(key: key("base"), selector: []), .init(key: key("compile"), selector: [0x2f])],
            outputs: [tree(1, 3)]
        ),
    ]

    private func read(_ composer: CacheComposer) throws -> ImportedCache {
        let document = composer.document(known(composer.layers))
        // As it is after a journey.
        let bytes = try StrictJSON.encode(document)
        let again = try StrictJSON.decode(CacheDocument.self, from: bytes, kind: "test", fields: .buildCache)
        #expect(again == document)
        let blobs = Dictionary(
            known(composer.layers).values.map { ($0.blob.digest, $0) },
            uniquingKeysWith: { first, _ in first }
        )
        return try ImportedCache(checking: again, name: "test") { entry throws(RemoteCacheError) in
            guard let layer = blobs[entry.blob] else { throw .blobMissing(entry.blob) }
            return layer
        }
    }

    @Test func `lead to the same layers when they are read`() throws {
        let cache = try read(CacheComposer(steps, wanted: nil))
        for step in steps {
            let found = cache.record(for: step.key)?.outputs?.map { $0?.map(\.blob.size) }
            #expect(found == step.outputs?.map { $0?.layers.map(\.rawValue) })
        }
        #expect(cache.record(for: key("compile, by definition"))?.key == key("compile"))
    }

    @Test func `hold only the layers that are wanted, and the keys of all steps`() throws {
        let composer = CacheComposer(steps, wanted: Set(tree(1, 3).layers))
        #expect(composer.layers == tree(1, 3).layers)
        let cache = try read(composer)
        #expect(cache.record(for: key("copy"))?.outputs != nil)
        #expect(cache.record(for: key("base"))?.outputs != nil)
        #expect(cache.record(for: key("compile"))?.outputs == nil)
        #expect(cache.record(for: key("compile, by definition"))?.key == key("compile"))
    }

    @Test(.proves("Keys of records")) func `have the shape of BuildKit's`() throws {
        let document = CacheComposer(steps, wanted: nil).document(known(tree(1, 2, 3).layers))
        let selector = digest("/")
        let json = """
            {"layers":[{"blob":"\(digest("1"))","parent":-1},{"blob":"\(digest("2"))"},{"blob":"\(digest("3"))"}],\
            "records":[{"digest":"\(digest("base"))","layers":[{"layer":0}]},\
            {"aliases":["\(digest("compile, by definition"))"],"digest":"\(digest("compile"))","inputs":[[{"link":0}]],\
            "layers":[{"layer":1}]},\
            {"digest":"\(digest("copy"))","inputs":[[{"link":0}],[{"link":1,"selector":"\(selector)"}]],\
            "layers":[{"layer":2}]}]}
            """
        #expect(String(decoding: try StrictJSON.encode(document), as: UTF8.self) == json)
    }

    @Test func `have a step of several platforms once, with its result`() throws {
        var twice = steps + [steps[1]]
        twice[1].outputs = nil
        twice[3].aliases = [key("compile, elsewhere")]
        let cache = try read(CacheComposer(twice, wanted: nil))
        #expect(cache.record(for: key("compile"))?.outputs != nil)
        #expect(cache.record(for: key("compile, elsewhere"))?.key == key("compile"))
    }

    @Test func `have of a step with several outputs those that are wanted`() throws {
        let two = CacheableStep(key: key("two"), aliases: [], inputs: [], outputs: [tree(1, 4), .empty, tree(3)])
        let composer = CacheComposer(steps + [two], wanted: Set(tree(3).layers))
        #expect(composer.layers == tree(3).layers)
        let cache = try read(composer)
        #expect(cache.record(for: key("two"))?.outputs?.map { $0?.map(\.blob.size) } == [nil, [], [3]])
        #expect(cache.record(for: key("two"))?.presentOutputs == 2)
        #expect(cache.record(for: key("compile"))?.outputs == nil)
        let inline = CacheComposer([two], wanted: nil).records(in: tree(3))
        #expect(inline.first?.chains?.map(\.layers) == [[], [0]])
        #expect(inline.first?.present == [1, 2])
        #expect(inline.first?.outputs == 3)
        let neither = CacheComposer([two], wanted: Set(tree(2).layers))
        #expect(neither.layers.isEmpty)
    }

    @Test func `keep empty trees, several outputs and layers without anything below`() throws {
        let odd = [
            CacheableStep(key: key("nothing"), aliases: [], inputs: [], outputs: [.empty]),
            CacheableStep(key: key("two"), aliases: [], inputs: [], outputs: [tree(4), .empty]),
        ]
        let cache = try read(CacheComposer(odd, wanted: nil))
        #expect(cache.record(for: key("nothing"))?.outputs == [[]])
        #expect(cache.record(for: key("two"))?.outputs?.map { $0?.map(\.blob.size) } == [[4], []])
    }

    @Test func `in images name layers by their places`() throws {
        let records = CacheComposer(steps, wanted: Set(tree(1, 3).layers)).records(in: tree(1, 3))
        #expect(records.map { $0.layers?.map(\.layer) } == [[0], nil, [1]])
        let linked = [CacheableStep(key: key("linked"), aliases: [], inputs: [], outputs: [tree(3)])]
        #expect(CacheComposer(linked, wanted: nil).records(in: tree(1, 3)).first?.chains?.map(\.layers) == [[1]])
    }
}
