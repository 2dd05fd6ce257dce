import Archive
import LinuxSystem
import SystemPackage

/// Copies single entries of a tree with everything of them that a layer keeps.
final class EntryCopier {
    /// What becomes of names of one file.
    enum Links {
        /// They stay names of one file.
        case kept
        /// Each becomes a file of its own. Overlayfs treats the names in its layers so when one of them is written.
        case broken
        /// Every entry that is no directory is the source's own, under another name: nothing is copied.
        case toSource
    }

    /// An entry by its directory and its name there.
    struct Place {
        let directory: OpenFile
        let name: [UInt8]
    }

    private struct Inode: Hashable {
        let device: UInt64
        let number: UInt64
    }

    private let target: RootedDirectory
    private let links: Links
    /// The namespace in which the copies have the owners of the originals; nil for this process's own.
    private let identities: IdentityMaps?
    private let content = FileContentCopier()
    private var firstNames: [Inode: [UInt8]] = [:]

    init(into target: RootedDirectory, links: Links, identities: IdentityMaps? = nil) {
        self.target = target
        self.links = links
        self.identities = identities
    }

    /// Makes a directory, without what is in it and without its times.
    /// - Parameters:
    ///   - place: where, with a name that is free.
    ///   - source: what it is like.
    ///   - status: the status of that.
    /// - Returns: the directory.
    /// - Throws: `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    @discardableResult
    func makeDirectory(
        _ place: Place,
        like source: OpenFile,
        _ status: FileStatus
    ) throws(SystemCallError) -> OpenFile {
        try place.directory.createDirectory(named: place.name, mode: 0o700)
        let made = try place.directory.openEntry(named: place.name, [.readOnly, .directory])
        try applyMetadata(source, status, to: made)
        return made
    }

    /// Copies an entry other than a directory.
    /// - Parameters:
    ///   - source: what is copied.
    ///   - status: the status of that.
    ///   - place: where to, with a name that is free.
    ///   - path: the same from the root of the target.
    /// - Throws: `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func copy(_ source: Place, _ status: FileStatus, to place: Place, path: [UInt8]) throws(SystemCallError) {
        if links == .toSource, try linkToSource(source, place) { return }
        if links != .broken, status.linkCount > 1 {
            let inode = Inode(device: status.device, number: status.inode)
            if let first = firstNames[inode] {
                return try target.createHardLink(FilePath(bytes: path), to: FilePath(bytes: first))
            }
            firstNames[inode] = path
        }
        switch status.type {
        case .directory: return
        case .regular:
            let from = try source.directory.openEntry(named: source.name, .readOnly)
            let made = try place.directory.createFile(named: place.name)
            try content.copy(from, status: status, to: made)
            try applyMetadata(from, status, to: made)
            return try made.setTimes(modified: status.modified)
        case .symbolicLink:
            let text = try source.directory.readLink(named: source.name)
            try place.directory.createSymbolicLink(named: place.name, target: text)
            let owner = try owner(of: status, place.directory.path)
            try place.directory.changeOwner(ofEntry: place.name, user: owner.user, group: owner.group)
        case .characterDevice, .blockDevice, .fifo, .socket:
            try place.directory.createNode(named: place.name, status.specialFile, mode: 0o600)
            let from = try source.directory.openEntry(named: source.name, .pathOnly)
            try applyMetadata(from, status, to: try place.directory.openEntry(named: place.name, .pathOnly))
        }
        try place.directory.setTimes(ofEntry: place.name, modified: status.modified)
    }

    /// Owner, mode and attributes of what is no link, in the order in which one does not undo another.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func applyMetadata(_ source: OpenFile, _ status: FileStatus, to made: OpenFile) throws(SystemCallError) {
        let owner = try owner(of: status, made.path)
        try made.changeOwner(user: owner.user, group: owner.group)
        try made.changeMode(UInt32(status.mode))
        let wanted = try copiedAttributes(of: source)
        for attribute in wanted { try made.setExtendedAttribute(attribute.name, attribute.value) }
        for attribute in try copiedAttributes(of: made) where !wanted.contains(where: { $0.name == attribute.name }) {
            try made.removeExtendedAttribute(attribute.name)
        }
    }

    private func owner(
        of status: FileStatus,
        _ path: FilePath
    ) throws(SystemCallError) -> (user: UInt32, group: UInt32) {
        guard let identities else { return (status.userID, status.groupID) }
        if let owner = identities.outside(of: (status.userID, status.groupID)) { return owner }
        throw SystemCallError("chown", path: path, errno: .invalidArgument)
    }

    /// - Returns: false for a file that has as many names as it can have.
    private func linkToSource(_ source: Place, _ place: Place) throws(SystemCallError) -> Bool {
        do throws(SystemCallError) {
            try place.directory.createHardLink(named: place.name, toEntry: source.name, of: source.directory)
            return true
        } catch {
            guard [.tooManyLinks, .notPermitted, .notSupported, .improperLink].contains(error.errno) else {
                throw error
            }
            return false
        }
    }
}
