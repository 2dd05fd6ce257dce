import Archive
import LinuxSystem
import SystemPackage
internal import Text

/// Extracts archives that `ADD` copies, told by their content: tar, plain or compressed with gzip, bzip2, xz or zstd.
struct ArchiveUnpacker {
    let source: SourceTree
    let destination: RootedDirectory
    /// Whom everything belongs to; nil keeps what the archive says.
    let owner: NumericOwner?
    /// Where an archive that changes is copied to first; nil extracts it where it is.
    var scratch: FilePath?

    /// An archive changed while it was extracted: what was made of it is to be thrown away, and a copy to be extracted.
    struct ArchiveChanged: Error {}

    /// Extracts a file below a directory, which is made.
    /// - Returns: false for a file that is no archive: it is to be copied.
    /// - Throws: `ArchiveChanged`; what reading the archive throws.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func unpack(_ match: Selection.Match, to directory: [UInt8]) throws -> Bool {
        let read = try read(match)
        guard try isArchive(read.path, read.root) else { return false }
        try DirectoryMaker(root: destination, mode: 0o755, owner: owner, timestamp: nil).make(directory)
        let target = try TreePath.resolve(directory, in: destination, followsLast: true)
        let root = try destination.openDirectory(target.resolved.filePath)
        let extractor = LayerExtractor(
            root: root,
            mode: .plain(owner: owner.map { LayerExtractor.Owner(user: $0.user, group: $0.group) })
        )
        let archive = try open(read.path, read.root)
        let before = try archive.status()
        do {
            _ = try extractor.extract(try decompressing(FileSource(archive)).source)
        } catch let error as ArchiveError {
            // One that is still being written ends early.
            if scratch == nil, source.record != nil, Stamp(try archive.status()) != Stamp(before) {
                throw ArchiveChanged()
            }
            throw error
        }
        try takeDown(match, archive, before, read.root)
        return true
    }

    /// Where the archive is read: where it is, or in a copy of it.
    private func read(_ match: Selection.Match) throws -> (path: [UInt8], root: RootedDirectory) {
        guard let scratch, source.record != nil else { return (match.path, source.root) }
        let original = try open(match.path, source.root)
        let name: [UInt8] = "archive"
        let root = try RootedDirectory(scratch)
        if try root.statusIfPresent(name.filePath) != nil { try root.remove(name.filePath) }
        let copy = try root.open(name.filePath, [.writeOnly, .createNew], mode: 0o600)
        try FileContentCopier().copy(original, status: try original.status(), to: copy)
        return (name, root)
    }

    /// Notes which archive was extracted.
    private func takeDown(
        _ match: Selection.Match,
        _ archive: OpenFile,
        _ before: FileStatus,
        _ root: RootedDirectory
    ) throws {
        guard let record = source.record else { return }
        let parent = try source.root.open(match.path.parentPath.filePath, [.pathOnly, .directory])
        let entry = TreeEntry(
            parent: parent,
            file: nil,
            name: match.path.lastComponent,
            path: match.path,
            relative: [],
            status: match.status
        )
        let number = record.begin(ContentItem(entry, match: match.name, takesContents: false))
        var status = before
        if scratch == nil {
            let after = try archive.status()
            if record.confirm(number, before: before, after: after) { return }
            guard Stamp(after) == Stamp(before) else { throw ArchiveChanged() }
        } else {
            // Owner and mode are the original's; the copy is only for its bytes.
            status = match.status
            status.size = before.size
        }
        let original = try open(match.path, scratch == nil ? root : source.root)
        try archive.seek(to: 0)
        let digests = FileDigests(
            content: try digestContent(of: archive, size: before.size),
            attributes: digest(of: try copiedAttributes(of: original))
        )
        if scratch == nil, !record.isExpected(match.path, digests) { throw ArchiveChanged() }
        record.copied(number, as: status, digests)
    }

    /// As docker decides: what decompresses and begins with the header of a tar entry.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func isArchive(_ path: [UInt8], _ root: RootedDirectory) throws -> Bool {
        let file = try open(path, root)
        do {
            return try TarReader(try decompressing(FileSource(file)).source).beginsWithHeader()
        } catch is ArchiveError {
            return false
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func open(_ path: [UInt8], _ root: RootedDirectory) throws(SystemCallError) -> OpenFile {
        try root.open(path.filePath, [.readOnly, .noFollow, .nonBlocking])
    }
}
