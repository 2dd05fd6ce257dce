internal import CLinux
internal import Glibc
internal import SystemPackage
internal import Text

/// Owners of files that the kernel does not have: see `KeptOwner`.
extension OpenFile {
    /// The status of this file as the kernel has it, with what is kept of it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func withKeptOwner(_ status: FileStatus) throws(SystemCallError) -> FileStatus {
        guard status.mayBeKept else { return status }
        if status.canHaveUserAttributes { return status.with(try keptOwner()) }
        guard let place = place(of: status) else { return status }
        return status.with(try place.directory.keptEntries()[place.name])
    }

    /// The same of an entry of this directory.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func withKeptOwner(_ status: FileStatus, ofEntry name: [UInt8]) throws(SystemCallError) -> FileStatus {
        guard status.mayBeKept else { return status }
        if status.canHaveUserAttributes { return status.with(try openEntry(named: name, .pathOnly).keptOwner()) }
        return status.with(try keptEntries()[name])
    }

    /// Keeps whose this file is.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func keepOwner(user: UInt32, group: UInt32) throws(SystemCallError) {
        let status = try statusOfKernel()
        if status.canHaveUserAttributes {
            let owner = (try keptOwner() ?? status.owner).changed(user: user, group: group)
            if owner != status.owner { return try setExtendedAttribute(KeptOwner.attribute, owner.bytes) }
            if try keptOwner() != nil { try removeExtendedAttribute(KeptOwner.attribute) }
            return
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

    /// Whether this directory keeps whose an entry is, one that there is or one that there was.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func hasKeptOwner(ofEntry name: [UInt8]) throws(SystemCallError) -> Bool {
        try keptEntries()[name] != nil
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
        let file = try createFile(named: name, mode: mode)
        var owner = try file.statusOfKernel().owner
        owner.device = device
        try file.setExtendedAttribute(KeptOwner.attribute, owner.bytes)
    }

    /// The status as the kernel has it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func statusOfKernel() throws(SystemCallError) -> FileStatus {
        var raw = Glibc.stat()
        _ = try retryingSystemCall("fstat", path: path) { Glibc.fstat(descriptor, &raw) }
        return FileStatus(raw)
    }

    // MARK: Attributes

    private func keptOwner() throws(SystemCallError) -> KeptOwner? {
        try extendedAttribute(KeptOwner.attribute).flatMap { KeptOwner(parsing: $0) }
    }

    private func keptEntries() throws(SystemCallError) -> KeptEntries {
        KeptEntries(parsing: try extendedAttribute(KeptOwner.entriesAttribute) ?? [])
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

    private func keep(_ entries: KeptEntries) throws(SystemCallError) {
        if entries.isEmpty { return try removeExtendedAttribute(KeptOwner.entriesAttribute) }
        try setExtendedAttribute(KeptOwner.entriesAttribute, entries.bytes)
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
    fileprivate var owner: KeptOwner { KeptOwner(userID: userID, groupID: groupID) }
}

extension KeptOwner {
    /// As chown(2): the highest number leaves the owner as it is.
    fileprivate func changed(user: UInt32, group: UInt32) -> KeptOwner {
        KeptOwner(
            userID: user == .max ? userID : user,
            groupID: group == .max ? groupID : group,
            device: device
        )
    }
}

extension SpecialFile {
    /// Whether only root of the machine can make it: any device but overlayfs's mark of a removed name.
    var isRefusedDevice: Bool {
        (type == .characterDevice || type == .blockDevice) && !(type == .characterDevice && major == 0 && minor == 0)
    }
}
