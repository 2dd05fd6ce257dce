import BuildGraph
import LLB
import LinuxSystem
import OCI
import RemoteSources
internal import Text

/// Brings in one file of a web server: the first half of `ADD URL`.
///
/// Left out of the key: the address, because the content and the file's name stand for it, credentials, and the keys
/// that must have signed it, which are checked each time.
struct HTTPOperation: VertexOperation {
    let source: HTTPSource
    let environment: OperationEnvironment

    func cacheMap(_ context: OperationContext) async throws -> CacheMap<BuildOutput> {
        // Also for what is in the cache: a signature that does not do must not let a build pass.
        try await environment.downloads.checkSignature(of: source, report: report(context))
        // With a checksum everything is known without asking anybody.
        let found =
            source.checksum == nil ? try await environment.downloads.resolve(source, report: report(context)) : nil
        return CacheMap(components: Self.key(of: source, found: found))
    }

    /// - Parameters:
    ///   - source: what is fetched.
    ///   - found: what the address leads to; nil where the source has a checksum.
    /// - Returns: what the key is made of.
    static func key(of source: HTTPSource, found: Download?) -> [KeyComponent] {
        var components = [
            KeyComponent("kind", "http"), KeyComponent("mode", String(source.file.mode, radix: 8)),
            KeyComponent("owner", "\(source.file.user):\(source.file.group)"),
        ]
        if let found {
            components += [
                KeyComponent("content", found.digest), KeyComponent("file name", found.fileName),
                KeyComponent("time", "\(found.modified)"),
            ]
        } else if let checksum = source.checksum {
            let name = source.file.name.flatMap(HTTPSource.safeName) ?? source.nameInAddress ?? []
            components += [KeyComponent("content", checksum), KeyComponent("file name", name)]
        }
        return components
    }

    func run(_ inputs: [BuildOutput], _ context: OperationContext) async throws -> [BuildOutput] {
        let expected: Digest
        if let checksum = source.checksum {
            expected = checksum
        } else {
            expected = try await environment.downloads.resolve(source).digest
        }
        let download = try await environment.downloads.fetch(source, expecting: expected, report: report(context))
        let modified = FileTime(seconds: download.modified)
        let tree = try await environment.tree(
            of: download.digest,
            as: download.fileName,
            like: source.file,
            modified: modified
        )
        return [.tree(tree)]
    }

    private func report(_ context: OperationContext) -> Downloads.Report {
        let started = context.now()
        return { received, total in
            context.report("downloading", current: received, total: total, started: started)
        }
    }
}
