import Archive
import Glibc
import LinuxSystem
import SystemPackage

/// Extracts archives that `ADD` copies, told by their content: tar, plain or compressed with gzip, bzip2, xz or zstd.
struct ArchiveUnpacker {
    let source: SourceTree
    let destination: RootedDirectory
    /// Whom everything belongs to; nil keeps what the archive says.
    let owner: NumericOwner?

    /// Extracts a file below a directory, which is made.
    /// - Returns: false for a file that is no archive: it is to be copied.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func unpack(_ match: Selection.Match, to directory: [UInt8]) throws -> Bool {
        guard try isArchive(match.path) else { return false }
        try DirectoryMaker(root: destination, mode: 0o755, owner: owner, timestamp: nil).make(directory)
        let target = try TreePath.resolve(directory, in: destination, followsLast: true)
        let root = try destination.openDirectory(target.resolved.filePath)
        let extractor = LayerExtractor(
            root: root,
            mode: .plain(owner: owner.map { LayerExtractor.Owner(user: $0.user, group: $0.group) })
        )
        _ = try extractor.extract(try decompressing(FileSource(try open(match.path))).source)
        return true
    }

    /// As docker decides: what decompresses and begins with the header of a tar entry.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func isArchive(_ path: [UInt8]) throws -> Bool {
        let file = try open(path)
        do {
            return try TarReader(try decompressing(FileSource(file)).source).beginsWithHeader()
        } catch is ArchiveError {
            return false
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func open(_ path: [UInt8]) throws(SystemCallError) -> OpenFile {
        try source.root.open(path.filePath, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
    }
}
