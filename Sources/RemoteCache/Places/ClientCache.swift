internal import BuildGraph
internal import ClientServices
internal import Images
internal import OCI
internal import Snapshots
internal import Storage

/// Reads a cache of a directory that the client of a daemon has.
struct ClientCacheReader: CacheReader {
    let content: any ContentStore
    /// Of the manifest: the client has looked up its tag.
    let digest: Digest

    var name: String { content.name }

    func load(_ note: (String) -> Void) async throws -> [ImportedCache] {
        let bytes = try await content.document(digest, limit: CacheManifest.documentLimit)
        guard let type = try CacheManifest.statedType(of: bytes), type.isIndex || type.isManifest,
            let manifest = try CacheManifest(parsing: bytes, as: type)
        else {
            throw RemoteCacheError.notACache(reason: "the manifest has no cache configuration")
        }
        note("inferred cache manifest type: \(type)")
        let document = try await content.document(manifest.document.digest, limit: CacheManifest.documentLimit)
        let parsed = try CacheManifest.document(parsing: document)
        return [try ImportedCache(checking: parsed, name: name, layer: manifest.layer)]
    }

    func read(_ blob: Descriptor, from offset: Int64, _ receive: ([UInt8]) async throws -> Void) async throws {
        try await content.read(blob.digest, from: offset, receive)
    }
}

/// Writes a cache into a directory that the client of a daemon has: the manifest last.
struct ClientCacheWriter: CacheWriter {
    let content: any ContentStore

    var title: String { "exporting cache to client directory" }

    func write(_ cache: CacheContent, _ step: OperationContext) async throws -> Descriptor? {
        try await cache.writeLayers(step, parallelism: 4) { layer in
            try await cache.snapshots.fetch(layer.blob)
            try await content.put(layer.blob, from: cache.snapshots.store.blobs)
        }
        let (document, bytes) = try cache.encodedDocument()
        try await step.withStatus("writing config \(document.digest)") { _ in
            try await content.put(bytes, as: document.digest)
        }
        let manifest = try CacheManifest.encoded(cache.form, document: document, layers: cache.layers)
        let digest = manifest.descriptor.digest
        try await step.withStatus(cache.form.status(of: digest)) { _ in
            try await content.put(manifest.bytes, as: digest)
        }
        return manifest.descriptor
    }
}
