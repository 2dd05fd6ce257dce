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

extension Build {
    /// Finds the context of the request and brings it here.
    func context() async throws -> BuildContext {
        var context = BuildContext()
        switch request.context {
        case .directory(let path):
            context.directory = try await onBlockingPool { try ContextDirectory(path) }
            // As clients of BuildKit offer them.
            for name in [BuildOptions().contextName, "dockerfile"] { reads.add(directory: name) }
        case .stream(let stream): try await read(stream, into: &context)
        case .offered: break
        case .graph(let definition): context.node = definition.target
        case .address(let address):
            if let source = try repository(at: address) {
                let name = "[internal] load git source " + withoutCredentials(address)
                context.node = try Output.git(source, metadata: Metadata(name: name))
            } else {
                try await download(address, into: &context)
            }
        }
        try await addNamedContexts(to: &context)
        if let node = context.node, request.dockerfile.isInContext {
            let graph = Definition(target: node)
            reads.add(graph)
            let solved = try await solve(work(of: [graph]))
            context.tree = solved.trees.first ?? .empty
            context.known = solved.outputs
        }
        if let path = request.contextSubdirectory, let node = context.node {
            context.node = try Self.part(path, of: node)
        }
        return context
    }

    /// The files of a directory of a context.
    private static func part(_ path: [UInt8], of context: Output) throws -> Output {
        var copy = FileCopy(source: cleanedPath("/" + path), destination: "/")
        copy.copiesDirectoryContents = true
        return try Output.file(on: nil, [.copy(copy, from: .output(context))])
    }

    // MARK: Kinds of contexts

    /// The repository that an address names; nil where it names a file.
    func repository(at address: [UInt8]) throws -> GitSource? {
        // Kept for those who still write it; it is a directory's name as well.
        let isShort = address.starts(with: "github.com/".utf8)
        guard var source = try GitSource(parsing: isShort ? "https://" + address : address) else {
            guard isShort else { return nil }
            throw BuildError.contextAddress(escapedForDisplay(address), reason: "a repository's address ends in .git")
        }
        if request.hasTrueArgument("BUILDKIT_CONTEXT_KEEP_GIT_DIR") { source.keepsGitDirectory = true }
        return source
    }

    private func download(_ address: [UInt8], into context: inout BuildContext) async throws {
        var source = HTTPSource(url: address)
        source.file.name = Self.contextFile
        source = try HTTPSource(try await admitted(source.source, platform: nil))
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
            context.dockerfile = try await content(of: source)
            context.node = file
        }
    }

    private func read(_ stream: StandardStream, into context: inout BuildContext) async throws {
        let (digest, size) = try await progress.step("[internal] load build context from standard input") { step in
            try await step.withStatus("transferring context:") { report in
                try await store.blobs.ingest(in: snapshots.lease) { writer in
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
        var source = HTTPSource(url: "http://buildkit-session/\(digest.hex)")
        source.file.name = Self.contextFile
        downloads.provide(digest, size: size, at: source.url)
        let name: [UInt8] = "[internal] load remote build context"
        context.node = try unpacked(try Output.http(source, metadata: Metadata(name: name)))
    }

    /// How BuildKit names the file that a context arrives in.
    static let contextFile: [UInt8] = "context"

    /// The files of an archive.
    private func unpacked(_ file: Output) throws -> Output {
        var copy = FileCopy(source: "/context", destination: "/")
        copy.unpacksArchives = true
        let name: [UInt8] = "copy /context /"
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
    func content(of source: HTTPSource) async throws -> [UInt8] {
        let source = try HTTPSource(try await admitted(source.source, platform: nil))
        reads.add(Definition(target: try Output.http(source)))
        let found = try await downloads.resolve(source)
        let download = try await downloads.fetch(source, expecting: found.digest)
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
}
