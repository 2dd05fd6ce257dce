internal import LinuxSystem
package import OCI
internal import Storage
package import SystemPackage
internal import Text

/// How a user names an image of a layout directory: `PATH[:TAG][@DIGEST]`, as buildx reads what follows `oci-layout://`.
package struct LayoutAddress: Hashable, Sendable {
    package let path: FilePath
    /// `latest` where neither a tag nor a digest is given.
    package let tag: String?
    package let digest: Digest?

    /// A colon or an `@` of the path that no tag or digest follows belongs to the path.
    /// - Throws: `OCIError` for a digest that is none.
    package init(parsing text: [UInt8]) throws(OCIError) {
        var rest = text[...]
        var digest: Digest?
        if let at = rest.lastIndex(of: "@"), Self.looksLikeDigest(rest[(at + 1)...]) {
            digest = try Digest(parsing: String(decoding: rest[(at + 1)...], as: UTF8.self))
            rest = rest[..<at]
        }
        var tag: String?
        if let colon = rest.lastIndex(of: ":"), ImageReference.couldBeTag(rest[(colon + 1)...]) {
            tag = String(decoding: rest[(colon + 1)...], as: UTF8.self)
            rest = rest[..<colon]
        }
        path = FilePath(bytes: Array(rest))
        self.tag = tag == nil && digest == nil ? "latest" : tag
        self.digest = digest
    }

    private static func looksLikeDigest(_ text: ArraySlice<UInt8>) -> Bool {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        return parts.count == 2
            && parts.allSatisfy { part in
                !part.isEmpty && part.allSatisfy { $0 < 0x80 && $0 != "/" }
            }
    }
}

/// A directory in the form of the OCI image layout, of which nothing is believed: no link of it is followed, and every document
/// and blob must be what its digest says.
package struct ImageLayout: Sendable {
    /// As messages name it.
    package let path: FilePath
    private let root: RootedDirectory

    /// Opens a layout.
    /// - Throws: `ImageError.invalidLayout`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init(_ path: FilePath) throws(ImageError) {
        self.path = path
        do throws(SystemCallError) {
            root = try RootedDirectory(path)
        } catch {
            throw .invalidLayout(path, reason: SystemCallError.text(of: error.errno))
        }
    }

    /// What a tag leads to; where no image has it, the only one there is, as buildx has it.
    /// - Throws: `ImageError.invalidLayout`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func digest(ofTag tag: String) throws(ImageError) -> Digest {
        let file = try file("index.json", in: root, named: "index.json")
        let bytes = try content(of: file, named: "index.json")
        let manifests: [Descriptor]
        do throws(OCIError) {
            manifests = try Index(parsing: bytes, declaredAs: .ociIndex).manifests
        } catch {
            throw .invalidLayout(path, reason: "index.json: \(error)")
        }
        for annotation in ["io.containerd.image.name", "org.opencontainers.image.ref.name"] {
            if let found = manifests.first(where: { $0.annotations?[annotation] == tag }) { return found.digest }
        }
        if manifests.count == 1 { return manifests[0].digest }
        let tags = Set(manifests.compactMap { $0.annotations?["org.opencontainers.image.ref.name"] }).sorted()
        let known = tags.isEmpty ? "none of its \(manifests.count) images has a tag" : "it has \(shown(tags))"
        throw ImageError.invalidLayout(path, reason: "no image has the tag \(tag); \(known)")
    }

    /// A document of the layout, verified.
    /// - Throws: `ImageError.invalidLayout`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func read(_ digest: Digest, size: Int64?) throws(ImageError) -> [UInt8] {
        let name = Self.name(of: digest)
        let bytes = try content(of: try blob(digest), named: name)
        if let size, size != bytes.count { throw wrongSize(name, size, Int64(bytes.count)) }
        var digester = Digester(digest.algorithm)
        digester.update(bytes)
        let actual = digester.finalize()
        guard actual == digest else { throw wrongDigest(name, actual) }
        return bytes
    }

    /// The file of a blob, whose content nobody has verified.
    /// - Throws: `ImageError.invalidLayout`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func blob(_ digest: Digest) throws(ImageError) -> OpenFile {
        var directory = root
        var name = ""
        for component in ["blobs", digest.algorithm.rawValue] {
            name += component
            do throws(SystemCallError) {
                directory = RootedDirectory(
                    directory: try directory.open(FilePath(component), [.pathOnly, .directory, .noFollow])
                )
            } catch {
                throw failure(name, error)
            }
            name += "/"
        }
        return try file(digest.hex, in: directory, named: name + digest.hex)
    }

    private func file(_ name: String, in directory: RootedDirectory, named shown: String) throws(ImageError) -> OpenFile
    {
        let file: OpenFile
        let status: FileStatus
        do throws(SystemCallError) {
            // A pipe must not make anybody wait.
            file = try directory.open(FilePath(name), [.readOnly, .noFollow, .nonBlocking])
            status = try file.status()
        } catch {
            throw failure(shown, error)
        }
        guard status.type == .regular else { throw .invalidLayout(path, reason: "\(shown) is not a regular file") }
        return file
    }

    private func content(of file: OpenFile, named name: String) throws(ImageError) -> [UInt8] {
        let limit = StrictJSON.maximumSize
        do throws(SystemCallError) {
            return try file.readToEnd(limit: limit)
        } catch {
            guard error.errno == .fileTooLarge else { throw failure(name, error) }
            throw .invalidLayout(path, reason: "\(name) is larger than \(limit) bytes")
        }
    }

    // MARK: Failures

    static func name(of digest: Digest) -> String { "blobs/\(digest.algorithm.rawValue)/\(digest.hex)" }

    func wrongDigest(_ name: String, _ actual: Digest) -> ImageError {
        .invalidLayout(path, reason: "the content of \(name) has the digest \(actual)")
    }

    func wrongSize(_ name: String, _ expected: Int64, _ actual: Int64) -> ImageError {
        .invalidLayout(path, reason: "\(name) has \(actual) bytes, and \(expected) are expected")
    }

    private func failure(_ name: String, _ error: SystemCallError) -> ImageError {
        let reason =
            switch error.errno {
            case .tooManySymbolicLinkLevels, .notDirectory: "it is a link, or no file or directory as it should be"
            default: SystemCallError.text(of: error.errno)
            }
        return .invalidLayout(path, reason: "\(name): \(reason)")
    }

    private func shown(_ tags: [String]) -> String {
        let first = tags.prefix(10).map { escapedForDisplay(Array($0.utf8)) }.joined(separator: ", ")
        return tags.count > 10 ? first + " and \(tags.count - 10) more" : first
    }
}
