internal import FoundationEssentials
internal import Images
internal import LinuxSystem
package import OCI
internal import Text

/// A cache in the configuration of an image: its records are those of a document whose layers are the image's.
package struct InlineCache {
    /// A configuration as far as it matters here.
    private struct Configuration: Decodable {
        var records: Data?
        var rootFileSystem: RootFileSystem
        var history: [HistoryEntry]?

        enum CodingKeys: String, CodingKey {
            case records = "moby.buildkit.cache.v0"
            case rootFileSystem = "rootfs"
            case history
        }
    }

    private struct Records: Decodable { var records: [CacheDocument.Record] }

    private let records: [CacheDocument.Record]
    private let configuration: Configuration

    /// Reads the configuration of an image; nil for one without a cache.
    /// - Throws: `OCIError`.
    package init?(configuration bytes: [UInt8]) throws {
        configuration = try StrictJSON.decode(
            Configuration.self,
            from: bytes,
            kind: "image configuration",
            fields: .configuration
        )
        guard let content = configuration.records else { return nil }
        // A document is an object; these records are an array.
        let wrapped: [UInt8] = "{\"records\":" + Array(content) + "}"
        records = try StrictJSON.decode(Records.self, from: wrapped, kind: "inline cache", fields: .buildCache).records
    }

    /// The cache with the layers of the image.
    /// - Throws: `RemoteCacheError`.
    package func imported(_ manifest: Manifest, name: String) throws(RemoteCacheError) -> ImportedCache {
        let diffIDs = configuration.rootFileSystem.diffIDs
        guard diffIDs.count == manifest.layers.count else {
            throw .invalid(
                reason: "the image has \(manifest.layers.count) layers and its configuration \(diffIDs.count)"
            )
        }
        let times = (configuration.history ?? []).filter { $0.emptyLayer != true }.map { entry in
            entry.created.flatMap { FileTime(rfc3339: $0) }
        }
        var layers: [CachedLayer] = []
        for (index, blob) in manifest.layers.enumerated() {
            let created = index < times.count ? times[index] ?? .epoch : .epoch
            layers.append(try CacheManifest.checked(blob, diffID: diffIDs[index], created: created))
        }
        let entries = layers.indices.map { CacheDocument.Layer(blob: layers[$0].blob.digest, parent: $0 - 1) }
        var known = layers[...]
        return try ImportedCache(
            checking: CacheDocument(layers: entries, records: records),
            name: name
        ) { entry throws(RemoteCacheError) in
            guard let layer = known.popFirst() else {
                throw .invalid(reason: "the layer \(entry.blob) is not in the image")
            }
            return layer
        }
    }

    /// A configuration with a cache in it.
    ///
    /// The records are as `RemoteCaches.inlineRecords` gives them.
    package static func configuration(
        _ configuration: ImageConfiguration,
        with records: [UInt8]
    ) throws -> [UInt8] {
        let bytes = try StrictJSON.encode(Enriched(configuration: configuration, records: Data(records)))
        guard bytes.count <= StrictJSON.maximumSize else {
            throw RemoteCacheError.inlineTooLarge(bytes: records.count, limit: StrictJSON.maximumSize)
        }
        return bytes
    }

    private struct Enriched: OrderedDocument {
        static var fieldOrder: FieldOrder { .configuration }

        let configuration: ImageConfiguration
        let records: Data

        func encode(to encoder: any Encoder) throws {
            try configuration.encode(to: encoder)
            var container = encoder.container(keyedBy: Configuration.CodingKeys.self)
            try container.encode(records, forKey: .records)
        }
    }
}
