internal import FoundationEssentials
package import LinuxSystem
package import OCI
package import SystemPackage
internal import Text

/// A directory in the form of the OCI image layout that a daemon reads blobs of, or writes them to.
package struct ContentDirectory: Sendable {
    package let path: FilePath

    package init(_ path: FilePath) { self.path = path }

    private static let nameKey = "io.containerd.image.name"
    private static let tagKey = "org.opencontainers.image.ref.name"

    private var index: FilePath { path.appending("index.json") }
    private var blobs: FilePath { path.appending("blobs") }
    private var ingest: FilePath { path.appending("ingest") }

    private func blob(_ digest: Digest) -> FilePath {
        blobs.appending(digest.algorithm.rawValue).appending(digest.hex)
    }

    // MARK: Blobs

    /// Opens a blob; nil for a missing one.
    ///
    /// The reader compares what it holds with the digest.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func open(_ digest: Digest) throws(SystemCallError) -> (file: OpenFile, size: Int64)? {
        do throws(SystemCallError) {
            // A pipe must not make anything wait.
            let file = try OpenFile.open(blob(digest), [.readOnly, .noFollow, .nonBlocking])
            let status = try file.status()
            return status.type == .regular ? (file, status.size) : nil
        } catch {
            if error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory { return nil }
            throw error
        }
    }

    /// Makes the directories of a layout where they are missing.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func prepare() throws(SystemCallError) {
        try HostFiles.createCallersDirectories(path)
        try HostFiles.createCallersDirectories(blobs.appending("sha256"))
        let marker = path.appending("oci-layout")
        if try HostFiles.status(of: marker) == nil {
            try HostFiles.write("{\"imageLayoutVersion\":\"1.0.0\"}", to: marker)
        }
    }

    /// A file for a blob that comes; it is nowhere until `place` gives it its name.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func newBlob() throws(SystemCallError) -> (file: OpenFile, path: FilePath) {
        try HostFiles.createCallersDirectories(ingest)
        let path = ingest.appending("slipway-\(RemoteBuild.randomID())")
        let mode = FileModeMask.callersShare(of: 0o644)
        return (try OpenFile.open(path, [.writeOnly, .createNew, .noFollow], mode: mode), path)
    }

    /// Gives a blob that is complete its place.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func place(_ new: (file: OpenFile, path: FilePath), as digest: Digest) throws(SystemCallError) {
        try HostFiles.createCallersDirectories(blobs.appending(digest.algorithm.rawValue))
        try new.file.synchronize()
        try HostFiles.rename(new.path, to: blob(digest))
    }

    // MARK: The index

    /// What a tag leads to; nil where nothing has it.
    /// - Throws: `SystemCallError`, and `OCIError` for a malformed index.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func digest(ofTag tag: String) throws -> Digest? {
        let manifests = try readIndex()?.manifests ?? []
        return manifests.last { $0.annotations?[Self.tagKey] == tag }?.digest
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func readIndex() throws -> Index? {
        guard let bytes = try contentsIfPresent(of: index, limit: StrictJSON.maximumSize), !bytes.isEmpty else {
            return nil
        }
        return try Index(parsing: bytes, declaredAs: .ociIndex)
    }

    /// Lets names or a tag lead to a manifest; what else the index has stays.
    /// - Parameters:
    ///   - manifest: what they lead to.
    ///   - names: of an image.
    ///   - tag: for what has no name.
    /// - Throws: `SystemCallError`, and `OCIError` for a malformed index.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func tag(_ manifest: Descriptor, names: [String] = [], tag: String = "latest") throws {
        let lock = try FileLock.acquire(path.appending("index.json.lock"), .exclusive)
        defer { withExtendedLifetime(lock) {} }
        var index = try readIndex() ?? Index(mediaType: .ociIndex, manifests: [])
        let labels = names.isEmpty ? [[Self.tagKey: tag]] : names.map(Self.labels)
        for labels in labels {
            index.manifests.removeAll { manifest in
                [Self.nameKey, Self.tagKey].allSatisfy { manifest.annotations?[$0] == labels[$0] }
            }
            var entry = manifest
            entry.annotations = (manifest.annotations ?? [:]).merging(labels) { $1 }
            index.manifests.append(entry)
        }
        try replaceFile(
            at: self.index,
            with: try StrictJSON.encode(index),
            mode: FileModeMask.callersShare(of: 0o644)
        )
    }

    /// What a build wrote to a directory.
    package enum Written: Sendable, Hashable {
        case image
        case cache(tag: String, removesUnused: Bool)
    }

    /// Lets the index of the directory lead to what a build wrote.
    /// - Parameters:
    ///   - content: what that is.
    ///   - answer: what the daemon says of the build.
    /// - Throws: `SystemCallError`, and `OCIError` for a document that cannot be read.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func finish(_ content: Written, _ answer: [String: String]) throws {
        switch content {
        case .image:
            guard let text = answer["containerimage.descriptor"], let bytes = bytes(ofBase64: text) else { return }
            let names = answer["image.name"]?.split(separator: ",").map(String.init) ?? []
            try tag(try JSONDecoder().decode(Descriptor.self, from: Data(bytes)), names: names)
        case .cache(let tag, let removesUnused):
            guard let text = answer["cache.manifest"] else { return }
            try self.tag(try JSONDecoder().decode(Descriptor.self, from: Data(text.utf8)), tag: tag)
            if removesUnused { try removeUnused() }
        }
    }

    /// Removes the blobs that nothing in the index leads to.
    ///
    /// If an entry cannot be followed, its blobs are unknown and nothing is removed.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func removeUnused() throws {
        var used: Set<Digest> = []
        var pending = try readIndex()?.manifests ?? []
        while let next = pending.popLast() {
            guard used.insert(next.digest).inserted, next.mediaType.isIndex || next.mediaType.isManifest else {
                continue
            }
            guard let bytes = try open(next.digest)?.file.readToEnd(limit: StrictJSON.maximumSize) else { return }
            if next.mediaType.isManifest {
                let manifest = try Manifest(parsing: bytes, declaredAs: next.mediaType)
                pending += [manifest.config] + manifest.layers
            } else {
                pending += try Index(parsing: bytes, declaredAs: next.mediaType).manifests
            }
        }
        for name in try HostFiles.entries(of: blobs.appending("sha256")) {
            let text = "sha256:" + String(decoding: name, as: UTF8.self)
            guard let digest = try? Digest(parsing: text), !used.contains(digest) else { continue }
            try HostFiles.remove(blob(digest))
        }
    }

    private static func labels(_ name: String) -> [String: String] {
        let tag = (try? ImageReference(parsing: name))?.tag
        return [nameKey: name, tagKey: tag ?? name]
    }
}
