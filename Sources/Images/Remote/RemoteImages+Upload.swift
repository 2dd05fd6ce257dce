internal import LinuxSystem
package import OCI
package import Registry
package import Storage
internal import Synchronization
internal import Tasks

/// An image whose documents are made already, on its way into a registry.
package struct ImageUpload: Sendable {
    /// A layer's blob, in the store or known to be in a repository.
    package struct Layer: Sendable, Hashable {
        package let blob: Descriptor
        package let diffID: Digest

        package init(blob: Descriptor, diffID: Digest) {
            self.blob = blob
            self.diffID = diffID
        }
    }

    /// One image.
    package struct Image: Sendable {
        package let configuration: [UInt8]
        package let layers: [Layer]
        package let manifest: [UInt8]
        package let mediaType: MediaType

        package init(configuration: [UInt8], layers: [Layer], manifest: [UInt8], mediaType: MediaType) {
            self.configuration = configuration
            self.layers = layers
            self.manifest = manifest
            self.mediaType = mediaType
        }
    }

    /// The document that names the images of several platforms.
    package struct Index: Sendable {
        package let bytes: [UInt8]
        package let mediaType: MediaType

        package init(bytes: [UInt8], mediaType: MediaType) {
            self.bytes = bytes
            self.mediaType = mediaType
        }
    }

    package let images: [Image]
    /// Nil for one image by itself.
    package let index: Index?

    package init(images: [Image], index: Index?) {
        self.images = images
        self.index = index
    }
}

/// Where blobs are sent.
package struct UploadTarget: Sendable {
    let repository: Repository
    let client: RegistryClient
    /// What holds blobs that must be fetched first.
    let lease: Lease

    package init(_ repository: Repository, through client: RegistryClient, in lease: Lease) {
        self.repository = repository
        self.client = client
        self.lease = lease
    }
}

extension RemoteImages {
    /// Puts the blobs of an image that is not in the store into a registry, in parallel.
    /// - Parameters:
    ///   - upload: the image.
    ///   - target: where they go.
    ///   - events: is told what happens, line by line as docker prints it.
    /// - Throws: `RegistryError`, `StorageError`.
    package func sendBlobs(
        of upload: ImageUpload,
        to target: UploadTarget,
        events: @escaping TransferObserver = { _ in }
    ) async throws {
        for image in upload.images { try await sendBlobs(of: image, to: target, events) }
    }

    /// Puts the manifests of an image whose blobs are in a registry there, its top document last.
    /// - Parameters:
    ///   - upload: the image.
    ///   - name: its name; one that has no tag is pushed by digest only.
    ///   - target: where its blobs are.
    /// - Returns: the top document in the registry.
    /// - Throws: `RegistryError`.
    package func sendManifests(
        of upload: ImageUpload,
        as name: ImageReference,
        to target: UploadTarget
    ) async throws -> PushedImage {
        var top: (bytes: [UInt8], mediaType: MediaType)?
        for image in upload.images {
            let isTop = upload.index == nil && name.tag != nil
            let own = isTop ? name : name.replacing(digest: .sha256(of: image.manifest))
            _ = try await target.client.push(manifest: image.manifest, mediaType: image.mediaType, to: own)
            top = (image.manifest, image.mediaType)
        }
        if let index = upload.index {
            top = (index.bytes, index.mediaType)
            let own = name.tag == nil ? name.replacing(digest: .sha256(of: index.bytes)) : name
            _ = try await target.client.push(manifest: index.bytes, mediaType: index.mediaType, to: own)
        }
        guard let top else { throw RemoteImageError.nothingToPush(name.familiar) }
        let digest = Digest.sha256(of: top.bytes)
        try await store.blobs.recordSource(target.repository.description, of: [digest])
        return PushedImage(
            reference: name,
            mediaType: top.mediaType,
            digest: digest,
            size: Int64(top.bytes.count)
        )
    }

    /// Where the blobs of an image go.
    /// - Parameters:
    ///   - name: the image's.
    ///   - lease: what holds blobs that must be fetched first.
    ///   - isInsecure: whether the registry may be spoken to without TLS, or with a certificate of an unknown
    ///     authority.
    /// - Returns: the target.
    package func uploadTarget(for name: ImageReference, in lease: Lease, isInsecure: Bool) -> UploadTarget {
        UploadTarget(Repository(name), through: isInsecure ? client.trusting(name.domain) : client, in: lease)
    }

    /// Sends the blobs of one image and then its manifest.
    /// - Returns: the manifest's digest.
    func send(
        _ image: ImageUpload.Image,
        as name: ImageReference,
        to target: UploadTarget,
        _ events: @escaping TransferObserver
    ) async throws -> Digest {
        try await sendBlobs(of: image, to: target, events)
        return try await target.client.push(manifest: image.manifest, mediaType: image.mediaType, to: name)
    }

    private func sendBlobs(
        of image: ImageUpload.Image,
        to target: UploadTarget,
        _ events: @escaping TransferObserver
    ) async throws {
        try await send(image.layers, to: target, events)
        _ = try await target.client.upload(BlobSource(image.configuration), to: target.repository)
        let configuration = Digest.sha256(of: image.configuration)
        try await store.blobs.recordSource(
            target.repository.description,
            of: [configuration] + image.layers.map(\.blob.digest)
        )
    }

    private func send(
        _ layers: [ImageUpload.Layer],
        to target: UploadTarget,
        _ events: @escaping TransferObserver
    ) async throws {
        var seen: Set<Digest> = []
        let different = layers.filter { seen.insert($0.blob.digest).inserted }
        try await different.forEachConcurrently(limit: Self.parallelTransfers) { layer in
            if layer.blob.mediaType.isForeignLayer {
                return events(.layer(layer.diffID, .skippedForeignLayer))
            }
            let outcome = try await self.upload(layer.blob, to: target) { sent in
                events(.layer(layer.diffID, .pushing(sent, of: layer.blob.size)))
            }
            switch outcome {
            case .existed: events(.layer(layer.diffID, .layerAlreadyExists))
            case .mounted(let source): events(.layer(layer.diffID, .mounted(from: source.path)))
            case .uploaded: events(.layer(layer.diffID, .pushed))
            }
        }
    }

    /// Makes sure that a repository has a blob, which is fetched from where it came only if its bytes are needed.
    /// - Parameters:
    ///   - blob: in the store, or known to be in a repository.
    ///   - target: where it is wanted.
    ///   - progress: is told how many bytes have been sent.
    /// - Returns: how the blob came there.
    /// - Throws: `RegistryError`, `StorageError`.
    package func upload(
        _ blob: Descriptor,
        to target: UploadTarget,
        progress: @escaping @Sendable (Int64) -> Void = { _ in }
    ) async throws -> UploadOutcome {
        let names = try await store.blobs.sources(of: blob.digest)
        let candidates = try names.map { Repository(try ImageReference(parsing: $0)) }
        let file = BlobFile(blob: blob, lease: target.lease, store: store, provider: blobs)
        let source = BlobSource(digest: blob.digest, size: blob.size) { try await file.read(at: $0, count: $1) }
        do {
            return try await target.client.upload(source, to: target.repository, mountingFrom: candidates) {
                progress($0)
            }
        } catch let error as RegistryError {
            // A registry refuses bytes that have changed on disk: the blob is what is wrong then.
            if try await store.blobs.contains(blob.digest) { try await store.blobs.verify(blob.digest) }
            throw error
        }
    }
}

/// The file of a blob, opened (and fetched, if need be) when its first byte is needed.
private final class BlobFile: Sendable {
    private let blob: Descriptor
    private let lease: Lease
    private let store: Store
    private let provider: RegistryBlobProvider
    private let file = Mutex<OpenFile?>(nil)

    init(blob: Descriptor, lease: Lease, store: Store, provider: RegistryBlobProvider) {
        self.blob = blob
        self.lease = lease
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
        try await provider.fetch(blob, in: lease, offers: nil)
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
