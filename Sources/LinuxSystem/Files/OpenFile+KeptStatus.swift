internal import CLinux
internal import Glibc
internal import SystemPackage
internal import Text

/// What the kernel refuses to make of files: see `KeptStatus`.
extension OpenFile {
    /// What is kept of this file, or of an entry of this directory.
    var keptScope: KeptStatus.Scope { isOutside ? .nothing : KeptStatus.scope }

    /// Whether something may be kept of a file with this status.
    private func mayKeep(_ status: FileStatus) -> Bool {
        let scope = keptScope
        return scope >= .owners || (scope == .devices && status.type == .regular && status.size == 0)
    }

    /// The status of this file as the kernel has it, with what is kept of it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func withKeptOwner(_ status: FileStatus) throws(SystemCallError) -> FileStatus {
        guard mayKeep(status) else { return status }
        if status.canHaveUserAttributes { return status.with(try keptOwner()) }
        guard let place = place(of: status) else { return status }
        return status.with(try place.directory.keptEntries()[place.name])
    }

    /// The same of an entry of this directory.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func withKeptOwner(_ status: FileStatus, ofEntry name: [UInt8]) throws(SystemCallError) -> FileStatus {
        guard mayKeep(status) else { return status }
        if status.canHaveUserAttributes { return status.with(try openEntry(named: name, .pathOnly).keptOwner()) }
        return status.with(try keptEntries()[name])
    }

    /// Keeps whose this file is.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func keepOwner(user: UInt32, group: UInt32) throws(SystemCallError) {
        let status = try statusOfKernel()
        if status.canHaveUserAttributes {
            let before = try keptOwner()
            return try keep((before ?? status.owner).changed(user: user, group: group), insteadOf: before, status)
        }
        guard let place = place(of: status) else {
            throw SystemCallError("fchownat", path: path, errno: .notPermitted)
        }
        try place.directory.keepOwner(ofEntry: place.name, status, user: user, group: group)
    }

    /// The same of an entry of this directory.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func keepOwner(ofEntry name: [UInt8], user: UInt32, group: UInt32) throws(SystemCallError) {
        let file = try openEntry(named: name, .pathOnly)
        let status = try file.statusOfKernel()
        if status.canHaveUserAttributes { return try file.keepOwner(user: user, group: group) }
        try keepOwner(ofEntry: name, status, user: user, group: group)
    }

    /// Keeps a mode that would keep the owner of this file out, or lose its set-group-ID bit: the kernel takes that from files of another group.
    /// - Parameter mode: that the file gets.
    /// - Returns: the mode that it gets on disk.
    /// - Throws: `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func keepMode(_ mode: UInt32) throws(SystemCallError) -> UInt32 {
        guard keptScope == .modes else { return mode }
        let status = try statusOfKernel()
        guard status.canHaveUserAttributes else { return mode }
        let (wanted, needed) = (UInt16(mode & 0o7777), status.neededMode)
        let isRefused = wanted & needed != needed || (wanted & 0o2000 != 0 && status.groupID != 0)
        let before = try keptOwner()
        var kept = before ?? status.owner
        kept.mode = isRefused ? wanted : nil
        try keep(kept, insteadOf: before, status)
        return UInt32(wanted | needed)
    }

    /// Whether this directory keeps whose an entry is, one that there is or one that there was.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func hasKeptOwner(ofEntry name: [UInt8]) throws(SystemCallError) -> Bool {
        try keptEntries()[name] != nil
    }

    /// Keeps for a new name of a link, FIFO or socket what another name of it has.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func takeOwner(ofEntry name: [UInt8], as other: [UInt8], of directory: OpenFile) throws(SystemCallError) {
        guard keptScope >= .owners else { return }
        let owner = try directory.keptEntries()[other]
        var entries = try keptEntries()
        if entries[name] == owner { return }
        entries[name] = owner
        try keep(entries)
    }

    /// Makes a new link, FIFO or socket root's, whatever the directory kept of an earlier one with the name.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func beginOwner(ofEntry name: [UInt8]) throws(SystemCallError) {
        if keptScope >= .owners { try forgetOwner(ofEntry: name) }
    }

    /// Forgets whose an entry is that is gone.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func forgetOwner(ofEntry name: [UInt8]) throws(SystemCallError) {
        var entries = try keptEntries()
        if entries[name] == nil { return }
        entries[name] = nil
        try keep(entries)
    }

    /// Makes an empty file that stands for a device.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func keepDevice(named name: [UInt8], _ device: SpecialFile, mode: UInt32) throws(SystemCallError) {
        let file = try createFile(named: name)
        var owner = try file.statusOfKernel().owner
        owner.device = device
        try file.setExtendedAttribute(KeptStatus.attribute, owner.bytes)
        try file.changeMode(mode)
    }

    /// The status as the kernel has it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func statusOfKernel() throws(SystemCallError) -> FileStatus {
        var raw = Glibc.stat()
        _ = try retryingSystemCall("fstat", path: path) { Glibc.fstat(descriptor, &raw) }
        return FileStatus(raw)
    }

    // MARK: Attributes

    private func keptOwner() throws(SystemCallError) -> KeptStatus? {
        try extendedAttribute(KeptStatus.attribute).flatMap { KeptStatus(parsing: $0) }
    }

    /// Keeps what differs from the file itself.
    private func keep(
        _ kept: KeptStatus,
        insteadOf before: KeptStatus?,
        _ status: FileStatus
    ) throws(SystemCallError) {
        if kept == before { return }
        if kept != status.owner { return try setExtendedAttribute(KeptStatus.attribute, kept.bytes) }
        if before != nil { try removeExtendedAttribute(KeptStatus.attribute) }
    }

    /// What this directory keeps of its links, FIFOs and sockets.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func keptEntries() throws(SystemCallError) -> KeptEntries {
        KeptEntries(parsing: try extendedAttribute(KeptStatus.entriesAttribute) ?? [])
    }

    private func keepOwner(
        ofEntry name: [UInt8],
        _ status: FileStatus,
        user: UInt32,
        group: UInt32
    ) throws(SystemCallError) {
        var entries = try keptEntries()
        let before = entries
        let owner = (entries[name] ?? status.owner).changed(user: user, group: group)
        entries[name] = owner == status.owner ? nil : owner
        if entries != before { try keep(entries) }
    }

    /// Keeps that of them, instead of what it kept.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func keep(_ entries: KeptEntries) throws(SystemCallError) {
        if entries.isEmpty {
            if try keptEntries().isEmpty { return }
            return try removeExtendedAttribute(KeptStatus.entriesAttribute)
        }
        try setExtendedAttribute(KeptStatus.entriesAttribute, entries.bytes)
    }

    /// The directory and the name of an open file that can have no attributes; nil where it has been removed.
    private func place(of status: FileStatus) -> (directory: OpenFile, name: [UInt8])? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX) + 1)
        let count = procPath.withPlatformString { link in
            buffer.withUnsafeMutableBytes { slipway_readlink_entry(AT_FDCWD, link, $0.baseAddress, $0.count) }
        }
        guard count > 0 else { return nil }
        let path = FilePath(bytes: buffer[..<Int(count)])
        guard let last = path.components.last else { return nil }
        let name = FilePath(root: nil, [last]).bytes
        guard let directory = try? OpenFile.open(path.removingLastComponent(), [.pathOnly, .directory]),
            let found = try? directory.openEntry(named: name, .pathOnly).statusOfKernel(),
            found.inode == status.inode, found.device == status.device
        else { return nil }
        return (directory, name)
    }
}

extension FileStatus {
    fileprivate var owner: KeptStatus { KeptStatus(userID: userID, groupID: groupID) }
}

extension KeptStatus {
    /// As chown(2): the highest number leaves the owner as it is.
    fileprivate func changed(user: UInt32, group: UInt32) -> KeptStatus {
        KeptStatus(
            userID: user == .max ? userID : user,
            groupID: group == .max ? groupID : group,
            device: device,
            mode: mode
        )
    }
}

extension SpecialFile {
    /// Whether only root of the machine can make it: any device but overlayfs's mark of a removed name.
    var isRefusedDevice: Bool {
        (type == .characterDevice || type == .blockDevice) && !(type == .characterDevice && major == 0 && minor == 0)
    }
}
