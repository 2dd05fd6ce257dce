import LinuxSystem
import SystemPackage
internal import Text

/// One extraction as it goes along.
///
/// See `LayerExtractor`.
final class Extraction {
    let root: RootedDirectory
    let options: LayerExtractor
    var summary = LayerExtractor.Summary()
    /// Directories looked up before.
    ///
    /// A new entry never changes what a path that resolved resolves to; a removal may.
    private var directories: [[UInt8]: OpenFile] = [:]
    private var directoryTimes: [(path: [UInt8], inode: UInt64, time: FileTime)] = []
    /// The times that directories get which entries are made in; those that have an entry of their own get that one's after it.
    private var keptTimes: [[UInt8]: (inode: UInt64, time: FileTime)] = [:]

    private let sums: FileSumRecorder?

    init(_ options: LayerExtractor, _ sums: FileSumRecorder?) {
        self.options = options
        self.sums = sums
        root = options.root
    }

    func run(_ reader: TarReader) throws {
        while let entry = try reader.next() {
            if options.isCancelled() { throw CancellationError() }
            summary.entries += 1
            do {
                try extract(entry, reader)
            } catch let error as SystemCallError {
                throw ArchiveError.system(error, entry: entry.path)
            }
        }
        do throws(SystemCallError) {
            try finishDirectories()
        } catch {
            throw ArchiveError.system(error, entry: error.path?.bytes ?? [])
        }
    }

    private func extract(_ entry: TarEntry, _ reader: TarReader) throws {
        let components = try self.components(of: entry.path, entry)
        guard let name = components.last else {
            // As in docker: an entry for the destination itself changes nothing.
            if !options.mode.isLayer { return }
            guard entry.kind == .directory else { throw refused(entry, "it would replace the root directory") }
            return try applyDirectory(entry, path: [], try root.open(".", [.pathOnly, .directory]))
        }
        if options.mode.isLayer, try handleWhiteout(entry, components) { return }
        let parent = try directory(components.dropLast(), entry)
        if options.keepsDirectories, let existing = try parent.entryStatus(named: name) {
            let replacesDirectory = existing.type == .directory && entry.kind != .directory
            guard !replacesDirectory else { throw refused(entry, "cannot overwrite a directory with a non-directory") }
            let becomesDirectory = existing.type != .directory && entry.kind == .directory
            guard !becomesDirectory else { throw refused(entry, "cannot overwrite a non-directory with a directory") }
        }
        switch entry.kind {
        case .regular:
            let sum = try writeFile(entry, name, parent, reader)
            sums?.note(Self.path(of: components), sum)
        case .directory: try makeDirectory(entry, components, name, parent)
        case .symbolicLink(let target):
            try replacing(name, in: parent) { () throws(SystemCallError) in
                try parent.createSymbolicLink(named: name, target: target)
            }
            noteDropped(entry.attributes)
            let owner = owner(of: entry)
            try parent.changeOwner(ofEntry: name, user: owner.user, group: owner.group)
            try parent.setTimes(ofEntry: name, modified: bounded(entry.modified))
        case .hardLink(let target): try makeHardLink(entry, components, name, parent, target)
        case .fifo: try makeNode(entry, name, parent, SpecialFile(.fifo))
        case .characterDevice(0, 0): throw refused(entry, "a device 0:0 is how overlayfs marks removed files")
        case .characterDevice(let major, let minor):
            try makeNode(entry, name, parent, SpecialFile(.characterDevice, major: major, minor: minor))
        case .blockDevice(let major, let minor):
            try makeNode(entry, name, parent, SpecialFile(.blockDevice, major: major, minor: minor))
        }
    }

    func refused(_ entry: TarEntry, _ reason: String) -> ArchiveError { .refused(entry: entry.path, reason: reason) }

    // MARK: Names

    /// The components of a path; empty for the root.
    func components(of path: [UInt8], _ entry: TarEntry) throws(ArchiveError) -> [[UInt8]] {
        guard path.count <= options.limits.pathBytes else {
            throw refused(entry, "its name has more than \(options.limits.pathBytes) bytes")
        }
        let dot: UInt8 = "."
        let components = path.split(separator: "/").map(Array.init).filter { $0 != [dot] }
        guard !components.contains([dot, dot]) else { throw refused(entry, "a name with \"..\"") }
        guard components.allSatisfy({ $0.count <= 255 && !$0.contains(0) }) else {
            throw refused(entry, "a part of its name has more than 255 bytes or holds NUL")
        }
        return components
    }

    /// The directory of that path, made with everything above it where it is missing.
    func directory(_ components: some Collection<[UInt8]>, _ entry: TarEntry) throws -> OpenFile {
        let key = Self.path(of: components)
        if let known = directories[key] { return known }
        let found: OpenFile
        do throws(SystemCallError) {
            found = try opened(key)
        } catch {
            guard error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory else { throw error }
            found = try makeDirectories(Array(components), entry)
        }
        if directories.count >= 128 { directories.removeAll(keepingCapacity: true) }
        directories[key] = found
        try keepTime(of: found, key)
        return found
    }

    static func path(of components: some Collection<[UInt8]>) -> [UInt8] {
        var path: [UInt8] = []
        for component in components {
            if !path.isEmpty { path.append("/") }
            path += component
        }
        return path
    }

    /// The directory that has a path, which may lead through links.
    private func opened(_ path: [UInt8]) throws(SystemCallError) -> OpenFile {
        let place = path.isEmpty ? "." : FilePath(bytes: path)
        guard let sums, sums.isExact else { return try root.open(place, [.pathOnly, .directory]) }
        do throws(SystemCallError) {
            return try root.open(place, [.pathOnly, .directory], followsLinks: false)
        } catch {
            guard error.errno == .tooManySymbolicLinkLevels else { throw error }
        }
        // What is written there has another name than the archive says.
        sums.giveUp()
        return try root.open(place, [.pathOnly, .directory])
    }

    /// Remembers the time of a directory before anything is made in it.
    ///
    /// A layer's directories are never archived again.
    private func keepTime(of directory: OpenFile, _ path: [UInt8], isNew: Bool = false) throws(SystemCallError) {
        guard case .plain = options.mode, keptTimes[path] == nil else { return }
        let status = try directory.status()
        keptTimes[path] = (status.inode, isNew ? .undated : status.modified)
    }

    private func makeDirectories(_ components: [[UInt8]], _ entry: TarEntry) throws -> OpenFile {
        var current = try root.open(".", [.pathOnly, .directory])
        var path: [UInt8] = []
        for name in components {
            try keepTime(of: current, path)
            path += path.isEmpty ? name : "/" + name
            do throws(SystemCallError) {
                current = try root.open(FilePath(bytes: path), [.pathOnly, .directory])
                continue
            } catch {
                guard error.errno == .noSuchFileOrDirectory || error.errno == .notDirectory else { throw error }
            }
            let becomesOpaque = options.mode.overlayAttributes != nil ? try isWhiteout(name, in: current) : false
            if becomesOpaque { try current.removeEntry(named: name) }
            do throws(SystemCallError) {
                try current.createDirectory(named: name, mode: 0o755)
            } catch {
                guard error.errno == .fileExists else { throw error }
                throw refused(entry, "\(escapedForDisplay(path)) is not a directory")
            }
            current = try current.openEntry(named: name, [.pathOnly, .directory])
            // The process's umask took away what mkdir(2) was given.
            try current.changeMode(0o755)
            try keepTime(of: current, path, isNew: true)
            if becomesOpaque { try markOpaque(current) }
        }
        return current
    }

    // MARK: Making entries

    /// Runs `create`; where the name is taken, removes what has it and runs it again.
    private func replacing<Value>(
        _ name: [UInt8],
        in parent: OpenFile,
        _ create: () throws(SystemCallError) -> Value
    ) throws(SystemCallError) -> Value {
        do throws(SystemCallError) {
            return try create()
        } catch {
            guard error.errno == .fileExists else { throw error }
        }
        try remove(name, in: parent)
        return try create()
    }

    /// Removes an entry with everything in it.
    func remove(_ name: [UInt8], in parent: OpenFile) throws(SystemCallError) {
        directories.removeAll(keepingCapacity: true)
        do throws(SystemCallError) {
            try parent.removeEntry(named: name)
        } catch {
            guard error.errno == .isDirectory || error.errno == .notPermitted else { throw error }
            try removeTree(parent.procPath.appending(name: name))
        }
    }

    /// - Returns: the sum of what was written; nil for a file with holes, or where no one wants it.
    private func writeFile(
        _ entry: TarEntry,
        _ name: [UInt8],
        _ parent: OpenFile,
        _ reader: TarReader
    ) throws -> FileSum? {
        let file = try replacing(name, in: parent) { () throws(SystemCallError) in try parent.createFile(named: name) }
        var end: Int64 = 0
        var counter = FileSum.Counter()
        while let piece = try reader.nextContent() {
            if sums != nil { counter.add(piece.bytes) }
            if piece.offset == end {
                try file.write(piece.bytes)
            } else {
                try file.seek(to: piece.offset)
                try file.write(piece.bytes)
            }
            end = piece.offset + Int64(piece.bytes.count)
            summary.bytes += Int64(piece.bytes.count)
            if options.isCancelled() { throw CancellationError() }
        }
        if end < entry.size { try file.truncate(to: entry.size) }
        try applyMetadata(entry, file)
        return sums != nil && counter.count == entry.size ? counter.sum : nil
    }

    private func makeDirectory(_ entry: TarEntry, _ components: [[UInt8]], _ name: [UInt8], _ parent: OpenFile) throws {
        var becomesOpaque = false
        do throws(SystemCallError) {
            try parent.createDirectory(named: name, mode: 0o700)
        } catch {
            guard error.errno == .fileExists else { throw error }
            if try parent.entryStatus(named: name)?.type != .directory {
                if options.mode.overlayAttributes != nil { becomesOpaque = try isWhiteout(name, in: parent) }
                try remove(name, in: parent)
                try parent.createDirectory(named: name, mode: 0o700)
            }
        }
        let made = try parent.openEntry(named: name, [.pathOnly, .directory])
        if becomesOpaque { try markOpaque(made) }
        try applyDirectory(entry, path: Self.path(of: components), made)
    }

    private func makeHardLink(
        _ entry: TarEntry,
        _ components: [[UInt8]],
        _ name: [UInt8],
        _ parent: OpenFile,
        _ target: [UInt8]
    ) throws {
        let targetComponents = try self.components(of: target, entry)
        guard let targetName = targetComponents.last else { throw refused(entry, "a hard link to a directory") }
        let targetParent = try opened(Self.path(of: targetComponents.dropLast()))
        guard let status = try targetParent.entryStatus(named: targetName) else {
            throw refused(entry, "the target of the hard link, \(escapedForDisplay(target)), is not in the archive")
        }
        guard status.type != .directory else { throw refused(entry, "a hard link to a directory") }
        let isDevice00 = status.type == .characterDevice && status.deviceMajor == 0 && status.deviceMinor == 0
        guard !isDevice00 else { throw refused(entry, "a hard link to a removed file") }
        let existing = try parent.entryStatus(named: name)
        let isLinked = existing.map { $0.inode == status.inode && $0.device == status.device } ?? false
        if !isLinked {
            if existing != nil { try remove(name, in: parent) }
            try parent.createHardLink(named: name, toEntry: targetName, of: targetParent)
        }
        if status.type == .regular { sums?.noteLink(Self.path(of: components), to: Self.path(of: targetComponents)) }
        // As in docker: outside of layers what the link's own header says holds for the file.
        if !options.mode.isLayer, status.type != .symbolicLink {
            try applyMetadata(entry, try parent.openEntry(named: name, .pathOnly))
        }
    }

    private func makeNode(_ entry: TarEntry, _ name: [UInt8], _ parent: OpenFile, _ file: SpecialFile) throws {
        try replacing(name, in: parent) { () throws(SystemCallError) in
            try parent.createNode(named: name, file, mode: 0o600)
        }
        try applyMetadata(entry, try parent.openEntry(named: name, .pathOnly))
    }

    // MARK: Metadata

    private func applyMetadata(_ entry: TarEntry, _ file: OpenFile, withTimes: Bool = true) throws(SystemCallError) {
        let owner = owner(of: entry)
        try file.changeOwner(user: owner.user, group: owner.group)
        try file.changeMode(UInt32(entry.mode))
        for attribute in entry.attributes {
            guard isPortableAttribute(attribute.name) else {
                summary.droppedAttributes.insert(attribute.name)
                continue
            }
            do throws(SystemCallError) {
                try file.setExtendedAttribute(attribute.name, attribute.value)
            } catch {
                guard error.errno == .notSupported || error.errno == .notPermitted else { throw error }
                summary.droppedAttributes.insert(attribute.name)
            }
        }
        if withTimes { try file.setTimes(modified: bounded(entry.modified)) }
    }

    private func owner(of entry: TarEntry) -> (user: UInt32, group: UInt32) {
        if case .plain(let owner?) = options.mode { return (owner.user, owner.group) }
        let owner = (user: entry.userID, group: entry.groupID)
        // What the namespace does not have, the kernel refuses.
        return options.identities.map { $0.outside(of: owner) ?? (.max - 1, .max - 1) } ?? owner
    }

    private func applyDirectory(_ entry: TarEntry, path: [UInt8], _ directory: OpenFile) throws {
        try applyMetadata(entry, directory, withTimes: false)
        directoryTimes.append((path, try directory.status().inode, bounded(entry.modified)))
    }

    /// Times of directories come last: every entry made in one changes its time.
    private func finishDirectories() throws(SystemCallError) {
        let kept = keptTimes.map { (path: $0.key, inode: $0.value.inode, time: $0.value.time) }
        for (path, inode, time) in kept + directoryTimes {
            do throws(SystemCallError) {
                let opened = try root.open(
                    path.isEmpty ? "." : FilePath(bytes: path),
                    [.pathOnly, .directory, .noFollow]
                )
                if try opened.status().inode == inode { try opened.setTimes(modified: time) }
            } catch {
                // Gone or replaced by a later entry of the archive.
                let gone: [Errno] = [.noSuchFileOrDirectory, .notDirectory, .tooManySymbolicLinkLevels]
                guard gone.contains(error.errno) else { throw error }
            }
        }
    }

    private func noteDropped(_ attributes: [TarEntry.Attribute]) {
        for attribute in attributes { summary.droppedAttributes.insert(attribute.name) }
    }

    /// As containerd has it: what is before 1970 or past the year 2262 becomes 1970.
    private func bounded(_ time: FileTime) -> FileTime {
        (0...9_223_372_036).contains(time.seconds) ? time : .epoch
    }
}
