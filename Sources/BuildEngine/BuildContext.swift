import Archive
import BuildGraph
import ClientServices
import DockerfileFrontend
import DockerfileSyntax
import LLB
import LinuxSystem
import OCI
import Operations
import RemoteSources
import Sandboxes
import Snapshots
import Storage
import SystemPackage
internal import Text

/// What a build reads from outside, found and, where it is not a directory of this machine, brought here.
struct BuildContext: Sendable {
    /// Serve this build alone, so that all of it sees the same files.
    let downloads: Downloads
    let repositories: GitRepositories
    /// What the client offers to steps and to those who fetch.
    let client: ClientServices
    /// How much of the output of each step is shown.
    var logLimits = LogLimits()
    /// Devices of the machine, and which of them steps may have.
    let devices: DeviceRegistry
    let deviceGrants: DeviceGrants
    /// The directory that is read in place; nil for a context that came from elsewhere.
    var directory: ContextDirectory?
    /// What brings the files of such a context in.
    var node: Output?
    /// The files that it gave.
    var tree: FileTree?
    /// What names lead to instead.
    var named = NamedContexts()
    /// The directories among it, by the names that sources have for them.
    var namedDirectories: [[UInt8]: FilePath] = [:]
    /// The layout directories among it.
    var layouts = ContextLayouts()
    /// The Dockerfile, where the context is nothing else.
    var dockerfile: [UInt8]?
}

extension BuildEngine {
    /// Finds the context of a request and brings it here.
    func prepareContext(
        _ request: BuildRequest,
        _ client: ClientServices,
        _ progress: BuildSteps
    ) async throws -> BuildContext {
        var context = BuildContext(
            downloads: Downloads(store: store, web: web, client: client),
            repositories: GitRepositories(store: store, variables: variables, client: client),
            client: client,
            devices: await onBlockingPool { [devices] in devices() },
            deviceGrants: request.deviceGrants
        )
        context.logLimits = request.logLimits
        switch request.context {
        case .directory(let path): context.directory = try await onBlockingPool { try ContextDirectory(path) }
        case .stream(let stream): try await read(stream, into: &context, progress)
        case .address(let address):
            if let source = try repository(at: address, request) {
                let name = Array("[internal] load git source ".utf8) + withoutCredentials(address)
                context.node = try Output.git(source, metadata: Metadata(name: name))
            } else {
                try await download(address, into: &context, progress)
            }
        }
        try await prepareNamedContexts(request, &context, progress)
        if let node = context.node { context.tree = try await files(of: node, in: context, progress) }
        return context
    }

    /// The Dockerfile that a request names.
    func dockerfile(of request: BuildRequest, in context: BuildContext) async throws -> ContextDirectory.File {
        let location = request.dockerfile
        switch location {
        case .address(let address):
            let bytes = try await content(of: HTTPSource(url: address), in: context)
            return ContextDirectory.File(name: "Dockerfile", bytes: bytes)
        case .content(let bytes): return ContextDirectory.File(name: "Dockerfile", bytes: bytes)
        case .file(let path) where context.directory == nil:
            // From this machine, with files from elsewhere.
            return try await onBlockingPool {
                let directory = path.removingLastComponent()
                return try ContextDirectory(directory.isEmpty ? "." : directory).readDockerfile(at: location)
            }
        case .default, .file, .inContext: break
        }
        if let bytes = context.dockerfile {
            // What a web server has is the Dockerfile whatever -f says, as in BuildKit; standard input leaves a choice.
            if context.directory != nil {
                guard case .default = location else { throw BuildError.ambiguousDockerfile }
            }
            return ContextDirectory.File(name: "Dockerfile", bytes: bytes)
        }
        if let directory = context.directory {
            return try await onBlockingPool { try directory.readDockerfile(at: location) }
        }
        return try await snapshots.withMounted(context.tree ?? .empty) { root in
            try await onBlockingPool { try ContextDirectory(root).readDockerfile(at: location) }
        }
    }

    // MARK: Kinds of contexts

    /// The repository that an address names; nil where it names a file.
    func repository(at address: [UInt8], _ request: BuildRequest) throws -> GitSource? {
        // Kept for those who still write it; it is a directory's name as well.
        let isShort = address.starts(with: "github.com/".utf8)
        guard var source = try GitSource(parsing: isShort ? Array("https://".utf8) + address : address) else {
            guard isShort else { return nil }
            throw BuildError.contextAddress(escapedForDisplay(address), reason: "a repository's address ends in .git")
        }
        if request.hasTrueArgument("BUILDKIT_CONTEXT_KEEP_GIT_DIR") { source.keepsGitDirectory = true }
        return source
    }

    private func download(_ address: [UInt8], into context: inout BuildContext, _ progress: BuildSteps) async throws {
        let downloads = context.downloads
        var source = HTTPSource(url: address)
        source.fileName = Self.contextFile
        let asked = source
        let name = "[internal] load remote build context"
        let isArchive = try await progress.step(name) { step in
            let download = try await step.withStatus("downloading") { report in
                let found = try await downloads.resolve(asked, report: report)
                return try await downloads.fetch(asked, expecting: found.digest, report: report)
            }
            return try await self.isArchive(download.digest)
        }
        let file = try Output.http(source, metadata: Metadata(name: Array(name.utf8)))
        if isArchive {
            context.node = try unpacked(file)
        } else {
            context.dockerfile = try await content(of: source, in: context)
            context.node = file
        }
    }

    private func read(
        _ stream: StandardStream,
        into context: inout BuildContext,
        _ progress: BuildSteps
    ) async throws {
        let (digest, size) = try await progress.step("[internal] load build context from standard input") { step in
            try await step.withStatus("transferring context:") { report in
                try await store.blobs.ingest { writer in
                    while true {
                        let bytes = try await stream.read(limit: 1 << 18)
                        if bytes.isEmpty { return }
                        try await writer.write(bytes)
                        report(writer.offset, 0)
                    }
                }
            }
        }
        guard size > 0 else { throw BuildError.contextIsEmpty }
        guard try await isArchive(digest) else {
            context.dockerfile = try await dockerfile(in: digest, size: size, name: "standard input")
            let empty = try await onBlockingPool { [store] in try store.temporaryDirectory() }
            context.directory = try await onBlockingPool { try ContextDirectory(empty) }
            return
        }
        // As BuildKit calls what its client uploads; no server is asked for it.
        var source = HTTPSource(url: Array("http://buildkit-session/\(digest.hex)".utf8))
        source.fileName = Self.contextFile
        context.downloads.provide(digest, size: size, at: source.url)
        let name = Array("[internal] load remote build context".utf8)
        context.node = try unpacked(try Output.http(source, metadata: Metadata(name: name)))
    }

    /// How BuildKit names the file that a context arrives in.
    static let contextFile = Array("context".utf8)

    /// The files of an archive.
    private func unpacked(_ file: Output) throws -> Output {
        var copy = FileCopy(source: Array("/context".utf8), destination: Array("/".utf8))
        copy.unpacksArchives = true
        let name = Array("copy /context /".utf8)
        return try Output.file(on: nil, [.copy(copy, from: .output(file))], metadata: Metadata(name: name))
    }

    // MARK: Content

    /// As docker decides: what decompresses and begins with the header of a tar entry is an archive.
    private func isArchive(_ digest: Digest) async throws -> Bool {
        try await onBlockingPool { [store] in
            do {
                let source = try decompressing(FileSource(try store.blobs.open(digest))).source
                return try TarReader(source).beginsWithHeader()
            } catch is ArchiveError {
                return false
            }
        }
    }

    /// A file of a web server that is to be a Dockerfile.
    private func content(of source: HTTPSource, in context: BuildContext) async throws -> [UInt8] {
        let found = try await context.downloads.resolve(source)
        let download = try await context.downloads.fetch(source, expecting: found.digest)
        return try await dockerfile(
            in: download.digest,
            size: download.size,
            name: escapedForDisplay(withoutCredentials(source.url))
        )
    }

    private func dockerfile(in digest: Digest, size: Int64, name: String) async throws -> [UInt8] {
        guard size <= Int64(Dockerfile.maximumSize) else {
            throw BuildError.dockerfileTooLarge(name, limit: Dockerfile.maximumSize)
        }
        return try await store.blobs.read(digest, limit: Dockerfile.maximumSize)
    }

    /// The files that a node gives.
    private func files(of node: Output, in context: BuildContext, _ progress: BuildSteps) async throws -> FileTree {
        let definition = Definition(target: node, sources: SourceMap(files: [], places: [:]))
        return try await solve([definition], origins: [:], in: context, progress).trees.first ?? .empty
    }
}
