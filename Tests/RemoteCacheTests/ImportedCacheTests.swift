import BuildGraph
import LinuxSystem
import OCI
import Proofs
import RemoteCache
import Testing

private func digest(_ text: String) -> Digest { Digest.sha256(of: Array(text.utf8)) }
private func key(_ text: String) -> CacheKey { CacheKey(digest(text)) }

private func record(_ name: String, _ change: (inout CacheDocument.Record) -> Void = { _ in }) -> CacheDocument.Record {
    var record = CacheDocument.Record(digest: digest(name))
    change(&record)
    return record
}

private func layer(_ name: String, parent: Int) -> CacheDocument.Layer {
    CacheDocument.Layer(blob: digest(name), parent: parent)
}

/// What a cache says of a layer: its name stands for its content.
private func known(_ entry: CacheDocument.Layer) -> CachedLayer {
    CachedLayer(
        blob: Descriptor(mediaType: .ociLayerGzip, digest: entry.blob, size: 1),
        diffID: entry.blob,
        created: FileTime(seconds: 7)
    )
}

private func imported(
    _ layers: [CacheDocument.Layer],
    _ records: [CacheDocument.Record],
    limits: ImportedCache.Limits = ImportedCache.Limits()
) throws -> ImportedCache {
    let document = CacheDocument(layers: layers, records: records)
    return try ImportedCache(checking: document, name: "test", limits: limits) { entry throws(RemoteCacheError) in
        known(entry)
    }
}

@Suite struct `Caches that are read` {
    @Test func `know steps by all of their keys, and their layers from the lowest`() throws {
        let layers = [layer("top", parent: 2), layer("alone", parent: -1), layer("base", parent: -1)]
        let cache = try imported(
            layers,
            [
                record("built") {
                    $0.layers = [.init(layer: 0)]
                    $0.aliases = [digest("alias")]
                },
                record("linked") { $0.chains = [.init(layers: [2, 1])] },
                record("pair") {
                    $0.chains = [.init(layers: []), .init(layers: [1])]
                    $0.outputs = 2
                },
                record("known only") { $0.inputs = [[.init(link: 0)]] },
            ]
        )
        func blobs(_ name: String) -> [[Digest]]? {
            cache.record(for: key(name))?.outputs?.map { $0?.map(\.blob.digest) ?? [] }
        }
        #expect(blobs("built") == [[digest("base"), digest("top")]])
        #expect(cache.record(for: key("alias")) == cache.record(for: key("built")))
        #expect(blobs("linked") == [[digest("base"), digest("alone")]])
        #expect(blobs("pair") == [[], [digest("alone")]])
        #expect(cache.record(for: key("known only")) != nil && blobs("known only") == nil)
        #expect(cache.record(for: key("never heard of")) == nil)
        #expect(Set(cache.blobs.map(\.digest)) == [digest("base"), digest("top"), digest("alone")])
    }

    @Test func `of two steps under one key believe neither`() {
        #expect(throws: RemoteCacheError.invalid(reason: "the record \(digest("x")) appears twice")) {
            try imported([], [record("x"), record("x") { $0.chains = [.init(layers: [])] }])
        }
    }

    @Test func `let no alias stand for a step that is there`() throws {
        let cache = try imported(
            [layer("good", parent: -1), layer("bad", parent: -1)],
            [
                record("evil") {
                    $0.layers = [.init(layer: 1)]
                    $0.aliases = [digest("wanted")]
                },
                record("wanted") { $0.layers = [.init(layer: 0)] },
            ]
        )
        #expect(cache.record(for: key("wanted"))?.outputs?.first??.first?.blob.digest == digest("good"))
    }

    @Test(
        arguments: [
            ([layer("a", parent: 0)], "more than 1024 layers on top of each other"),
            ([layer("a", parent: 1), layer("b", parent: 0)], "more than 1024 layers on top of each other"),
            ([layer("a", parent: 5)], "layer 0 is above layer 5 of 1"),
            ([layer("a", parent: -2)], "layer 0 is above layer -2 of 1"),
            ((0..<1025).map { layer("\($0)", parent: $0 - 1) }, "more than 1024 layers on top of each other"),
        ] as [([CacheDocument.Layer], String)]
    )
    func `refuse layers that are above themselves, above nothing, or too high`(
        layers: [CacheDocument.Layer],
        reason: String
    ) throws {
        let error = try #require(throws: RemoteCacheError.self) { try imported(layers, []) }
        #expect("\(error)".contains(reason))
    }

    @Test(
        .proves("Keys of records"),
        arguments: [
            ([record("a") { $0.layers = [.init(layer: 1)] }], "names layer 1 of 1"),
            ([record("a") { $0.layers = [.init(layer: -1)] }], "names layer -1 of 1"),
            ([record("a") { $0.chains = [.init(layers: [0, 9])] }], "names layer 9 of 1"),
            ([record("a") { $0.chains = [.init(layers: [Int](repeating: 0, count: 1025))] }], "on top of each other"),
            (
                [
                    record("a") {
                        $0.chains = [.init(layers: [0])]
                        $0.outputs = 2
                    }
                ], "has 2 outputs and 1 chains"
            ),
            (
                [
                    record("a") {
                        $0.chains = [.init(layers: [0]), .init(layers: [0])]
                        $0.outputs = 3
                        $0.present = [1, 1]
                    }
                ], "has 3 outputs and 2 chains"
            ),
            (
                [
                    record("a") {
                        $0.chains = [.init(layers: [0])]
                        $0.outputs = 2
                        $0.present = [2]
                    }
                ], "has 2 outputs and 1 chains"
            ),
            (
                [
                    record("a") {
                        $0.chains = [.init(layers: [0])]
                        $0.outputs = .max
                        $0.present = [0]
                    }
                ], "outputs and 1 chains"
            ),
            ([record("a") { $0.inputs = [[.init(link: 3)]] }], "record 0 uses record 3 of 1"),
            ([record("a") { $0.inputs = [[.init(link: -1)]] }], "record 0 uses record -1 of 1"),
            ([record("a") { $0.inputs = [[.init(link: 0)]] }], "record 0 uses itself"),
            (
                [
                    record("a") { $0.inputs = [[.init(link: 1)]] },
                    record("b") { $0.inputs = [[.init(link: 0)]] },
                ], "uses itself"
            ),
        ] as [([CacheDocument.Record], String)]
    )
    func `refuse records that lead nowhere or to themselves`(records: [CacheDocument.Record], reason: String) throws {
        let error = try #require(throws: RemoteCacheError.self) { try imported([layer("a", parent: -1)], records) }
        #expect("\(error)".contains(reason))
    }

    @Test func `refuse more than any build has`() {
        var limits = ImportedCache.Limits()
        limits.layers = 1
        limits.records = 1
        #expect(throws: RemoteCacheError.overLimit(what: "layers", limit: 1)) {
            try imported([layer("a", parent: -1), layer("b", parent: -1)], [], limits: limits)
        }
        #expect(throws: RemoteCacheError.overLimit(what: "records", limit: 1)) {
            try imported([], [record("a"), record("b")], limits: limits)
        }
    }

    @Test func `follow a hundred thousand links without a stack of that height`() throws {
        var limits = ImportedCache.Limits()
        limits.records = 200_000
        var records = (0..<100_000).map { record("\($0)") }
        for number in records.indices.dropLast() { records[number].inputs = [[.init(link: number + 1)]] }
        #expect(try imported([], records, limits: limits).record(for: key("0")) != nil)
    }
}

@Suite struct `Caches in images` {
    private func configuration(_ records: String) -> [UInt8] {
        let text = records.isEmpty ? "" : ",\"moby.buildkit.cache.v0\":\"\(records)\""
        return Array(
            """
            {"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["\(digest("plain"))"]},
            "history":[{"created":"2026-01-02T03:04:05Z"},{"empty_layer":true}]\(text)}
            """.utf8
        )
    }

    private let manifest = Manifest(
        mediaType: .ociManifest,
        config: Descriptor(mediaType: .ociConfiguration, digest: digest("config"), size: 1),
        layers: [Descriptor(mediaType: .ociLayerGzip, digest: digest("packed"), size: 5)]
    )

    /// `[{"digest":"sha256:…","layers":[{"layer":0}]}]` in base64.
    private func encoded(_ name: String) throws -> String {
        let records = [record(name) { $0.layers = [.init(layer: 0)] }]
        let written = try InlineCache.configuration(
            ImageConfiguration(platform: Platform(os: "linux", architecture: "amd64")),
            with: StrictJSON.encode(records)
        )
        struct Written: Decodable {
            let records: String
            enum CodingKeys: String, CodingKey { case records = "moby.buildkit.cache.v0" }
        }
        return try StrictJSON.decode(Written.self, from: written, kind: "test", fields: .configuration).records
    }

    @Test(.proves("inline")) func `have the layers of the image, with their times`() throws {
        let inline = try #require(try InlineCache(configuration: configuration(encoded("step"))))
        let cache = try inline.imported(manifest, name: "image")
        let found = try #require(cache.record(for: key("step"))?.outputs?.first??.first)
        #expect(found.blob.digest == digest("packed") && found.diffID == digest("plain"))
        #expect(found.created == FileTime(seconds: 1_767_323_045))
    }

    @Test func `need not be there`() throws {
        #expect(try InlineCache(configuration: configuration("")) == nil)
    }

    @Test func `are refused where they are no records or the layers do not fit`() throws {
        #expect(throws: OCIError.self) { try InlineCache(configuration: configuration("bm9uc2Vuc2U=")) }
        let inline = try #require(try InlineCache(configuration: configuration(encoded("step"))))
        var two = manifest
        two.layers.append(manifest.layers[0])
        #expect(throws: RemoteCacheError.self) { try inline.imported(two, name: "image") }
        var strange = manifest
        strange.layers[0].mediaType = MediaType(rawValue: "text/plain")
        let error = try #require(throws: RemoteCacheError.self) { try inline.imported(strange, name: "image") }
        #expect("\(error)".contains("media type \"text/plain\", which is not a layer's"))
    }
}
