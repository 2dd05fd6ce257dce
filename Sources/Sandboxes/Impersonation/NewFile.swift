internal import LinuxSystem
internal import SystemPackage

/// A file that a process makes as another user than root, or a device.
struct NewFile {
    let parent: OpenFile
    let name: [UInt8]
    let identity: ClaimedIdentity
    let modeMask: UInt32

    /// O_CREAT, O_WRONLY and O_TRUNC: what creat(2) stands for.
    static let creating: UInt32 = 0o1101

    private static let closeOnExecute: UInt32 = 0o2_000_000

    private func masked(_ mode: UInt32, _ allowed: UInt32 = 0o7777) -> UInt32 { mode & allowed & ~modeMask }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func owner() throws(SystemCallError) -> (user: UInt32, group: UInt32) {
        let directory = try parent.status()
        // A directory with the bit gives its group to what is made in it.
        return (identity.user.effective, directory.mode & 0o2000 == 0 ? identity.group.effective : directory.groupID)
    }

    /// Whether the file is as the kernel makes it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func isOfRoot() throws(SystemCallError) -> Bool { try owner() == (0, 0) }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func own() throws(SystemCallError) {
        let owner = try owner()
        if owner == (0, 0) { return }
        do throws(SystemCallError) {
            try parent.changeOwner(ofEntry: name, user: owner.user, group: owner.group)
        } catch {
            guard error.errno == .notSupported else { throw error }
        }
    }

    /// Opens a regular file that is not there.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func makeFile(flags: UInt32, mode: UInt32) throws(SystemCallError) -> CallAnswer {
        let options = OpenOptions(rawValue: Int32(bitPattern: flags & ~Self.closeOnExecute)).union(.createNew)
        let file = try parent.openEntry(named: name, options, mode: 0o600)
        try file.changeMode(masked(mode))
        try own()
        return .file(file, closesOnExecute: flags & Self.closeOnExecute != 0)
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func makeDirectory(mode: UInt32) throws(SystemCallError) -> CallAnswer {
        try parent.createDirectory(named: name, mode: masked(mode, 0o1777))
        try own()
        return .value(0)
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func makeLink(_ target: [UInt8]) throws(SystemCallError) -> CallAnswer {
        try parent.createSymbolicLink(named: name, target: target)
        try own()
        return .value(0)
    }

    /// A device that stands as a file, or what the kernel makes for anyone.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func makeNode(mode: UInt32, device: UInt64) throws(SystemCallError) -> CallAnswer {
        let node: SpecialFile
        switch mode & 0o170000 {
        case 0o020000: node = SpecialFile(.characterDevice, number: device)
        case 0o060000: node = SpecialFile(.blockDevice, number: device)
        case 0o010000: node = SpecialFile(.fifo)
        default: return .kernel
        }
        if node.type == .fifo, try isOfRoot() { return .kernel }
        if node.type != .fifo, !identity.isPrivileged { return .failure(.notPermitted) }
        try parent.createNode(named: name, node, mode: masked(mode, 0o777))
        try own()
        return .value(0)
    }
}
