internal import BuildGraph
internal import LinuxSystem
internal import OCI
internal import Snapshots
internal import Storage
internal import SystemPackage
internal import Text

/// Where things are in a directory of a cache: an OCI image layout.
struct CacheLayout: Sendable {
    let path: FilePath

    var index: FilePath { path.appending("index.json") }
    var lock: FilePath { path.appending("index.json.lock") }
    var layout: FilePath { path.appending("oci-layout") }
    /// Files that are not complete yet.
    var ingest: FilePath { path.appending("ingest") }
    var blobs: FilePath { path.appending("blobs") }

    func blob(_ digest: Digest) -> FilePath {
        blobs.appending(digest.algorithm.rawValue).appending(digest.hex)
    }

    /// Opens a blob; anything but a file (a pipe would never end) counts as missing.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func openBlob(_ digest: Digest) throws -> OpenFile {
        do throws(SystemCallError) {
            let file = try OpenFile.open(blob(digest), [.readOnly, .nonBlocking])
            if try file.status().type == .regular { return file }
        } catch {
            guard error.errno == .noSuchFileOrDirectory else { throw error }
        }
        throw RemoteCacheError.blobMissing(digest)
    }

    /// The content of a small blob, compared with its digest.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func readBlob(_ digest: Digest) throws -> [UInt8] {
        let bytes = try openBlob(digest).readToEnd(limit: CacheManifest.documentLimit)
        var digester = Digester(digest.algorithm)
        digester.update(bytes)
        guard digester.finalize() == digest else {
            throw RemoteCacheError.invalid(reason: "the content of \(digest) does not match its digest")
        }
        return bytes
    }

    /// The manifests of the directory; nil without an index.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func readIndex() throws -> Index? {
        guard let bytes = try contentsIfPresent(of: index, limit: CacheManifest.documentLimit), !bytes.isEmpty else {
            return nil
        }
        return try Index(parsing: bytes, declaredAs: .ociIndex)
    }
}

/// Reads a cache of a directory.
struct LocalCacheReader: CacheReader {
    let source: LocalCacheSource

    private var directory: CacheLayout { CacheLayout(path: source.path) }
    var name: String { "local:\(escapedForDisplay(source.path.bytes))" }

    func load(_ note: (String) -> Void) async throws -> [ImportedCache] {
        let (mediaType, manifest, document) = try await onBlockingPool {
            () -> (MediaType, CacheManifest, CacheDocument) in
            let (bytes, mediaType) = try self.manifestBytes()
            guard let manifest = try CacheManifest(parsing: bytes, as: mediaType) else {
                throw RemoteCacheError.notACache(reason: "the manifest has no cache configuration")
            }
            let document = try CacheManifest.document(parsing: try self.directory.readBlob(manifest.document.digest))
            return (mediaType, manifest, document)
        }
        note("inferred cache manifest type: \(mediaType)")
        return [try ImportedCache(checking: document, name: name, layer: manifest.layer)]
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func manifestBytes() throws -> (bytes: [UInt8], mediaType: MediaType) {
        let index = try directory.readIndex()
        let digest = try source.digest ?? self.digest(in: index)
        let bytes = try directory.readBlob(digest)
        let stated = index?.manifests.first { $0.digest == digest }?.mediaType
        guard let type = try stated ?? CacheManifest.statedType(of: bytes), type.isIndex || type.isManifest else {
            throw RemoteCacheError.notACache(reason: "\(digest) is neither a manifest nor an index")
        }
        return (bytes, type)
    }

    private func digest(in index: Index?) throws(RemoteCacheError) -> Digest {
        guard let index else { throw .missing(what: escapedForDisplay(directory.index.bytes)) }
        let tag = source.tag ?? "latest"
        let tagged = index.manifests.last { $0.annotations?[CacheLayout.tagKey] == tag }
        if let tagged { return tagged.digest }
        if source.tag == nil, index.manifests.count == 1 { return index.manifests[0].digest }
        throw .missing(what: "the tag \(tag) in \(escapedForDisplay(directory.index.bytes))")
    }

    func read(
        _ blob: Descriptor,
        from offset: Int64,
        _ receive: ([UInt8]) async throws -> Void
    ) async throws {
        let file = try await onBlockingPool { try self.directory.openBlob(blob.digest) }
        try await file.pieces(from: offset, receive)
    }
}

extension CacheLayout {
    static let tagKey = "org.opencontainers.image.ref.name"
}

/// Writes a cache into a directory: blobs first, each complete or not at all, and what the tag leads to last.
struct LocalCacheWriter: CacheWriter {
    let destination: LocalCacheDestination

    var title: String { "exporting cache to client directory" }
    private var directory: CacheLayout { CacheLayout(path: destination.path) }

    func write(_ content: CacheContent, _ step: OperationContext) async throws -> Descriptor? {
        do {
            // One after the other: what two exports make of one index is then the one or both of them.
            let lock = try await onBlockingPool { try self.prepare() }
            defer { withExtendedLifetime(lock) {} }
            return try await writeLocked(content, step)
        } catch let error as SystemCallError {
            throw RemoteCacheError.directory(destination.path, reason: SystemCallError.text(of: error.errno))
        }
    }

    private func writeLocked(_ content: CacheContent, _ step: OperationContext) async throws -> Descriptor {
        try await content.writeLayers(step, parallelism: 4) { try await self.put($0.blob, content.snapshots) }
        let (document, bytes) = try content.encodedDocument()
        try await step.withStatus("writing config \(document.digest)") { _ in try await put(bytes, document.digest) }
        let manifest = try CacheManifest.encoded(content.form, document: document, layers: content.layers)
        try await step.withStatus(content.form.status(of: manifest.descriptor.digest)) { _ in
            try await put(manifest.bytes, manifest.descriptor.digest)
            try await onBlockingPool {
                try self.tag(manifest.descriptor)
                if destination.removesUnused { try self.removeUnused() }
            }
        }
        return manifest.descriptor
    }

    /// Makes the directories, and clears away what an export left that was killed.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func prepare() throws -> FileLock {
        try HostFiles.createCallersDirectories(directory.path)
        let lock = try FileLock.acquire(directory.lock, .exclusive)
        try HostFiles.createCallersDirectories(directory.blobs.appending("sha256"))
        try HostFiles.createCallersDirectories(directory.ingest)
        for name in try HostFiles.entries(of: directory.ingest) where name.starts(with: "slipway-") {
            try HostFiles.remove(FilePath(bytes: directory.ingest.bytes + "/" + name))
        }
        if try HostFiles.status(of: directory.layout) == nil {
            try HostFiles.write("{\"imageLayoutVersion\":\"1.0.0\"}", to: directory.layout)
        }
        return lock
    }

    private func put(_ blob: Descriptor, _ snapshots: LeasedSnapshots) async throws {
        let path = directory.blob(blob.digest)
        if try await onBlockingPool({ try HostFiles.status(of: path)?.size }) == blob.size { return }
        try await snapshots.fetch(blob)
        try await onCancellablePool { isCancelled in
            let reader = try BlobReader(blob.digest, in: snapshots.store.blobs)
            try self.place(blob.digest) { file in
                try withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 4096) { buffer in
                    while true {
                        if isCancelled() { throw CancellationError() }
                        let count = try reader.read(into: buffer)
                        if count == 0 { break }
                        try file.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                    }
                }
            }
        }
    }

    private func put(_ bytes: [UInt8], _ digest: Digest) async throws {
        try await onBlockingPool { try self.place(digest) { try $0.write(bytes) } }
    }

    /// Writes a file aside and moves it to the place of a digest.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func place(_ digest: Digest, _ write: (OpenFile) throws -> Void) throws {
        let temporary = directory.ingest.appending("slipway-\(digest.hex)")
        do {
            let mode = FileModeMask.callersShare(of: 0o644)
            let file = try OpenFile.open(temporary, [.writeOnly, .create, .truncate, .noFollow], mode: mode)
            try write(file)
            try file.synchronize()
            try HostFiles.rename(temporary, to: directory.blob(digest))
        } catch {
            _ = try? HostFiles.remove(temporary)
            throw error
        }
    }

    /// Lets the tag lead to a manifest; other tags stay.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func tag(_ manifest: Descriptor) throws {
        var index = try directory.readIndex() ?? Index(mediaType: .ociIndex, manifests: [])
        index.manifests.removeAll { $0.annotations?[CacheLayout.tagKey] == destination.tag }
        var tagged = manifest
        tagged.annotations = [CacheLayout.tagKey: destination.tag]
        index.manifests.append(tagged)
        try HostFiles.synchronizeDirectory(directory.blobs.appending("sha256"))
        try replaceFile(
            at: directory.index,
            with: try StrictJSON.encode(index),
            mode: FileModeMask.callersShare(of: 0o644)
        )
    }

    /// Removes the blobs that nothing in the index leads to.
    ///
    /// If an entry cannot be followed (an image of another program, say), its blobs are unknown and nothing is removed.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func removeUnused() throws {
        var used: Set<Digest> = []
        var pending = try directory.readIndex()?.manifests ?? []
        while let next = pending.popLast() {
            guard used.insert(next.digest).inserted, next.mediaType.isIndex || next.mediaType.isManifest else {
                continue
            }
            let bytes = try directory.readBlob(next.digest)
            if next.mediaType.isManifest {
                let manifest = try Manifest(parsing: bytes, declaredAs: next.mediaType)
                pending += [manifest.config] + manifest.layers
            } else {
                pending += try Index(parsing: bytes, declaredAs: next.mediaType).manifests
            }
        }
        for algorithm in try HostFiles.entries(of: directory.blobs) {
            let folder = FilePath(bytes: directory.blobs.bytes + "/" + algorithm)
            for name in try HostFiles.entries(of: folder) {
                let text = "\(String(decoding: algorithm, as: UTF8.self)):\(String(decoding: name, as: UTF8.self))"
                guard let digest = try? Digest(parsing: text), !used.contains(digest) else { continue }
                try HostFiles.remove(directory.blob(digest))
            }
        }
    }
}

extension CacheForm {
    /// What a build's progress says while the manifest is written.
    func status(of digest: Digest) -> String {
        switch self {
        case .imageManifest: "writing cache image manifest \(digest)"
        case .index, .dockerList: "writing cache manifest \(digest)"
        }
    }
}
