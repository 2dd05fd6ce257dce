internal import BuildGraph
package import HTTP
internal import LinuxSystem
internal import OCI
internal import Snapshots
internal import Storage

/// A cache in a bucket of S3 or of a server that speaks as S3 does.
package struct S3CachePlace: Sendable, Hashable {
    package var bucket: String
    package var signer: S3Signer
    /// Of the cache; it is read by the first, and written under all.
    package var names: [String]
    /// Before the keys of all objects.
    package var prefix = ""
    package var blobsPrefix = "blobs/"
    package var manifestsPrefix = "manifests/"
    /// Nil for Amazon's own.
    package var endpoint: HTTPURL?
    /// Whether the bucket is part of the path rather than of the host's name.
    package var usesPathStyle = false
    /// How old an object may be, in seconds, before it is written anew.
    package var touchRefresh: Double = 86_400
    package var uploadParallelism = 4
    /// How often a request is made at most; nil for what is usual.
    package var maximumAttempts: Int?

    package init(bucket: String, signer: S3Signer, names: [String] = ["buildkit"]) {
        self.bucket = bucket
        self.signer = signer
        self.names = names
    }

    /// What names the bucket in messages.
    var shown: String { "bucket \(bucket)" + (endpoint.map { " at \($0.authority)" } ?? "") }

    /// Where an object is.
    package func address(of key: String) -> HTTPURL {
        let base = endpoint ?? HTTPURL(scheme: .https, host: "s3.\(signer.region).\(Self.domain(of: signer.region))")
        // Neither an address of numbers nor the certificate of `*.s3…` has room for such a name.
        let isInPath = usesPathStyle || HostPolicy.reach(of: base.host) != .open || bucket.contains(".")
        let start = base.target == "/" ? "" : base.target
        return HTTPURL(
            scheme: base.scheme,
            host: isInPath ? base.host : "\(bucket).\(base.host)",
            port: base.port,
            target: start + S3Signer.encodedPath(isInPath ? "/\(bucket)/\(key)" : "/\(key)")
        )
    }

    private static func domain(of region: String) -> String {
        region.hasPrefix("cn-") ? "amazonaws.com.cn" : "amazonaws.com"
    }
}

/// Reads and writes a cache of a bucket.
struct S3Cache: CacheReader, CacheWriter {
    let client: S3Client
    private var place: S3CachePlace { client.place }

    init(place: S3CachePlace, web: WebClient.Configuration) {
        var retries = RetryPolicy()
        if let attempts = place.maximumAttempts { retries.maximumAttempts = attempts }
        client = S3Client(place: place, client: ObjectClient(web, retries: retries))
    }

    var name: String { "s3:\(place.bucket)/\(place.prefix)\(place.names.first ?? "")" }
    var title: String { "exporting cache to Amazon S3" }

    private func key(of blob: Digest) -> String { "\(place.prefix)\(place.blobsPrefix)\(blob)" }
    private func key(of name: String) -> String { "\(place.prefix)\(place.manifestsPrefix)\(name)" }

    // MARK: Reading

    func load(_ note: (String) -> Void) async throws -> [ImportedCache] {
        let manifest = key(of: place.names.first ?? "")
        guard let bytes = try await client.object(manifest, limit: CacheManifest.documentLimit) else {
            throw RemoteCacheError.missing(what: "\(manifest) in \(place.shown)")
        }
        let document = try CacheManifest.document(parsing: bytes)
        return [try ImportedCache(checking: document, name: name, layer: Self.layer)]
    }

    private static func layer(_ entry: CacheDocument.Layer) throws(RemoteCacheError) -> CachedLayer {
        guard let known = entry.annotations, let diffID = known.diffID, let type = known.mediaType,
            let size = known.size
        else {
            throw .invalid(reason: "of the layer \(entry.blob) the size, type or digest without compression is missing")
        }
        let created = known.createdAt.flatMap { FileTime(rfc3339: $0) } ?? .epoch
        let blob = Descriptor(mediaType: type, digest: entry.blob, size: size)
        return try CacheManifest.checked(blob, diffID: diffID, created: created)
    }

    func read(_ blob: Descriptor, from offset: Int64, _ receive: ([UInt8]) async throws -> Void) async throws {
        try await client.read(key(of: blob.digest), from: offset, receive)
    }

    // MARK: Writing

    func write(_ content: CacheContent, _ step: OperationContext) async throws -> Descriptor? {
        try await content.writeLayers(step, parallelism: place.uploadParallelism) {
            try await self.put($0.blob, content.snapshots)
        }
        var document = content.document
        let known = Dictionary(
            content.layers.map { ($0.blob.digest, $0) },
            uniquingKeysWith: { first, _ in first }
        )
        document.layers = document.layers?.map { entry in
            var entry = entry
            entry.annotations = known[entry.blob].map { layer in
                CacheDocument.Annotations(
                    mediaType: layer.blob.mediaType,
                    diffID: layer.diffID,
                    size: layer.blob.size,
                    createdAt: layer.created.rfc3339
                )
            }
            return entry
        }
        let bytes = try StrictJSON.encode(document)
        for name in place.names {
            try await step.withStatus("writing manifest \(name)") { _ in try await client.put(bytes, at: key(of: name))
            }
        }
        return nil
    }

    private func put(_ blob: Descriptor, _ snapshots: LeasedSnapshots) async throws {
        let key = key(of: blob.digest)
        if let status = try await client.status(of: key), status.size == blob.size {
            if Double(currentTime() - status.modified) > place.touchRefresh {
                try await client.touch(key, size: status.size)
            }
            return
        }
        try await snapshots.fetch(blob)
        try await client.put(blob, of: snapshots.store.blobs, at: key)
    }
}
