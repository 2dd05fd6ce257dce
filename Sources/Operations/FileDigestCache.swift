internal import Archive
internal import Crypto
internal import Glibc
internal import LinuxSystem
internal import SystemPackage

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

/// Tells the digests of files, perhaps without reading them.
protocol FileDigestCache: Sendable {
    /// The digests of some files, in their order.
    func digests(of files: [FileToDigest], in tree: SourceTree) async throws -> [FileDigests]
}

/// Reads every file.
///
/// For trees that do not change and are digested once.
struct UncachedFileDigests: FileDigestCache {
    func digests(of files: [FileToDigest], in tree: SourceTree) async throws -> [FileDigests] {
        try await digestInParallel(files, in: tree)
    }
}

/// Digests files on a few threads at a time.
func digestInParallel(_ files: [FileToDigest], in tree: SourceTree) async throws -> [FileDigests] {
    let chunk = 256
    let starts = Array(stride(from: 0, to: files.count, by: chunk))
    return try await withThrowingTaskGroup(of: (Int, [FileDigests]).self) { group in
        var results = [[FileDigests]](repeating: [], count: starts.count)
        var next = 0
        func add() {
            guard next < starts.count else { return }
            let number = next
            let slice = Array(files[starts[number]..<min(starts[number] + chunk, files.count)])
            next += 1
            group.addTask { (number, try await onCancellablePool { try digest(slice, in: tree, $0) }) }
        }
        for _ in 0..<4 { add() }
        while let (number, digests) = try await group.next() {
            results[number] = digests
            add()
        }
        return Array(results.joined())
    }
}

@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
private func digest(
    _ files: [FileToDigest],
    in tree: SourceTree,
    _ isCancelled: @Sendable () -> Bool
) throws -> [FileDigests] {
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 4096)
    defer { buffer.deallocate() }
    var parent: (path: [UInt8], file: OpenFile)?
    return try files.map { file in
        switch file.status.type {
        case .symbolicLink, .characterDevice, .blockDevice, .fifo, .socket: return FileDigests()
        case .regular, .directory: break
        }
        let directory = file.path.parentPath
        if parent?.path != directory {
            parent = (directory, try tree.root.open(directory.filePath, O_PATH | O_DIRECTORY))
        }
        let name = file.path.isEmpty ? [UInt8(ascii: ".")] : file.path.lastComponent
        guard let open = try parent?.file.openEntry(named: name, O_RDONLY | O_NONBLOCK) else { return FileDigests() }
        let status = try open.status()
        guard status.type == file.status.type, status.inode == file.status.inode else {
            throw OperationError.changedDuringBuild(file.path)
        }
        var digests = FileDigests()
        if status.type == .regular {
            digests.content = try digestContent(of: open, size: status.size, buffer, isCancelled)
        }
        let attributes = try portableAttributes(of: open)
        if !attributes.isEmpty {
            var hasher = SHA256()
            for (name, value) in attributes {
                for field in [name, value] {
                    hasher.update(data: UInt64(field.count).littleEndianBytes)
                    hasher.update(data: field)
                }
            }
            digests.attributes = Array(hasher.finalize())
        }
        return digests
    }
}

@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
private func digestContent(
    of file: OpenFile,
    size: Int64,
    _ buffer: UnsafeMutableRawBufferPointer,
    _ isCancelled: @Sendable () -> Bool
) throws -> [UInt8] {
    var hasher = SHA256()
    var remaining = size
    repeat {
        // A file may be of any size, and whoever gives up must not wait for its end.
        if isCancelled() { throw CancellationError() }
        let count = try file.read(into: buffer)
        if count == 0 { break }
        hasher.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
        remaining -= Int64(count)
        // Files of the kernel's file systems say that they are empty: they are read to their end.
    } while remaining != 0
    return Array(hasher.finalize())
}
