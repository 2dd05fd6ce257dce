import BuildGraph
import LLB
import LinuxSystem
import OCI
import Snapshots
import Storage
import SystemPackage
internal import Text

/// Brings in one blob of a registry or of a layout as a file.
///
/// Left out of the key: where the blob is, because its digest stands for it.
struct BlobOperation: VertexOperation {
    let source: ImageBlobSource
    let environment: OperationEnvironment

    private var name: [UInt8] {
        source.file.name.flatMap(HTTPSource.safeName) ?? Array(source.digest.hex.utf8)
    }

    func cacheMap(_ context: OperationContext) async throws -> CacheMap<BuildOutput> {
        CacheMap(components: [
            KeyComponent("kind", "blob"), KeyComponent("content", source.digest), KeyComponent("file name", name),
            KeyComponent("mode", String(source.file.mode, radix: 8)),
            KeyComponent("owner", "\(source.file.user):\(source.file.group)"),
        ])
    }

    func run(_ inputs: [BuildOutput], _ context: OperationContext) async throws -> [BuildOutput] {
        try await environment.images.fetchBlob(source)
        return [
            .tree(
                try await environment.tree(
                    of: source.digest,
                    as: name,
                    like: source.file,
                    modified: FileTime(seconds: 0)
                )
            )
        ]
    }
}

extension OperationEnvironment {
    /// The tree of one file.
    /// - Parameters:
    ///   - blob: its content, which is in the store.
    ///   - name: is safe as a last component.
    ///   - file: its attributes.
    ///   - modified: its time.
    /// - Returns: the tree.
    /// - Throws: what reading the blob and writing the file throws.
    func tree(
        of blob: OCI.Digest,
        as name: [UInt8],
        like file: SourceFile,
        modified: FileTime
    ) async throws -> FileTree {
        let (_, layer) = try await snapshots.withActiveSnapshot(on: .empty) { active in
            try await onCancellablePool { [store] isCancelled in
                let root = try RootedDirectory(active.root)
                let made = try root.open(
                    FilePath(bytes: name),
                    [.writeOnly, .createNew, .noFollow],
                    mode: 0o600
                )
                let content = try BlobReader(blob, in: store.blobs)
                try withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 4096) { buffer in
                    while true {
                        if isCancelled() { throw CancellationError() }
                        let count = try content.read(into: buffer)
                        if count == 0 { return }
                        try made.write(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                    }
                }
                try made.changeOwner(user: file.user, group: file.group)
                try made.changeMode(file.mode)
                try made.setTimes(modified: modified)
            }
        }
        return FileTree(layers: [layer])
    }
}
