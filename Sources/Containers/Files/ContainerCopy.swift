package import Archive
package import LinuxSystem
import Snapshots
package import SystemPackage
internal import Text

/// What is at one end of a copy.
package struct CopyStatus: Sendable, Hashable {
    package let name: [UInt8]
    package let status: FileStatus
    /// Of a symbolic link, as it is written.
    package let linkTarget: [UInt8]
}

/// Copies files as `cp -a` does, with each end looked up in its own root: no link of the one leads into the other.
package struct ContainerCopy: Sendable {
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
    package func cancelled(by question: @escaping @Sendable () -> Bool) -> ContainerCopy {
        var copy = self
        copy.isCancelled = question
        return copy
    }

    /// Copies one end to the other.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func run(from source: CopyEnd, to destination: CopyEnd) throws {
        let found = try find(source)
        let place = try followed(destination)
        guard found.status.type == .directory else {
            if source.namesDirectory || source.namesContents { throw CopyError.notDirectory(source.path.bytes) }
            let (directory, name) = try placeOfFile(found.path, destination, place)
            return try pass({ try write(found, as: name, of: source.root, to: $0) }, into: directory)
        }
        let directory = try placeOfDirectory(found, source, destination, place)
        let tree = try source.root.openDirectory(found.path)
        try pass(
            { try writeTreeArchive(of: [([], tree)], to: $0, isLiving: true, isCancelled: isCancelled) },
            into: directory
        )
    }

    /// Writes an end as an archive with its last name at the top.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func write(_ source: CopyEnd, to sink: any ByteSink) throws {
        let found = try find(source)
        let name = source.namesContents ? "." : lastName(of: found.path)
        guard found.status.type == .directory else {
            return try write(found, as: name, of: source.root, to: sink, source.identities)
        }
        let file = try temporaryFile()
        let tree = try source.root.openDirectory(found.path)
        try writeTreeArchive(of: [([], tree)], to: FileSink(file), isLiving: true, isCancelled: isCancelled)
        try file.seek(to: 0)
        let reader = TarReader(FileSource(file))
        let writer = TarWriter(sink)
        let top = name.isEmpty ? [] : name + "/"
        if !name.isEmpty { try writer.begin(entry(found.status, as: name, .directory, source.identities)) }
        while var entry = try reader.next() {
            entry.path = top + entry.path
            source.identities.map { entry.setOwner(in: $0) }
            if case .hardLink(let target) = entry.kind { entry.kind = .hardLink(target: top + target) }
            try writer.begin(entry)
            while let content = try reader.nextContent() { try writer.write(content.bytes) }
        }
        try writer.finish()
    }

    /// Extracts an archive into a directory; compressed ones too, in whatever format their first bytes show.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func run(from archive: any ByteSource, to destination: CopyEnd) throws {
        let place = try followed(destination)
        guard let status = place.status else { throw CopyError.directoryMustExist(destination.path.bytes) }
        guard status.type == .directory else { throw CopyError.notDirectory(destination.path.bytes) }
        let directory = try destination.root.openDirectory(place.path)
        try extract(try decompressing(archive).source, into: directory, destination.identities)
    }

    /// What is at an end, of which nothing is followed unless the path says so.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func status(of end: CopyEnd) throws -> CopyStatus {
        let found = try find(end)
        let target = found.status.type == .symbolicLink ? try end.root.readLink(found.path) : []
        let name = lastName(of: end.path)
        return CopyStatus(name: name.isEmpty ? "/" : name, status: found.status, linkTarget: target)
    }

    // MARK: Places

    /// Where a path ends once links are followed, and what is there.
    private struct Place {
        let path: FilePath
        /// Nil where nothing is there: where a link leads to nothing, a copy is made where it leads to.
        let status: FileStatus?
    }

    /// What is copied.
    private struct Found {
        let path: FilePath
        let status: FileStatus
    }

    private func find(_ source: CopyEnd) throws -> Found {
        guard let status = try source.root.statusIfPresent(source.path) else {
            throw CopyError.notFound(source.path.bytes)
        }
        let follows = followsLink || source.namesDirectory || source.namesContents
        guard status.type == .symbolicLink, follows else { return Found(path: source.path, status: status) }
        let place = try followed(source)
        guard let status = place.status else { throw CopyError.notFound(source.path.bytes) }
        return Found(path: place.path, status: status)
    }

    private func followed(_ end: CopyEnd) throws -> Place {
        var path = end.path
        for _ in 0..<40 {
            guard let status = try end.root.statusIfPresent(path) else { return Place(path: path, status: nil) }
            guard status.type == .symbolicLink else { return Place(path: path, status: status) }
            path = path.removingLastComponent().pushing(FilePath(bytes: try end.root.readLink(path)))
        }
        throw SystemCallError("openat2", path: end.path, errno: .tooManySymbolicLinkLevels)
    }

    /// The directory that has a path, opened.
    private func parent(of path: FilePath, in root: RootedDirectory) throws -> RootedDirectory {
        let parent = path.removingLastComponent()
        let place = try followed(CopyEnd(root: root, path: parent, written: []))
        guard let status = place.status else { throw CopyError.noParentDirectory(parent.bytes) }
        guard status.type == .directory else { throw CopyError.notDirectory(parent.bytes) }
        return try root.openDirectory(place.path)
    }

    private func placeOfFile(
        _ source: FilePath,
        _ destination: CopyEnd,
        _ place: Place
    ) throws -> (RootedDirectory, [UInt8]) {
        switch place.status?.type {
        case .directory?: return (try destination.root.openDirectory(place.path), lastName(of: source))
        case .characterDevice?, .blockDevice?: throw CopyError.isDevice(destination.path.bytes)
        case nil where destination.namesDirectory: throw CopyError.directoryMustExist(destination.path.bytes)
        case .some where destination.namesDirectory: throw CopyError.notDirectory(destination.path.bytes)
        case nil, .regular?, .symbolicLink?, .fifo?, .socket?:
            return (try parent(of: place.path, in: destination.root), lastName(of: place.path))
        }
    }

    private func placeOfDirectory(
        _ found: Found,
        _ source: CopyEnd,
        _ destination: CopyEnd,
        _ place: Place
    ) throws -> RootedDirectory {
        let status = found.status
        var target = place.path
        if let existing = place.status {
            guard existing.type == .directory else { throw CopyError.cannotCopyDirectory }
            if !source.namesContents, let name = found.path.lastComponent { target.append(name) }
        } else {
            _ = try parent(of: target, in: destination.root)
        }
        switch try destination.root.statusIfPresent(target)?.type {
        case nil:
            try destination.root.createDirectory(target)
            let user = owner?.user ?? status.userID
            try destination.root.changeOwner(target, user: user, group: owner?.group ?? status.groupID)
            try destination.root.changeMode(target, UInt32(status.mode & 0o7777))
        case .directory?: break
        case .some: throw CopyError.cannotCopyDirectory
        }
        return try destination.root.openDirectory(target)
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
        try OpenFile.open(scratch, [.readWrite, .unnamed], mode: 0o600)
    }

    private func entry(
        _ status: FileStatus,
        as name: [UInt8],
        _ kind: TarEntry.Kind,
        _ identities: IdentityMaps?
    ) -> TarEntry {
        var entry = TarEntry(
            path: name,
            kind: kind,
            mode: status.mode,
            userID: status.userID,
            groupID: status.groupID,
            modified: status.modified
        )
        identities.map { entry.setOwner(in: $0) }
        return entry
    }

    private func extract(
        _ source: any ByteSource,
        into directory: RootedDirectory,
        _ identities: IdentityMaps? = nil
    ) throws {
        var extractor = LayerExtractor(root: directory, mode: .plain(owner: owner))
        extractor.isCancelled = isCancelled
        extractor.keepsDirectories = true
        extractor.identities = identities
        _ = try extractor.extract(source)
    }

    private func write(
        _ found: Found,
        as name: [UInt8],
        of root: RootedDirectory,
        to sink: any ByteSink,
        _ identities: IdentityMaps? = nil
    ) throws {
        let (path, status) = (found.path, found.status)
        let writer = TarWriter(sink)
        var entry = entry(status, as: name, .regular, identities)
        switch status.type {
        case .symbolicLink: entry.kind = .symbolicLink(target: try root.readLink(path))
        case .fifo: entry.kind = .fifo
        case .characterDevice: entry.kind = .characterDevice(major: status.deviceMajor, minor: status.deviceMinor)
        case .blockDevice: entry.kind = .blockDevice(major: status.deviceMajor, minor: status.deviceMinor)
        case .socket: throw CopyError.isSocket(path.bytes)
        case .directory, .regular:
            let file = try root.open(path, [.readOnly, .nonBlocking, .noFollow])
            guard try file.status().type == .regular else { throw CopyError.notFound(path.bytes) }
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 18, alignment: 4096)
            defer { buffer.deallocate() }
            try writer.append(entry, contentOf: file, through: buffer)
            return try writer.finish()
        }
        try writer.begin(entry)
        try writer.finish()
    }
}

extension TarEntry {
    /// Gives it the numbers that its owner has in a user namespace; 65534 if it has none there, as the kernel shows it.
    fileprivate mutating func setOwner(in identities: IdentityMaps) {
        userID = identities.users.inside(of: userID) ?? 65_534
        groupID = identities.groups.inside(of: groupID) ?? 65_534
    }
}
