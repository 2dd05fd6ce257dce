import ClientServices
import DockerfileFrontend
import DockerfileSyntax
import Images
import LLB
import LinuxSystem
import OCI
import Operations
import Snapshots
import SystemPackage
internal import Text

extension Build {
    /// Finds what the named contexts of the request are; directories are read in place, with their own ignore files.
    func addNamedContexts(to context: inout BuildContext) async throws {
        for (name, value) in request.namedContexts {
            let named = try await namedContext(name, value, &context)
            do throws(OCIError) { try context.named.add(named, as: String(decoding: name, as: UTF8.self)) } catch {
                throw BuildError.namedContext(
                    escapedForDisplay(name),
                    reason: "invalid context name: \(error)"
                )
            }
        }
    }

    private func namedContext(
        _ name: [UInt8],
        _ value: [UInt8],
        _ context: inout BuildContext
    ) async throws -> NamedContext {
        let shown = escapedForDisplay(name)
        if let image = Self.rest(of: value, after: "docker-image:") {
            return try await self.image(String(decoding: image, as: UTF8.self), named: name)
        }
        if let address = Self.rest(of: value, after: "oci-layout:") { return try await layout(address, named: name) }
        if let input = Self.rest(of: value, after: "input:"), let definition = request.inputs[Array(input)] {
            if let configuration = request.inputConfigurations[Array(input)] {
                return .result(definition.target, configuration)
            }
            return definition.target.map { .tree($0) } ?? .scratch
        }
        if let directory = Self.rest(of: value, after: "local:"), let files = request.offeredFiles {
            return .tree(try await offered(Array(directory), of: files, named: name))
        }
        for kind in ["target:", "input:"] where value.starts(with: kind.utf8) {
            throw BuildError.namedContext(
                shown,
                reason: "contexts of the kind \(kind) are not supported by this version of Slipway"
            )
        }
        let title: [UInt8] = "[context \(shown)] \(escapedForDisplay(withoutCredentials(value)))"
        if let source = try repository(at: value) {
            return .tree(try Output.git(source, metadata: Metadata(name: title)))
        }
        if BuildRequest.isAddress(value) {
            var source = HTTPSource(url: value)
            source.file.name = Self.contextFile
            return .tree(try Output.http(source, metadata: Metadata(name: title)))
        }
        let path = request.workingDirectory.pushing(FilePath(bytes: value)).lexicallyNormalized()
        return .tree(try await directory(path, named: name, &context))
    }

    /// What comes after the kind of a context; clients leave out the slashes.
    private static func rest(of value: [UInt8], after kind: String) -> ArraySlice<UInt8>? {
        guard value.starts(with: kind.utf8) else { return nil }
        let rest = value.dropFirst(kind.utf8.count)
        return rest.starts(with: "//".utf8) ? rest.dropFirst(2) : rest
    }

    /// An image, unless policies have something else in its place.
    private func image(_ text: String, named name: [UInt8]) async throws -> NamedContext {
        if text == "scratch" { return .scratch }
        let reference = try ImageReference(parsing: text).withDefaultTag
        let source = Source(identifier: "\(Source.imageScheme)://\(reference.description)")
        let allowed = try await admitted(source, platform: nil, asksClient: false)
        if allowed.scheme == Source.imageScheme { return .image(reference) }
        let shown = escapedForDisplay(withoutCredentials(allowed.identifier))
        let title: [UInt8] = "[context \(escapedForDisplay(name))] \(shown)"
        return .tree(Output(try Node(.source(allowed), metadata: Metadata(name: title))))
    }

    /// An image of a layout, found by its tag now and by its digest from then on.
    private func layout(_ value: ArraySlice<UInt8>, named name: [UInt8]) async throws -> NamedContext {
        let shown = escapedForDisplay(name)
        do {
            let address = try LayoutAddress(parsing: Array(value))
            let digest: Digest
            if let client = request.client {
                // A content store has no tags.
                guard let given = address.digest else {
                    throw BuildError.namedContext(shown, reason: "the image of a layout of the client needs a digest")
                }
                digest = given
                let id = BuildImages.layoutPrefix + String(decoding: address.path.bytes, as: UTF8.self)
                images.add(ClientLayout(try await client.content(id, session: nil)), as: name)
            } else {
                let path = request.workingDirectory.pushing(address.path).lexicallyNormalized()
                let layout = try await onBlockingPool { try ImageLayout(path) }
                digest = try await onBlockingPool {
                    try address.digest ?? layout.digest(ofTag: address.tag ?? "latest")
                }
                images.add(layout, as: name)
            }
            // The name that messages show; what the image is says its digest.
            let base = String(decoding: name, as: UTF8.self).split(separator: "::", maxSplits: 1)[0]
            let reference = try ImageReference(parsing: base.lowercased()).replacing(digest: digest)
            return .layout(reference, store: name)
        } catch {
            if error is CancellationError || error is BuildError { throw error }
            throw BuildError.namedContext(shown, reason: "\(error)")
        }
    }

    /// A directory that the client offers, without what its own ignore file leaves out.
    private func offered(_ directory: [UInt8], of files: any LocalFiles, named name: [UInt8]) async throws -> Output {
        let shown = escapedForDisplay(name)
        let ignored = try await progress.step("[context \(shown)] load .dockerignore") { step in
            var source = LocalSource(name: directory)
            source.followPaths = [".dockerignore"]
            source.session = request.localSessions[directory] ?? []
            source.comparesMetadata = false
            source.sharedKeyHint = "context:" + name + "-.dockerignore"
            let path = try await files.directory(for: source, step).path
            return try await onBlockingPool { try ignoreFile(in: path) }
        }
        var source = LocalSource(name: directory)
        source.excludePatterns = ignored?.patterns ?? []
        source.sharedKeyHint = "context:" + name + "-" + (request.directoryKeys[name] ?? [])
        source.session = request.localSessions[directory] ?? []
        return try Output.local(source, metadata: Metadata(name: Array("[context \(shown)] load from client".utf8)))
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func ignoreFile(in path: FilePath) throws -> IgnoreFile? {
        let file = try ContextDirectory(path).readIgnoreFile(for: .inContext("Dockerfile"))
        return try file.map { try IgnoreFile(parsing: $0.bytes) }
    }

    private func directory(
        _ path: FilePath,
        named name: [UInt8],
        _ context: inout BuildContext
    ) async throws -> Output {
        let shown = escapedForDisplay(name)
        var source = LocalSource(name: "context:" + name)
        let ignored = try await progress.step("[context \(shown)] load .dockerignore") { _ in
            try await onBlockingPool { try ignoreFile(in: path) }
        }
        source.excludePatterns = ignored?.patterns ?? []
        source.sharedKeyHint = source.name
        context.namedDirectories[source.name] = path
        return try Output.local(source, metadata: Metadata(name: "[context \(shown)] load from client"))
    }
}
