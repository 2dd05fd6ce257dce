import DockerfileFrontend
import DockerfileSyntax
import LLB
import LinuxSystem
import OCI
import SystemPackage

extension BuildEngine {
    /// What the named contexts of a request are; directories are read in place, with their own ignore files.
    func prepareNamedContexts(
        _ request: BuildRequest,
        _ context: inout BuildContext,
        _ progress: BuildSteps
    ) async throws {
        for (name, value) in request.namedContexts {
            let shown = escapedForDisplay(name)
            let text = String(decoding: value, as: UTF8.self)
            let named: NamedContext
            if text.hasPrefix("docker-image://") {
                named = .image(
                    try ImageReference(parsing: String(text.dropFirst("docker-image://".count))).withDefaultTag
                )
            } else if ["oci-layout://", "target:", "input:"].contains(where: { text.hasPrefix($0) }) {
                throw BuildError.namedContext(
                    shown,
                    reason:
                        "contexts of the kind \(text.prefix { $0 != ":" }): are not supported by this version of Slipway"
                )
            } else if let source = try repository(at: value, request) {
                let title = Array("[context \(shown)] \(escapedForDisplay(withoutCredentials(value)))".utf8)
                named = .tree(try Output.git(source, metadata: Metadata(name: title)))
            } else if BuildRequest.isAddress(value) {
                var source = HTTPSource(url: value)
                source.fileName = Self.contextFile
                let title = Array("[context \(shown)] \(escapedForDisplay(withoutCredentials(value)))".utf8)
                named = .tree(try Output.http(source, metadata: Metadata(name: title)))
            } else {
                let path = request.workingDirectory.pushing(FilePath(bytes: value)).lexicallyNormalized()
                named = .tree(try await directory(path, named: name, &context, progress))
            }
            do throws(OCIError) { try context.named.add(named, as: String(decoding: name, as: UTF8.self)) } catch {
                throw BuildError.namedContext(shown, reason: "invalid context name: \(error)")
            }
        }
    }

    private func directory(
        _ path: FilePath,
        named name: [UInt8],
        _ context: inout BuildContext,
        _ progress: BuildSteps
    ) async throws -> Output {
        let shown = escapedForDisplay(name)
        var source = LocalSource(name: Array("context:".utf8) + name)
        let ignored = try await progress.step("[context \(shown)] load .dockerignore") { _ in
            try await onBlockingPool { () throws -> IgnoreFile? in
                let file = try ContextDirectory(path).readIgnoreFile(for: .inContext("Dockerfile"))
                return try file.map { try IgnoreFile(parsing: $0.bytes) }
            }
        }
        source.excludePatterns = ignored?.patterns ?? []
        source.sharedKeyHint = source.name
        context.namedDirectories[source.name] = path
        return try Output.local(source, metadata: Metadata(name: Array("[context \(shown)] load from client".utf8)))
    }
}
