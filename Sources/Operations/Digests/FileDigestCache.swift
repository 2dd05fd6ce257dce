internal import Archive
internal import Hashing
internal import LinuxSystem
internal import Snapshots
internal import SystemPackage
import Tasks
internal import Text

/// The SHA-256 of what a file holds and of its extended attributes; nil for neither.
struct FileDigests: Hashable, Sendable {
    /// Of regular files.
    var content: [UInt8]?
    /// Of names and values of the attributes that are kept, where there are any.
    var attributes: [UInt8]?
}

/// A file whose content is wanted.
struct FileToDigest: Sendable {
    /// From the root of its tree, without links.
    let path: [UInt8]
    let status: FileStatus
}

/// A file as it was digested.
struct DigestedFile: Sendable {
    /// Before its content was read.
    let status: FileStatus
    let digests: FileDigests
}

/// Tells the digests of files, perhaps without reading them.
protocol FileDigestCache: Sendable {
    /// The digests of some files, in their order; nil for one that has vanished.
    func digests(of files: [FileToDigest], in tree: SourceTree) async throws -> [DigestedFile?]
}

/// Reads every file.
///
/// For trees that do not change and are digested once.
struct UncachedFileDigests: FileDigestCache {
    func digests(of files: [FileToDigest], in tree: SourceTree) async throws -> [DigestedFile?] {
        try await digestInParallel(files, in: tree)
    }
}

/// Digests files on a few threads at a time.
func digestInParallel(_ files: [FileToDigest], in tree: SourceTree) async throws -> [DigestedFile?] {
    let chunk = 256
    let starts = Array(stride(from: 0, to: files.count, by: chunk))
    let results = try await starts.mapConcurrently(limit: 4) { start in
        let slice = Array(files[start..<min(start + chunk, files.count)])
        return try await onCancellablePool { try digest(slice, in: tree, $0) }
    }
    return Array(results.joined())
}

@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
private func digest(
    _ files: [FileToDigest],
    in tree: SourceTree,
    _ isCancelled: @Sendable () -> Bool
) throws -> [DigestedFile?] {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4096)
    defer { buffer.deallocate() }
    var parent: (path: [UInt8], file: OpenFile)?
    return try files.map { file in
        switch file.status.type {
        case .symbolicLink, .characterDevice, .blockDevice, .fifo, .socket:
            return DigestedFile(status: file.status, digests: FileDigests())
        case .regular, .directory: break
        }
        let directory = file.path.parentPath
        let name = file.path.isEmpty ? "." : file.path.lastComponent
        let found = try ifPresent { () throws(SystemCallError) in
            if parent?.path != directory {
                parent = (directory, try tree.root.open(directory.filePath, [.pathOnly, .directory]))
            }
            return try parent?.file.openEntry(named: name, [.readOnly, .nonBlocking])
        }
        guard let open = found ?? nil else { return nil }
        let status = try open.status()
        // Something of another kind has the name now: it is not the file that was listed, which is gone.
        guard status.type == file.status.type else { return nil }
        var digests = FileDigests()
        if status.type == .regular {
            let content = try digestContent(of: open, size: status.size, buffer, isCancelled, sums: tree.sums != nil)
            digests.content = content.digest
            try tree.sums?.compare(file.path, content.sum)
        }
        digests.attributes = digest(of: try copiedAttributes(of: open))
        return DigestedFile(status: status, digests: digests)
    }
}

/// The digest of extended attributes; nil where there are none.
func digest(of attributes: [(name: [UInt8], value: [UInt8])]) -> [UInt8]? {
    if attributes.isEmpty { return nil }
    var hash = SecureHash()
    for (name, value) in attributes {
        for field in [name, value] {
            hash.update(UInt64(field.count).littleEndianBytes)
            hash.update(field)
        }
    }
    return hash.finalized()
}

/// The sum of a file's content; where it stands in the file does not change.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
func sumContent(of file: OpenFile) throws -> FileSum {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4096)
    defer { buffer.deallocate() }
    var counter = FileSum.Counter()
    while true {
        let count = try file.read(into: buffer, at: counter.count)
        if count == 0 { return counter.sum }
        counter.add(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
}

/// The SHA-256 of a file's content up to a size.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
func digestContent(of file: OpenFile, size: Int64) throws -> [UInt8] {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4096)
    defer { buffer.deallocate() }
    return try digestContent(of: file, size: size, buffer, { false }, sums: false).digest
}

/// The SHA-256 of a file's content up to a size, and if wanted its sum; of one that says that it is empty, to its end.
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
private func digestContent(
    of file: OpenFile,
    size: Int64,
    _ buffer: UnsafeMutableRawBufferPointer,
    _ isCancelled: @Sendable () -> Bool,
    sums: Bool
) throws -> (digest: [UInt8], sum: FileSum) {
    var hash = SecureHash()
    var counter = FileSum.Counter()
    var remaining = size
    repeat {
        // A file may be of any size, and a build that is given up must not wait for its end.
        if isCancelled() { throw CancellationError() }
        // Not beyond the size: one that grows would have no end.
        let wanted = remaining > 0 ? Int(min(remaining, Int64(buffer.count))) : buffer.count
        let count = try file.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<wanted]))
        if count == 0 { break }
        hash.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        if sums { counter.add(UnsafeRawBufferPointer(rebasing: buffer[..<count])) }
        remaining -= Int64(count)
        // Files of the kernel's file systems say that they are empty: they are read to their end.
    } while remaining != 0
    return (hash.finalized(), counter.sum)
}
