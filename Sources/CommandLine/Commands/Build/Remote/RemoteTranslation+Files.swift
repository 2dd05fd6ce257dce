internal import Archive
internal import BuildEngine
internal import BuildKitClient
internal import DockerfileFrontend
internal import Images
internal import LLB
internal import LinuxSystem
internal import OCI
internal import SystemPackage
internal import Text

/// Contexts, and the Dockerfile.
extension RemoteTranslation {
    /// How daemons know files that the client sends.
    private static let uploadPrefix = "http://buildkit-session/"

    mutating func addContext() async throws {
        switch request.context {
        case .directory(let path):
            try await Self.requireContext(path)
            build.directories["context"] = path
            build.sharedKey = path.lastComponent.map { "\($0.string):\(ProcessContext.hostname)" } ?? ""
        case .address(let address):
            set("context", try Self.text(address))
            if address.contains("?"), GitSource.mayBeRepository(address) {
                capabilities.insert("moby.buildkit.frontend.gitquerystring")
            }
        case .stream(let stream): try await addContext(from: stream)
        case .offered, .graph: preconditionFailure("no command line has such a context")
        }
    }

    private static func requireContext(_ path: FilePath) async throws {
        switch try await onBlockingPool({ try HostFiles.status(of: HostFiles.resolved(path))?.type }) {
        case .directory?: break
        case nil: throw BuildError.contextNotFound(path)
        case _?: throw BuildError.contextIsNoDirectory(path)
        }
    }

    /// An archive of files, or a Dockerfile, as its beginning tells.
    private mutating func addContext(from stream: StandardStream) async throws {
        var start: [UInt8] = []
        while start.count < 1 << 10 {
            let bytes = try await stream.read()
            if bytes.isEmpty { break }
            start += bytes
        }
        if start.isEmpty { throw BuildError.contextIsEmpty }
        guard try await Self.isArchive(start) else {
            guard case .default = request.dockerfile else { throw BuildError.ambiguousDockerfile }
            while start.count <= Self.dockerfileLimit {
                let bytes = try await stream.read()
                if bytes.isEmpty { break }
                start += bytes
            }
            build.directories["context"] = try await onBlockingPool { [scratch] in try scratch.newDirectory() }
            return try await sendDockerfile(start)
        }
        let name = RemoteBuild.randomID()
        build.uploads[name] = UploadSource { [start] write in
            try await write(start)
            while true {
                let bytes = try await stream.read(limit: 1 << 18)
                if bytes.isEmpty { return }
                try await write(bytes)
            }
        }
        set("context", Self.uploadPrefix + name)
    }

    /// As docker decides: what is compressed, or begins with the header of a tar entry, is an archive.
    private static func isArchive(_ start: [UInt8]) async throws -> Bool {
        if CompressionFormat(detectingIn: start) != .uncompressed { return true }
        return try await onBlockingPool { try TarReader(BytesSource(start)).beginsWithHeader() }
    }

    // MARK: The Dockerfile

    private static let dockerfileLimit = 4 << 20

    mutating func addDockerfile() async throws {
        // A context that is a Dockerfile has said so.
        if build.directories["dockerfile"] != nil { return }
        switch request.dockerfile {
        case .default:
            if case .directory(let path) = request.context { build.directories["dockerfile"] = path }
            set("filename", "Dockerfile")
        case .content(let bytes): try await sendDockerfile(bytes)
        case .inContext(let path): set("filename", try Self.text(path.bytes))
        case .address(let address):
            var source = HTTPSource(url: address)
            source.file.name = "Dockerfile"
            build.inputs["dockerfile"] = Definition(target: try Output.http(source))
            set("filename", "Dockerfile")
        case .file(let path): try await addDockerfile(path)
        case .offered, .graph: preconditionFailure("no command line has such a Dockerfile")
        }
    }

    private mutating func addDockerfile(_ path: FilePath) async throws {
        guard let name = path.lastComponent, case let directory = path.removingLastComponent(),
            try await onBlockingPool({ try HostFiles.status(of: HostFiles.resolved(directory))?.type }) == .directory
        else { throw BuildError.dockerfileNotFound(escapedForDisplay(path.bytes)) }
        if request.context.isRemote { set("dockerfilekey", "dockerfile") }
        if try await onBlockingPool({ try HostFiles.status(of: path)?.type ?? .regular }) == .regular {
            build.directories["dockerfile"] = directory
            return set("filename", try Self.text(FilePath(root: nil, [name]).bytes))
        }
        // A link may lead anywhere, and a pipe is read once: what they give is sent.
        let (content, ignored) = try await onBlockingPool {
            let file = try OpenFile.open(path, [.readOnly])
            let beside = FilePath(bytes: path.bytes + ".dockerignore")
            let ignored =
                try HostFiles.status(of: beside) == nil ? nil : OpenFile.open(beside, [.readOnly, .nonBlocking])
            let limit = RemoteTranslation.dockerfileLimit
            return (try file.readToEnd(limit: limit), try ignored?.readToEnd(limit: limit))
        }
        try await sendDockerfile(content, named: FilePath(root: nil, [name]), ignored: ignored)
    }

    private mutating func sendDockerfile(
        _ content: [UInt8],
        named name: FilePath = "Dockerfile",
        ignored: [UInt8]? = nil
    ) async throws {
        let directory = try await onBlockingPool { [scratch] in
            let directory = try scratch.newDirectory()
            try HostFiles.write(content, to: directory.appending(name.components))
            if let ignored {
                try HostFiles.write(ignored, to: directory.pushing(FilePath(bytes: name.bytes + ".dockerignore")))
            }
            return directory
        }
        build.directories["dockerfile"] = directory
        set("dockerfilekey", "dockerfile")
        set("filename", try Self.text(name.bytes))
    }

    // MARK: Named contexts

    mutating func addNamedContext(_ name: String, _ value: [UInt8]) async throws {
        capabilities.insert("moby.buildkit.frontend.contexts+forward")
        let text = try Self.text(value)
        let key = "context:\(name)"
        if text.hasPrefix("oci-layout://") {
            set(key, try await addLayout(value, named: name))
        } else if ["target:", "input:"].contains(where: { text.hasPrefix($0) }) {
            throw BuildError.namedContext(
                name,
                reason:
                    "contexts of the kind \(text.prefix { $0 != ":" }): are not supported by this version of Slipway"
            )
        } else if text.hasPrefix("docker-image://") || BuildRequest.isAddress(value) {
            set(key, text)
        } else {
            let path = request.workingDirectory.pushing(FilePath(bytes: value)).lexicallyNormalized()
            try await Self.requireContext(path)
            // Not among those that the build has anyway.
            let directory = ["context", "dockerfile"].contains(name) ? "_\(name)" : name
            build.directories[directory] = path
            set(key, "local:\(directory)")
        }
    }

    /// Offers an image of a layout directory, found by its tag now and by its digest from then on.
    private mutating func addLayout(_ value: [UInt8], named name: String) async throws -> String {
        do {
            let address = try LayoutAddress(parsing: Array(value.dropFirst("oci-layout://".utf8.count)))
            let path = request.workingDirectory.pushing(address.path).lexicallyNormalized()
            let digest = try await onBlockingPool {
                try address.digest ?? ImageLayout(path).digest(ofTag: address.tag ?? "latest")
            }
            let id = RemoteBuild.randomID()
            build.stores["oci:\(id)"] = path
            return "oci-layout://\(id)\(address.tag.map { ":\($0)" } ?? "")@\(digest)"
        } catch {
            if error is CancellationError { throw error }
            throw BuildError.namedContext(name, reason: "\(error)")
        }
    }
}

/// Bytes that are there already.
private final class BytesSource: ByteSource {
    private var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        let piece = rest.prefix(buffer.count)
        buffer.copyBytes(from: piece)
        rest = rest.dropFirst(piece.count)
        return piece.count
    }
}
