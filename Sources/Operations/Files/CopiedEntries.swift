internal import Archive
internal import LinuxSystem
internal import Snapshots
internal import SystemPackage
internal import Text

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
        /// In the record of the copy.
        var number: Int?
    }

    /// What is copied, and where it goes.
    struct Place: Sendable {
        let entry: TreeEntry
        let name: [UInt8]
        let parent: OpenFile
        /// From the root of the destination.
        let path: [UInt8]
        /// In the record of the copy.
        var number: Int?
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
                file: try parent.openEntry(named: name, [.pathOnly, .directory]),
                isNew: true,
                time: FileTime(timestamp)
            )
        }
        let file = try parent.openEntry(named: name, [.pathOnly, .directory])
        let time = isNew ? FileTime(timestamp) : try file.status().modified
        return Directory(file: file, isNew: isNew, time: time)
    }

    /// Gives a directory what its source says of it, once everything is in it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func finish(_ made: Directory, as directory: TreeEntry, isTop: Bool) throws {
        // What was there before the copy keeps its owner and mode, apart from directories inside a copied one.
        if made.isNew || !isTop {
            try apply(directory.status, to: made.file)
            let attributes = try directory.file.map { file throws(SystemCallError) in try copiedAttributes(of: file) }
            for (name, value) in attributes ?? [] { try set(name, value, on: made.file) }
            if let number = made.number { source.record?.copied(number, attributes: digest(of: attributes ?? [])) }
        }
        // The root of a source is made or written to by whatever gave it here: its time is no part of the source.
        let isSourceRoot = directory.path.isEmpty
        try made.file.setTimes(
            modified: isSourceRoot
                ? timestamp.map(FileTime.init(nanosecondsSinceEpoch:)) ?? made.time : time(of: directory.status)
        )
    }

    // MARK: Files

    /// Copies a regular file.
    /// - Returns: the inode that was read; nil where no regular file has the name any more.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func copyRegular(_ place: Place, _ content: FileContentCopier) throws -> UInt64? {
        guard let from = try opened(place) else {
            try copyReplacement(of: place)
            return nil
        }
        let to = try making(place) { parent, name throws(SystemCallError) in
            try parent.createFile(named: name, mode: 0o600)
        }
        let (status, attributes) = try copyContent(of: from, to: to, place, content)
        try apply(status, to: to)
        for (name, value) in attributes { try set(name, value, on: to) }
        try to.setTimes(modified: time(of: status))
        return status.inode
    }

    /// The file to read; nil where no regular file has the name any more.
    private func opened(_ place: Place) throws(SystemCallError) -> OpenFile? {
        let entry = place.entry
        // Not blocking: a file that became a FIFO since it was looked at is found out below, not waited for.
        func open() throws(SystemCallError) -> OpenFile {
            try entry.parent.openEntry(named: entry.name, [.readOnly, .nonBlocking])
        }
        if source.record == nil { return try open() }
        guard let file = try ifPresent(open), try file.status().type == .regular else { return nil }
        return file
    }

    /// Copies the symbolic link that a regular file became; anything else is absent.
    private func copyReplacement(of place: Place) throws {
        guard let status = try place.entry.parent.entryStatus(named: place.entry.name), status.type == .symbolicLink
        else {
            if let number = place.number { source.record?.vanished(number) }
            return
        }
        let old = place.entry
        let entry = TreeEntry(
            parent: old.parent,
            file: nil,
            name: old.name,
            path: old.path,
            relative: old.relative,
            status: status
        )
        let replaced = Place(
            entry: entry,
            name: place.name,
            parent: place.parent,
            path: place.path,
            number: place.number
        )
        try makeSymbolicLink(replaced)
    }

    /// How often a file that changes while it is copied is copied again, and up to which size.
    private static let (mostCopies, largestCopiedAgain) = (4, Int64(16 << 20))

    /// Copies what a file holds, and takes down what that was.
    private func copyContent(
        of from: OpenFile,
        to: OpenFile,
        _ place: Place,
        _ content: FileContentCopier
    ) throws -> (FileStatus, [(name: [UInt8], value: [UInt8])]) {
        var status = try from.status()
        guard let record = source.record, let number = place.number else {
            try source.sums?.compare(place.entry.path, try sumContent(of: from))
            try content.copy(from, status: status, to: to)
            return (status, try copiedAttributes(of: from))
        }
        var rest = Self.mostCopies
        while true {
            try content.copy(from, status: status, to: to)
            let attributes = try copiedAttributes(of: from)
            let after = try from.status()
            if record.confirm(number, before: status, after: after) { return (status, attributes) }
            rest -= 1
            // Once more if that may give what was there at one moment. A large one that grows gives that anyway.
            if Stamp(after) == Stamp(status) || rest == 0 || status.size > Self.largestCopiedAgain {
                try takeDown(place, number, &status, attributes)
                return (status, attributes)
            }
            try to.truncate(to: 0)
            status = after
        }
    }

    /// Digests the copy of a file that may be another than the key was computed of.
    private func takeDown(
        _ place: Place,
        _ number: Int,
        _ status: inout FileStatus,
        _ attributes: [(name: [UInt8], value: [UInt8])]
    ) throws {
        guard let record = source.record, record.compares else { return }
        let copy = try place.parent.openEntry(named: place.name, .readOnly)
        status.size = try copy.status().size
        let content = try digestContent(of: copy, size: status.size)
        let digests = FileDigests(content: content, attributes: digest(of: attributes))
        record.copied(number, as: status, digests)
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func makeHardLink(_ place: Place, to existing: Place) throws {
        try making(place) { _, _ throws(SystemCallError) in
            try destination.createHardLink(place.path.filePath, to: existing.path.filePath)
        }
        if let number = place.number, let first = existing.number { source.record?.linked(number, to: first) }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func makeSymbolicLink(_ place: Place) throws {
        guard let link = try place.entry.linkTarget() else {
            if let number = place.number { source.record?.vanished(number) }
            return
        }
        try making(place) { parent, name throws(SystemCallError) in
            try parent.createSymbolicLink(named: name, target: link)
        }
        if let number = place.number { source.record?.copied(number, target: link, as: place.entry.status) }
        try applyToEntry(place, changesMode: false)
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func makeNode(_ place: Place) throws {
        let status = place.entry.status
        if let number = place.number { source.record?.copied(number) }
        // A copy of a socket would not answer, and no layer can hold one: as in BuildKit an empty file marks it.
        let file = status.type == .socket ? SpecialFile(.regular) : status.specialFile
        try making(place) { parent, name throws(SystemCallError) in
            try parent.createNode(named: name, file, mode: 0o600)
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
        if changesMode { try parent.openEntry(named: name, .pathOnly).changeMode(modeChange.mode(for: status)) }
        try parent.setTimes(ofEntry: name, modified: time(of: status))
    }

    private func ownership(of status: FileStatus) -> (user: UInt32, group: UInt32) {
        if let owner { return (owner.user, owner.group) }
        return source.owner(of: status)
    }

    /// Sets an attribute, unless the file system of the store has none.
    private func set(_ name: [UInt8], _ value: [UInt8], on file: OpenFile) throws(SystemCallError) {
        // A list would undo the mode that the step asks for.
        if name == accessListAttribute, !modeChange.isNone { return }
        do throws(SystemCallError) {
            try file.setExtendedAttribute(name, value)
        } catch {
            guard error.errno == .notSupported else { throw error }
        }
    }
}
