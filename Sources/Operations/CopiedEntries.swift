internal import Archive
internal import Glibc
internal import LinuxSystem
internal import SystemPackage

/// Makes the entries of a copy, one at a time and each for itself: several threads may do so at once.
struct CopiedEntries: Sendable {
    let source: SourceTree
    let destination: RootedDirectory
    let owner: NumericOwner?
    let modeChange: AppliedMode
    /// Nanoseconds since 1970 for every file, or nil for the files' own times.
    let timestamp: Int64?
    let replaces: Bool

    /// A directory of the destination.
    struct Directory: Sendable {
        let file: OpenFile
        let isNew: Bool
        /// The time that it had before the copy, or the fixed one of a directory that had none.
        let time: FileTime
    }

    /// What is copied, and where it goes.
    struct Place: Sendable {
        let entry: TreeEntry
        let name: [UInt8]
        let parent: OpenFile
        /// From the root of the destination.
        let path: [UInt8]
    }

    // MARK: Directories

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func makeDirectory(_ name: [UInt8], in parent: OpenFile, path: [UInt8]) throws -> Directory {
        let isNew: Bool
        do throws(SystemCallError) {
            // Closed to others until it has its own mode.
            try parent.createDirectory(named: name, mode: 0o700)
            isNew = true
        } catch {
            guard error.errno == .fileExists else { throw error }
            isNew = false
        }
        if !isNew, try parent.entryStatus(named: name)?.type != .directory {
            guard replaces else { throw OperationError.notADirectory([[UInt8].slash] + path) }
            try parent.removeEntry(named: name)
            try parent.createDirectory(named: name, mode: 0o700)
            return Directory(
                file: try parent.openEntry(named: name, O_PATH | O_DIRECTORY),
                isNew: true,
                time: FileTime(timestamp)
            )
        }
        let file = try parent.openEntry(named: name, O_PATH | O_DIRECTORY)
        let time = isNew ? FileTime(timestamp) : try file.status().modified
        return Directory(file: file, isNew: isNew, time: time)
    }

    /// Gives a directory what its source says of it, once everything is in it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func finish(_ made: Directory, as directory: TreeEntry, isTop: Bool) throws {
        // What was there before the copy keeps its owner and mode, apart from directories inside a copied one.
        if made.isNew || !isTop {
            try apply(directory.status, to: made.file)
            if let from = directory.file {
                for (name, value) in try portableAttributes(of: from) {
                    try set(name, value, on: made.file)
                }
            }
        }
        // The root of a source is made or written to by whatever gave it here: its time is no part of the source.
        let isSourceRoot = directory.path.isEmpty
        try made.file.setTimes(
            modified: isSourceRoot
                ? timestamp.map(FileTime.init(nanosecondsSinceEpoch:)) ?? made.time : time(of: directory.status)
        )
    }

    // MARK: Files

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func copyRegular(_ place: Place, _ content: FileContentCopier) throws {
        let file = place.entry
        // Not blocking: a file that became a FIFO since it was looked at is found out below, not waited for.
        let from = try file.parent.openEntry(named: file.name, O_RDONLY | O_NONBLOCK)
        let status = try from.status()
        guard status.type == .regular, status.inode == file.status.inode else {
            throw OperationError.changedDuringBuild(file.path)
        }
        let to = try making(place) { parent, name throws(SystemCallError) in
            try parent.createFile(named: name, mode: 0o600)
        }
        try content.copy(from, status: status, to: to)
        if let observations = source.observations, !observations.agrees(file.path, try from.status()) {
            throw OperationError.changedDuringBuild(file.path)
        }
        try apply(status, to: to)
        for (name, value) in try portableAttributes(of: from) { try set(name, value, on: to) }
        try to.setTimes(modified: time(of: status))
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func makeHardLink(_ place: Place, to existing: [UInt8]) throws {
        try making(place) { _, _ throws(SystemCallError) in
            try destination.createHardLink(place.path.filePath, to: existing.filePath)
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func makeSymbolicLink(_ place: Place) throws {
        let link = try place.entry.parent.readLink(named: place.entry.name)
        try making(place) { parent, name throws(SystemCallError) in
            try parent.createSymbolicLink(named: name, target: link)
        }
        try applyToEntry(place, changesMode: false)
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func makeNode(_ place: Place) throws {
        let status = place.entry.status
        try making(place) { parent, name throws(SystemCallError) in
            try parent.createNode(
                named: name,
                // Nobody would answer at a copy of a socket, and no layer can hold one: as in BuildKit an empty file marks it.
                type: status.type == .socket ? .regular : status.type,
                mode: 0o600,
                major: status.deviceMajor,
                minor: status.deviceMinor
            )
        }
        try applyToEntry(place, changesMode: true)
    }

    /// Makes an entry; what has the name already is removed, unless it is a directory.
    private func making<Value>(
        _ place: Place,
        _ make: (OpenFile, [UInt8]) throws(SystemCallError) -> Value
    ) throws -> Value {
        let (parent, name) = (place.parent, place.name)
        do throws(SystemCallError) {
            return try make(parent, name)
        } catch {
            guard error.errno == .fileExists else { throw error }
        }
        if try parent.entryStatus(named: name)?.type == .directory {
            guard replaces else { throw OperationError.directoryInTheWay([[UInt8].slash] + place.path) }
            try removeTree(place.path, in: destination)
        } else {
            try parent.removeEntry(named: name)
        }
        return try make(parent, name)
    }

    // MARK: Attributes

    private func time(of status: FileStatus) -> FileTime {
        timestamp.map(FileTime.init(nanosecondsSinceEpoch:)) ?? status.modified
    }

    /// Owner before mode: changing the owner takes set-id bits and capabilities away.
    private func apply(_ status: FileStatus, to file: OpenFile) throws(SystemCallError) {
        let (user, group) = ownership(of: status)
        try file.changeOwner(user: user, group: group)
        try file.changeMode(modeChange.mode(for: status))
    }

    private func applyToEntry(_ place: Place, changesMode: Bool) throws(SystemCallError) {
        let (parent, name, status) = (place.parent, place.name, place.entry.status)
        let (user, group) = ownership(of: status)
        try parent.changeOwner(ofEntry: name, user: user, group: group)
        if changesMode { try parent.openEntry(named: name, O_PATH).changeMode(modeChange.mode(for: status)) }
        try parent.setTimes(ofEntry: name, modified: time(of: status))
    }

    private func ownership(of status: FileStatus) -> (user: UInt32, group: UInt32) {
        if let owner { return (owner.user, owner.group) }
        return source.owner(of: status)
    }

    /// Sets an attribute, unless the file system of the store has none.
    private func set(_ name: [UInt8], _ value: [UInt8], on file: OpenFile) throws(SystemCallError) {
        do throws(SystemCallError) {
            try file.setExtendedAttribute(name, value)
        } catch {
            guard error.errno == .notSupported else { throw error }
        }
    }
}
