package import Archive
import Glibc
import LinuxSystem
import Snapshots
import Storage
package import SystemPackage

/// One end of a copy: a path, on the host or in a container.
package struct CopyEnd: Sendable {
    /// A directory that paths are looked up in, with itself as their root.
    let root: RootedDirectory
    let path: FilePath
    /// Whether the path was written with `/` or `/.` at its end.
    let namesDirectory: Bool
    let namesContents: Bool

    init(root: RootedDirectory, path: FilePath, written bytes: [UInt8]) {
        self.root = root
        self.path = path
        namesDirectory = bytes.last == UInt8(ascii: "/")
        namesContents = bytes.elementsEqual(".".utf8) || bytes.suffix(2).elementsEqual("/.".utf8)
    }
}

/// Why something could not be copied, in docker's words.
package enum CopyError: Error, Hashable, CustomStringConvertible {
    case notFound([UInt8])
    case noParentDirectory([UInt8])
    case directoryMustExist([UInt8])
    case cannotCopyDirectory
    case notDirectory([UInt8])

    package var description: String {
        switch self {
        case .notFound(let path): "could not find the file \(escapedForDisplay(path))"
        case .noParentDirectory(let path), .directoryMustExist(let path):
            "no such directory: \(escapedForDisplay(path))"
        case .cannotCopyDirectory: "cannot copy directory"
        case .notDirectory(let path): "not a directory: \(escapedForDisplay(path))"
        }
    }
}

/// Copies files as `cp -a` does, with each end looked up in its own root: no link of the one leads into the other.
package struct FileCopy: Sendable {
    /// Follows a link that the source itself is.
    package var followsLink = false
    /// Who the copies belong to; nil keeps the numbers of the source.
    package var owner: LayerExtractor.Owner?
    /// Asked between files; true ends the copy with `CancellationError`.
    private var isCancelled: @Sendable () -> Bool = { false }
    /// A directory for what passes through.
    private let scratch: FilePath

    package init(scratch: FilePath) { self.scratch = scratch }

    /// The same copy, given up with `CancellationError` once the question is answered with true.
    package func cancelled(by question: @escaping @Sendable () -> Bool) -> FileCopy {
        var copy = self
        copy.isCancelled = question
        return copy
    }

    /// Copies one end to the other.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func run(from source: CopyEnd, to destination: CopyEnd) throws {
        let (path, status) = try find(source)
        let existing = try followed(destination)
        guard status.type == .directory else {
            if source.namesDirectory || source.namesContents { throw CopyError.notDirectory(source.path.bytes) }
            let (directory, name) = try placeOfFile(path, destination, existing)
            return try pass({ try write(path, status, as: name, of: source.root, to: $0) }, into: directory)
        }
        let directory = try placeOfDirectory(path, status, source, destination, existing)
        let tree = try source.root.openDirectory(path)
        try pass({ try writeTreeArchive(of: [([], tree)], to: $0, isCancelled: isCancelled) }, into: directory)
    }

    /// Writes an end as an archive with its last name at the top.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func write(_ source: CopyEnd, to sink: any ByteSink) throws {
        let (path, status) = try find(source)
        let name = lastName(of: path)
        guard status.type == .directory else { return try write(path, status, as: name, of: source.root, to: sink) }
        let file = try temporaryFile()
        let tree = try source.root.openDirectory(path)
        try writeTreeArchive(of: [([], tree)], to: FileSink(file), isCancelled: isCancelled)
        try file.seek(to: 0)
        let reader = TarReader(FileSource(file))
        let writer = TarWriter(sink)
        let top = name.isEmpty ? [] : name + [UInt8(ascii: "/")]
        if !name.isEmpty { try writer.begin(entry(status, as: name, .directory)) }
        while var entry = try reader.next() {
            entry.path = top + entry.path
            if case .hardLink(let target) = entry.kind { entry.kind = .hardLink(target: top + target) }
            try writer.begin(entry)
            while let content = try reader.nextContent() { try writer.write(content.bytes) }
        }
        try writer.finish()
    }

    /// Extracts an archive into a directory.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func run(from archive: any ByteSource, to destination: CopyEnd) throws {
        guard let existing = try followed(destination) else {
            throw CopyError.directoryMustExist(destination.path.bytes)
        }
        guard existing.status.type == .directory else { throw CopyError.notDirectory(destination.path.bytes) }
        try extract(archive, into: try destination.root.openDirectory(existing.path))
    }

    // MARK: Places

    private func find(_ source: CopyEnd) throws -> (path: FilePath, status: FileStatus) {
        guard let status = try source.root.statusIfPresent(source.path) else {
            throw CopyError.notFound(source.path.bytes)
        }
        let follows = followsLink || source.namesDirectory || source.namesContents
        guard status.type == .symbolicLink, follows else { return (source.path, status) }
        guard let found = try followed(source) else { throw CopyError.notFound(source.path.bytes) }
        return found
    }

    /// What the last component leads to, if it is there.
    private func followed(_ end: CopyEnd) throws -> (path: FilePath, status: FileStatus)? {
        var path = end.path
        for _ in 0..<40 {
            guard let status = try end.root.statusIfPresent(path) else { return nil }
            guard status.type == .symbolicLink else { return (path, status) }
            path = path.removingLastComponent().pushing(FilePath(bytes: try end.root.readLink(path)))
        }
        throw SystemCallError("openat2", path: end.path, errno: .tooManySymbolicLinkLevels)
    }

    private func parent(of end: CopyEnd) throws -> RootedDirectory {
        let path = end.path.removingLastComponent()
        guard let status = try followed(CopyEnd(root: end.root, path: path, written: [])) else {
            throw CopyError.noParentDirectory(path.bytes)
        }
        guard status.status.type == .directory else { throw CopyError.notDirectory(path.bytes) }
        return try end.root.openDirectory(status.path)
    }

    private func placeOfFile(
        _ source: FilePath,
        _ destination: CopyEnd,
        _ existing: (path: FilePath, status: FileStatus)?
    ) throws -> (RootedDirectory, [UInt8]) {
        if let existing {
            if existing.status.type == .directory {
                return (try destination.root.openDirectory(existing.path), lastName(of: source))
            }
            if destination.namesDirectory { throw CopyError.notDirectory(destination.path.bytes) }
            let end = CopyEnd(root: destination.root, path: existing.path, written: [])
            return (try parent(of: end), lastName(of: existing.path))
        }
        if destination.namesDirectory { throw CopyError.directoryMustExist(destination.path.bytes) }
        return (try parent(of: destination), lastName(of: destination.path))
    }

    private func placeOfDirectory(
        _ path: FilePath,
        _ status: FileStatus,
        _ source: CopyEnd,
        _ destination: CopyEnd,
        _ existing: (path: FilePath, status: FileStatus)?
    ) throws -> RootedDirectory {
        var place = destination.path
        if let existing {
            guard existing.status.type == .directory else { throw CopyError.cannotCopyDirectory }
            place = existing.path
            if !source.namesContents, let name = path.lastComponent { place.append(name) }
        } else {
            _ = try parent(of: destination)
        }
        switch try destination.root.statusIfPresent(place)?.type {
        case nil:
            try destination.root.createDirectory(place)
            let user = owner?.user ?? status.userID
            try destination.root.changeOwner(place, user: user, group: owner?.group ?? status.groupID)
            try destination.root.changeMode(place, UInt32(status.mode & 0o7777))
        case .directory?: break
        case .some: throw CopyError.cannotCopyDirectory
        }
        return try destination.root.openDirectory(place)
    }

    private func lastName(of path: FilePath) -> [UInt8] {
        path.lastComponent.map { FilePath(root: nil, [$0]).bytes } ?? []
    }

    // MARK: Moving

    /// Passes an archive through a file that has no name, so that the copy is never half read and half written over itself.
    private func pass(_ write: (any ByteSink) throws -> Void, into directory: RootedDirectory) throws {
        let file = try temporaryFile()
        try write(FileSink(file))
        try file.seek(to: 0)
        try extract(FileSource(file), into: directory)
    }

    /// A file without a name.
    ///
    /// See O_TMPFILE in open(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func temporaryFile() throws(SystemCallError) -> OpenFile {
        let O_TMPFILE = 0o20_000_000 | O_DIRECTORY
        return try OpenFile.open(scratch, O_RDWR | O_TMPFILE, mode: 0o600)
    }

    private func entry(_ status: FileStatus, as name: [UInt8], _ kind: TarEntry.Kind) -> TarEntry {
        TarEntry(
            path: name,
            kind: kind,
            mode: status.mode,
            userID: status.userID,
            groupID: status.groupID,
            modified: status.modified
        )
    }

    private func extract(_ source: any ByteSource, into directory: RootedDirectory) throws {
        var extractor = LayerExtractor(root: directory, mode: .plain(owner: owner))
        extractor.isCancelled = isCancelled
        _ = try extractor.extract(source)
    }

    private func write(
        _ path: FilePath,
        _ status: FileStatus,
        as name: [UInt8],
        of root: RootedDirectory,
        to sink: any ByteSink
    ) throws {
        let writer = TarWriter(sink)
        var entry = entry(status, as: name, .regular)
        if status.type == .symbolicLink {
            entry.kind = .symbolicLink(target: try root.readLink(path))
            try writer.begin(entry)
        } else {
            let file = try root.open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW)
            guard try file.status().type == .regular else { throw CopyError.notFound(path.bytes) }
            entry.size = status.size
            try writer.begin(entry)
            try FileSource(file).copy(to: EntrySink(writer))
        }
        try writer.finish()
    }
}

/// The content of one entry of an archive.
private final class EntrySink: ByteSink {
    private let writer: TarWriter
    init(_ writer: TarWriter) { self.writer = writer }
    func write(_ bytes: UnsafeRawBufferPointer) throws { try writer.write(bytes) }
}

extension ContainerStore {
    /// Lends a path of a container: in the container as it runs, or in its files where it does not.
    package func withFiles<Value: Sendable>(
        of container: ContainerRecord,
        at bytes: [UInt8],
        _ body: (CopyEnd) async throws -> Value
    ) async throws -> Value {
        let path = FilePath("/").pushing(FilePath(bytes: bytes)).lexicallyNormalized()
        func end(at root: FilePath) async throws -> CopyEnd {
            try await onBlockingPool { CopyEnd(root: try RootedDirectory(root), path: path, written: bytes) }
        }
        if container.state.status == .running {
            guard let process = try await firstProcess(of: container) else {
                throw ContainerError.notRunning(id: container.id)
            }
            return try await body(try await end(at: FilePath("/proc/\(process)/root")))
        }
        let directory = directory(of: container.id)
        let root = directory.appending("root")
        return try await store.withLease { _ in
            try await snapshots.mount(
                FileTree(layers: container.configuration.layers),
                writing: directory.appending("fs"),
                work: directory.appending("work"),
                at: root
            )
            let result: Result<Value, any Error>
            do { result = .success(try await body(try await end(at: root))) } catch { result = .failure(error) }
            try await onBlockingPool { try unmount(root, lazy: true) }
            return try result.get()
        }
    }

    /// Lends a path of the host.
    package func withHostFiles<Value: Sendable>(
        at path: FilePath,
        written bytes: [UInt8],
        _ body: (CopyEnd) async throws -> Value
    ) async throws -> Value {
        let end = try await onBlockingPool {
            CopyEnd(root: try RootedDirectory("/"), path: path.lexicallyNormalized(), written: bytes)
        }
        return try await body(end)
    }

    /// What copies between containers and the host.
    package func fileCopy() async throws -> FileCopy {
        FileCopy(scratch: try await onBlockingPool { [store] in try store.temporaryDirectory() })
    }
}
