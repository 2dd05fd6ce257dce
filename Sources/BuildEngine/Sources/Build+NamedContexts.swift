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
            let shown = escapedForDisplay(name)
            let text = String(decoding: value, as: UTF8.self)
            let named: NamedContext
            if text == "docker-image://scratch" {
                named = .scratch
            } else if text.hasPrefix("docker-image://") {
                named = .image(
                    try ImageReference(parsing: String(text.dropFirst("docker-image://".count))).withDefaultTag
                )
            } else if text.hasPrefix("oci-layout://") {
                named = try await layout(value, named: name)
            } else if text.hasPrefix("input:"), let input = request.inputs[Array(value.dropFirst("input:".utf8.count))]
            {
                named = input.target.map { .tree($0) } ?? .scratch
            } else if let files = request.offeredFiles, text.hasPrefix("local:") {
                let directory = Array(value.dropFirst("local:".utf8.count))
                named = .tree(try await offered(directory, of: files, named: name))
            } else if ["target:", "input:"].contains(where: { text.hasPrefix($0) }) {
                throw BuildError.namedContext(
                    shown,
                    reason:
                        "contexts of the kind \(text.prefix { $0 != ":" }): are not supported by this version of Slipway"
                )
            } else if let source = try repository(at: value) {
                let title: [UInt8] = "[context \(shown)] \(escapedForDisplay(withoutCredentials(value)))"
                named = .tree(try Output.git(source, metadata: Metadata(name: title)))
            } else if BuildRequest.isAddress(value) {
                var source = HTTPSource(url: value)
                source.fileName = Self.contextFile
                let title: [UInt8] = "[context \(shown)] \(escapedForDisplay(withoutCredentials(value)))"
                named = .tree(try Output.http(source, metadata: Metadata(name: title)))
            } else {
                let path = request.workingDirectory.pushing(FilePath(bytes: value)).lexicallyNormalized()
                named = .tree(try await directory(path, named: name, &context))
            }
            do throws(OCIError) { try context.named.add(named, as: String(decoding: name, as: UTF8.self)) } catch {
                throw BuildError.namedContext(shown, reason: "invalid context name: \(error)")
            }
        }
    }

    /// An image of a layout directory, found by its tag now and by its digest from then on.
    private func layout(_ value: [UInt8], named name: [UInt8]) async throws -> NamedContext {
        let shown = escapedForDisplay(name)
        do {
            let address = try LayoutAddress(parsing: Array(value.dropFirst("oci-layout://".utf8.count)))
            let path = request.workingDirectory.pushing(address.path).lexicallyNormalized()
            let (layout, digest) = try await onBlockingPool {
                let layout = try ImageLayout(path)
                return (layout, try address.digest ?? layout.digest(ofTag: address.tag ?? "latest"))
            }
            images.add(LayoutImages(layout, snapshots: snapshots.snapshots), as: name)
            // The name that messages show; what the image is says its digest.
            let base = String(decoding: name, as: UTF8.self).split(separator: "::", maxSplits: 1)[0]
            let reference = try ImageReference(parsing: base.lowercased()).replacing(digest: digest)
            return .layout(reference, store: name)
        } catch {
            if error is CancellationError { throw error }
            throw BuildError.namedContext(shown, reason: "\(error)")
        }
    }

    /// A directory that the client offers, without what its own ignore file leaves out.
    private func offered(_ directory: [UInt8], of files: any LocalFiles, named name: [UInt8]) async throws -> Output {
        let shown = escapedForDisplay(name)
        let ignored = try await progress.step("[context \(shown)] load .dockerignore") { step in
            var source = LocalSource(name: directory)
            source.followPaths = [".dockerignore"]
            source.sharedKeyHint = "context:" + name + "-.dockerignore"
            let path = try await files.directory(for: source, step)
            return try await onBlockingPool { try ignoreFile(in: path) }
        }
        var source = LocalSource(name: directory)
        source.excludePatterns = ignored?.patterns ?? []
        source.sharedKeyHint = "context:" + name
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
