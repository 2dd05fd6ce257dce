import BuildGraph
import LLB
import LinuxSystem
import OCI
import RemoteSources
import Snapshots
import Storage
import SystemPackage
internal import Text

/// Brings in one file of a web server: the first half of `ADD URL`.
///
/// Left out of the key: the address, because the content and the file's name stand for it, and credentials.
struct HTTPOperation: VertexOperation {
    let source: HTTPSource
    let environment: OperationEnvironment

    func cacheMap(_ context: OperationContext) async throws -> CacheMap<BuildOutput> {
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
            KeyComponent("kind", "http"), KeyComponent("mode", String(permissions(of: source), radix: 8)),
            KeyComponent("owner", "\(source.user):\(source.group)"),
        ]
        if let found {
            components += [
                KeyComponent("content", found.digest), KeyComponent("file name", found.fileName),
                KeyComponent("time", "\(found.modified)"),
            ]
        } else if let checksum = source.checksum {
            let name = source.fileName.flatMap(HTTPSource.safeName) ?? source.nameInAddress ?? []
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
        let (_, layer) = try await environment.snapshots.withActiveSnapshot(on: .empty) { active in
            try await onCancellablePool { [source, environment] isCancelled in
                let root = try RootedDirectory(active.root)
                let path = FilePath(bytes: download.fileName)
                let file = try root.open(path, [.writeOnly, .createNew, .noFollow], mode: 0o600)
                let content = try BlobReader(download.digest, in: environment.store.blobs)
                try withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 4096) { buffer in
                    while true {
                        if isCancelled() { throw CancellationError() }
                        let count = try content.read(into: buffer)
                        if count == 0 { return }
                        try file.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                    }
                }
                try file.changeOwner(user: source.user, group: source.group)
                try file.changeMode(Self.permissions(of: source))
                try file.setTimes(modified: FileTime(seconds: download.modified))
            }
        }
        return [.tree(FileTree(layers: [layer]))]
    }

    private static func permissions(of source: HTTPSource) -> UInt32 { (source.permissions ?? 0o600) & 0o7777 }

    private func report(_ context: OperationContext) -> Downloads.Report {
        let started = context.now()
        return { received, total in
            context.report("downloading", current: received, total: total, started: started)
        }
    }
}
