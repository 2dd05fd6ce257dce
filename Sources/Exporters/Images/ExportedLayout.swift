package import Archive
package import LinuxSystem
package import OCI
package import SystemPackage
import Text

/// An image as an OCI layout, in an archive or a directory.
///
/// See the OCI image specification, image-layout.md; archives of docker's kind have docker's list of images besides.
package struct ExportedLayout: Sendable {
    /// What docker's list says of an image.
    package struct DockerImage: Sendable {
        package let configuration: Digest
        package let layers: [Digest]

        package init(configuration: Digest, layers: [Digest]) {
            self.configuration = configuration
            self.layers = layers
        }
    }

    /// Opens a blob's file.
    package typealias BlobOpener = @Sendable (Digest) throws -> OpenFile

    /// The manifest or index that the names stand for.
    private let top: Descriptor
    private let documents: [ImageDocuments.Document]
    private let layers: [Descriptor]
    private let names: [ImageReference]
    private let docker: DockerImage?

    /// - Parameters:
    ///   - top: the manifest or index that the names stand for.
    ///   - documents: all there are, `top`'s too.
    ///   - layers: the blobs of all images.
    ///   - names: the image's.
    ///   - docker: the image for readers of docker's list; nil for a layout without one.
    package init(
        top: Descriptor,
        documents: [ImageDocuments.Document],
        layers: [Descriptor],
        names: [ImageReference],
        docker: DockerImage? = nil
    ) {
        self.top = top
        self.documents = documents
        self.layers = layers
        self.names = names.map(\.withDefaultTag)
        self.docker = docker
    }

    private static let marker: [UInt8] = "{\"imageLayoutVersion\":\"1.0.0\"}"

    private static func path(_ digest: Digest) -> String { "blobs/\(digest.algorithm.rawValue)/\(digest.hex)" }

    /// The entries of the layout's index: one for each name.
    /// - Parameter unnamed: the tag of an image without names; nil for none.
    /// - Returns: descriptors of `top`.
    private func entries(unnamed: String?) -> [Descriptor] {
        func entry(_ annotations: [String: String]) -> Descriptor {
            var entry = top
            let all = (top.annotations ?? [:]).merging(annotations) { $1 }
            entry.annotations = all.isEmpty ? nil : all
            return entry
        }
        if names.isEmpty { return [entry(unnamed.map { [Self.tagAnnotation: $0] } ?? [:])] }
        return names.map { name in
            entry([
                Self.nameAnnotation: name.description,
                Self.tagAnnotation: name.tag ?? ImageReference.defaultTag,
            ])
        }
    }

    private static let nameAnnotation = "io.containerd.image.name"
    private static let tagAnnotation = "org.opencontainers.image.ref.name"

    // MARK: An archive

    private enum Member {
        case directory
        case bytes([UInt8])
        case blob(Descriptor)
    }

    /// Writes an archive: members sorted, times 0.
    /// - Parameters:
    ///   - sink: where it goes; it is not finished.
    ///   - open: opens the blobs of layers.
    ///   - isCancelled: asked for each piece; true ends the work with `CancellationError`.
    /// - Throws: `ExportError.damagedBlob`, and what opening and writing throw.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func write(to sink: any ByteSink, open: BlobOpener, isCancelled: @Sendable () -> Bool) throws {
        let writer = TarWriter(sink)
        let sorted = try members().sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        for (path, member) in sorted {
            let name = Array(path.utf8)
            switch member {
            case .directory: try writer.begin(TarEntry(path: name, kind: .directory, mode: 0o755))
            case .bytes(let bytes):
                try writer.begin(TarEntry(path: name, kind: .regular, size: Int64(bytes.count)))
                try writer.write(bytes)
            case .blob(let blob):
                try writer.begin(TarEntry(path: name, kind: .regular, size: blob.size))
                try copy(blob, open, isCancelled) { try writer.write($0) }
            }
        }
        try writer.finish()
    }

    private func members() throws -> [String: Member] {
        var members: [String: Member] = ["blobs": .directory, "oci-layout": .bytes(Self.marker)]
        for layer in layers { members[Self.path(layer.digest)] = .blob(layer) }
        for document in documents { members[Self.path(document.descriptor.digest)] = .bytes(document.bytes) }
        for digest in (layers + documents.map(\.descriptor)).map(\.digest) {
            members["blobs/\(digest.algorithm.rawValue)"] = .directory
        }
        let index = Index(mediaType: .ociIndex, manifests: entries(unnamed: nil))
        members["index.json"] = .bytes(try StrictJSON.encode(index))
        if let docker { members["manifest.json"] = .bytes(try StrictJSON.encode([dockerItem(docker)])) }
        return members
    }

    private struct DockerItem: Encodable {
        let Config: String
        let RepoTags: [String]
        let Layers: [String]
    }

    private func dockerItem(_ image: DockerImage) -> DockerItem {
        DockerItem(
            Config: Self.path(image.configuration),
            RepoTags: names.map(\.familiar),
            Layers: image.layers.map(Self.path)
        )
    }

    /// Copies a blob, whose bytes must be those of its digest.
    private func copy(
        _ blob: Descriptor,
        _ open: BlobOpener,
        _ isCancelled: @Sendable () -> Bool,
        to write: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        let file = try open(blob.digest)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 4096)
        defer { buffer.deallocate() }
        var digester = Digester(blob.digest.algorithm)
        var left = blob.size
        while true {
            if isCancelled() { throw CancellationError() }
            let count = try file.read(into: buffer)
            if count == 0 { break }
            left -= Int64(count)
            guard left >= 0 else { throw ExportError.damagedBlob(blob.digest) }
            let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
            digester.update(bytes)
            try write(bytes)
        }
        guard left == 0, digester.finalize() == blob.digest else { throw ExportError.damagedBlob(blob.digest) }
    }

    // MARK: A directory

    /// Writes a directory, which is whole or not there; into one that is there, the blobs and then a new index.
    ///
    /// Images that the directory has stay, but for those whose names these are; this is what BuildKit's clients do.
    /// - Parameters:
    ///   - path: the directory.
    ///   - open: opens the blobs of layers.
    ///   - isCancelled: asked for each piece; true ends the work with `CancellationError`.
    /// - Throws: `ExportError`, and what opening and writing throw.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func write(toDirectory path: FilePath, open: BlobOpener, isCancelled: @Sendable () -> Bool) throws {
        if let status = try HostFiles.status(of: path) {
            guard status.type == .directory else { throw ExportError.layoutIsFile(path) }
            return try update(path, open, isCancelled)
        }
        let parent = path.removingLastComponent()
        if !parent.isEmpty { try HostFiles.createCallersDirectories(parent) }
        try removeAbandoned(beside: path)
        let partial = partialPath(beside: path)
        try removeTree(partial)
        try HostFiles.createCallersDirectories(partial)
        do {
            try update(partial, open, isCancelled)
            try HostFiles.rename(partial, to: path)
            try HostFiles.synchronizeDirectory(parent.isEmpty ? "." : parent)
        } catch {
            try? removeTree(partial)
            throw error
        }
    }

    private func update(_ path: FilePath, _ open: BlobOpener, _ isCancelled: @Sendable () -> Bool) throws {
        let lockPath = path.appending("index.json.lock")
        guard let lock = try OpenFile.openLocked(lockPath, mode: 0o644) else {
            throw ExportError.layoutIsLocked(lockPath)
        }
        defer {
            // Its name goes before the lock does.
            withExtendedLifetime(lock) { _ = try? HostFiles.remove(lockPath) }
        }
        for layer in layers {
            try writeBlob(layer, in: path) { file in
                try copy(layer, open, isCancelled) { try file.write($0) }
            }
        }
        for document in documents {
            try writeBlob(document.descriptor, in: path) { try $0.write(document.bytes) }
        }
        try writeFile(path.appending("oci-layout")) { try $0.write(Self.marker) }
        let index = try StrictJSON.encode(try mergedIndex(path.appending("index.json")))
        try writeFile(path.appending("index.json")) { try $0.write(index) }
    }

    private func writeBlob(_ blob: Descriptor, in path: FilePath, _ write: (OpenFile) throws -> Void) throws {
        let directory = path.appending("blobs").appending(blob.digest.algorithm.rawValue)
        try HostFiles.createCallersDirectories(directory)
        let target = directory.appending(blob.digest.hex)
        if let status = try HostFiles.status(of: target), status.type == .regular, status.size == blob.size { return }
        try writeFile(target, write)
    }

    private func writeFile(_ path: FilePath, _ write: (OpenFile) throws -> Void) throws {
        let pending = try PendingFile(replacing: path, mode: 0o644)
        do {
            try write(pending.file)
            try pending.publish()
        } catch {
            pending.discard()
            throw error
        }
    }

    /// What the index says, with this image for its names.
    private func mergedIndex(_ path: FilePath) throws -> Index {
        let added = entries(unnamed: ImageReference.defaultTag)
        guard let bytes = try contentsIfPresent(of: path, limit: StrictJSON.maximumSize), !bytes.isEmpty else {
            return Index(mediaType: .ociIndex, manifests: added)
        }
        var index: Index
        do throws(OCIError) {
            index = try Index(parsing: bytes, declaredAs: .ociIndex)
        } catch {
            throw ExportError.layoutIndex(path, reason: "\(error)")
        }
        func name(_ entry: Descriptor) -> [String?] {
            [entry.annotations?[Self.nameAnnotation], entry.annotations?[Self.tagAnnotation]]
        }
        let replaced = Set(added.map(name))
        index.mediaType = .ociIndex
        index.manifests = index.manifests.filter { !replaced.contains(name($0)) } + added
        return index
    }
}
