package import Archive
internal import LinuxSystem
package import OCI
package import Registry
internal import Snapshots
internal import Storage
internal import Synchronization

/// What a push has put into a registry.
package struct PushedImage: Sendable, Hashable {
    package let reference: ImageReference
    /// Of the manifest.
    package let mediaType: MediaType
    /// Of the manifest.
    package let digest: Digest
    /// Of the manifest, in bytes.
    package let size: Int64
}

extension RemoteImages {
    /// Puts a local image into the registry that its name leads to: blobs first and in parallel, the manifest last.
    ///
    /// Blobs that the registry has are not sent, those that another of its repositories has are linked, the rest is sent in chunks that go
    /// on where they broke off. A layer is compressed once and its compressed form kept. An image that was pulled keeps its manifest, and so
    /// its digest, unless its layers changed form.
    /// - Parameters:
    ///   - reference: the name of a local image; `latest` where it has no tag.
    ///   - platform: sends one image of an image of several platforms, by itself; nil sends all, and their index after them.
    ///   - compression: of layers that have no compressed form yet.
    ///   - events: is told what happens, line by line as docker prints it.
    /// - Returns: what the name leads to now: the manifest, or the index if all platforms were sent.
    /// - Throws: `ImageError.noSuchImage`, `RegistryError`, `StorageError`.
    @discardableResult
    package func push(
        _ reference: ImageReference,
        platform: Platform? = nil,
        compression: Compression = .gzip,
        events: @escaping TransferObserver = { _ in }
    ) async throws -> PushedImage {
        guard reference.digest == nil else { throw RemoteImageError.nothingToPush(reference.familiar) }
        let name = reference.withDefaultTag
        return try await store.withLease { _ in
            let image = try await images.image(name.description, platform: platform)
            events(.line("The push refers to repository [\(name.repository)]"))
            let pushed: PushedImage
            if let index = image.index, platform == nil {
                pushed = try await push(index, as: name, compression, events)
            } else {
                pushed = try await push(image, as: name, compression, events)
            }
            try await images.addRepositoryDigests([name.replacing(digest: pushed.digest)], to: image.listedID)
            events(.line("\(name.tag ?? ""): digest: \(pushed.digest) size: \(pushed.size)"))
            return pushed
        }
    }

    /// Sends the images of all platforms by digest, and then the index that names them.
    private func push(
        _ index: ImageIndex,
        as name: ImageReference,
        _ compression: Compression,
        _ events: @escaping TransferObserver
    ) async throws -> PushedImage {
        var manifests: [Descriptor] = []
        for member in index.members {
            guard let image = try await images.image(id: member.image) else {
                throw ImageError.noSuchImage(member.image.description)
            }
            let pushed = try await push(image, as: name.replacing(digest: member.manifest.digest), compression, events)
            // What the index says of the manifest stays true when layers are compressed on their way.
            var descriptor = member.manifest
            (descriptor.mediaType, descriptor.digest, descriptor.size) = (pushed.mediaType, pushed.digest, pushed.size)
            manifests.append(descriptor)
        }
        let document = Index(mediaType: .ociIndex, manifests: manifests, annotations: index.annotations)
        let bytes = try StrictJSON.encode(document)
        let digest = try await client.push(manifest: bytes, mediaType: .ociIndex, to: name)
        return PushedImage(reference: name, mediaType: .ociIndex, digest: digest, size: Int64(bytes.count))
    }

    /// Sends one image: under the tag of a name or, where it has none, by its manifest's digest.
    private func push(
        _ image: ImageRecord,
        as name: ImageReference,
        _ compression: Compression,
        _ events: @escaping TransferObserver
    ) async throws -> PushedImage {
        try await store.hold(image.layers.map { .layer($0) } + [.blob(image.id)])
        let repository = Repository(name)
        let origin = try await originalManifest(of: image)
        var layers: [(blob: Descriptor, diffID: Digest)] = []
        for (index, (layer, diffID)) in zip(image.layers, image.configuration.rootFileSystem.diffIDs).enumerated() {
            events(.layer(diffID, .preparing))
            let original = origin.flatMap { index < $0.manifest.layers.count ? $0.manifest.layers[index] : nil }
            if let original,
                try await snapshots.info(of: layer).blobs.contains(where: { $0.digest == original.digest })
            {
                layers.append((original, diffID))
            } else {
                layers.append((try await snapshots.blob(for: layer, compression: compression), diffID))
            }
        }
        let configurationBytes = try await store.blobs.read(image.id, limit: StrictJSON.maximumSize)
        let size = Int64(configurationBytes.count)
        let (bytes, mediaType) = try manifestBytes(of: image, size, layers.map(\.blob), origin)
        try await send(layers, to: repository, events)
        _ = try await client.upload(BlobSource(configurationBytes), to: repository)
        let digest = try await client.push(manifest: bytes, mediaType: mediaType, to: name)
        try await store.blobs.recordSource(repository.description, of: [image.id] + layers.map(\.blob.digest))
        _ = try await store.blobs.put(bytes)
        var known = NewImage(configuration: configurationBytes, layers: image.layers)
        known.manifest = ManifestOrigin(digest: digest, mediaType: mediaType)
        try await images.add(known)
        return PushedImage(reference: name, mediaType: mediaType, digest: digest, size: Int64(bytes.count))
    }

    /// A manifest as an image came with it.
    private typealias OriginalManifest = (manifest: Manifest, bytes: [UInt8], mediaType: MediaType)

    private func originalManifest(of image: ImageRecord) async throws -> OriginalManifest? {
        guard let origin = image.manifest, try await store.blobs.contains(origin.digest) else { return nil }
        let bytes = try await store.blobs.read(origin.digest, limit: RegistryClient.manifestLimit)
        let manifest = try Manifest(parsing: bytes, declaredAs: origin.mediaType)
        return manifest.config.digest == image.id ? (manifest, bytes, origin.mediaType) : nil
    }

    /// The manifest the image came with, where it still says the truth; else a new one in OCI's form.
    private func manifestBytes(
        of image: ImageRecord,
        _ configurationSize: Int64,
        _ blobs: [Descriptor],
        _ origin: OriginalManifest?
    ) throws -> (bytes: [UInt8], mediaType: MediaType) {
        if let origin, origin.manifest.layers.map(\.digest) == blobs.map(\.digest) {
            return (origin.bytes, origin.mediaType)
        }
        let configuration = Descriptor(mediaType: .ociConfiguration, digest: image.id, size: configurationSize)
        let layers = blobs.map { Descriptor(mediaType: $0.mediaType.asOCILayer, digest: $0.digest, size: $0.size) }
        let manifest = Manifest(mediaType: .ociManifest, config: configuration, layers: layers)
        return (try StrictJSON.encode(manifest), .ociManifest)
    }

    private func send(
        _ layers: [(blob: Descriptor, diffID: Digest)],
        to repository: Repository,
        _ events: @escaping TransferObserver
    ) async throws {
        var seen: Set<Digest> = []
        let different = layers.filter { seen.insert($0.blob.digest).inserted }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, layer) in different.enumerated() {
                if index >= Self.parallelTransfers { try await group.next() }
                group.addTask {
                    let outcome = try await self.upload(layer.blob, to: repository) { sent in
                        events(.layer(layer.diffID, .pushing(sent, of: layer.blob.size)))
                    }
                    switch outcome {
                    case .existed: events(.layer(layer.diffID, .layerAlreadyExists))
                    case .mounted(let source): events(.layer(layer.diffID, .mounted(from: source.path)))
                    case .uploaded: events(.layer(layer.diffID, .pushed))
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    /// Makes sure that a repository has a blob, which is fetched from where it came only if its bytes are needed.
    /// - Parameters:
    ///   - blob: in the store, or known to be in a repository.
    ///   - repository: where it is wanted.
    ///   - progress: is told how many bytes have been sent.
    /// - Returns: whether it had to be sent.
    /// - Throws: `RegistryError`; `StorageError.blobDamaged` if the store's bytes are not the blob's any more.
    package func upload(
        _ blob: Descriptor,
        to repository: Repository,
        progress: @escaping @Sendable (Int64) -> Void = { _ in }
    ) async throws -> UploadOutcome {
        let names = try await store.blobs.sources(of: blob.digest)
        let candidates = try names.map { Repository(try ImageReference(parsing: $0)) }
        let file = BlobFile(blob: blob, store: store, provider: blobs)
        let source = BlobSource(digest: blob.digest, size: blob.size) { try await file.read(at: $0, count: $1) }
        do {
            return try await client.upload(source, to: repository, mountingFrom: candidates) { progress($0) }
        } catch let error as RegistryError {
            // A registry refuses bytes that have changed on disk: the blob is what is wrong then.
            if try await store.blobs.contains(blob.digest) { try await store.blobs.verify(blob.digest) }
            throw error
        }
    }
}

extension MediaType {
    /// The same form of layer by OCI's name.
    fileprivate var asOCILayer: MediaType {
        switch self {
        case .dockerLayer: .ociLayer
        case .dockerLayerGzip: .ociLayerGzip
        case .dockerLayerZstd: .ociLayerZstd
        default: self
        }
    }
}

/// The file of a blob, opened (and fetched, if need be) when its first byte is needed.
private final class BlobFile: Sendable {
    private let blob: Descriptor
    private let store: Store
    private let provider: RegistryBlobProvider
    private let file = Mutex<OpenFile?>(nil)

    init(blob: Descriptor, store: Store, provider: RegistryBlobProvider) {
        self.blob = blob
        self.store = store
        self.provider = provider
    }

    func read(at offset: Int64, count: Int) async throws -> [UInt8] {
        let file = try await opened()
        return try await onBlockingPool {
            var bytes = [UInt8](repeating: 0, count: count)
            let read = try Self.read(file, into: &bytes, at: offset)
            bytes.removeLast(count - read)
            return bytes
        }
    }

    private func opened() async throws -> OpenFile {
        if let file = file.withLock({ $0 }) { return file }
        try await provider.fetch(blob)
        let opened = try await onBlockingPool { [store, blob] in try store.blobs.open(blob.digest) }
        file.withLock { $0 = opened }
        return opened
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func read(_ file: OpenFile, into bytes: inout [UInt8], at offset: Int64) throws -> Int {
        let result: Result<Int, SystemCallError> = bytes.withUnsafeMutableBytes { buffer in
            do throws(SystemCallError) { return .success(try file.read(into: buffer, at: offset)) } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }
}
