internal import Archive
internal import LinuxSystem

extension EntryMetadata {
    /// Whether a file has this mode and owner.
    func isMode(of status: FileStatus) -> Bool {
        status.mode == mode && status.userID == user && status.groupID == group
    }

    /// Gives all this to a file that was made for it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func giveToNew(_ file: OpenFile) throws(SystemCallError) {
        try file.changeOwner(user: user, group: group)
        setAttributes(of: file)
        // After the owner, whose change takes setuid bits away, and after access control lists, which change the mode.
        try file.changeMode(UInt32(mode))
        try file.setTimes(modified: modified)
    }

    /// Gives what differs of this to a file or directory that may have had something else.
    /// - Returns: whether anything differed.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    @discardableResult
    func give(to file: OpenFile, status: FileStatus) throws(SystemCallError) -> Bool {
        let hasSameOwner = status.userID == user && status.groupID == group
        if !hasSameOwner { try file.changeOwner(user: user, group: group) }
        let hasSameAttributes = try replaceAttributes(of: file)
        let hasSameMode = status.mode == mode && hasSameOwner && hasSameAttributes
        if !hasSameMode { try file.changeMode(UInt32(mode)) }
        if status.modified != modified { try file.setTimes(modified: modified) }
        return !hasSameMode || status.modified != modified
    }

    /// - Returns: whether the file had these attributes and no others of their kind.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func replaceAttributes(of file: OpenFile) throws(SystemCallError) -> Bool {
        let present = try copiedAttributes(of: file)
        if Self.isSame(present, attributes) { return true }
        for (name, _) in present where !attributes.contains(where: { $0.name == name }) {
            try file.removeExtendedAttribute(name)
        }
        setAttributes(of: file)
        return false
    }

    /// As in BuildKit, an attribute that the file system or the process's rights refuse is left out.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func setAttributes(of file: OpenFile) {
        for (name, value) in attributes { try? file.setExtendedAttribute(name, value) }
    }

    static func isSame(
        _ left: [(name: [UInt8], value: [UInt8])],
        _ right: [(name: [UInt8], value: [UInt8])]
    ) -> Bool {
        left.elementsEqual(right) { $0.name == $1.name && $0.value == $1.value }
    }
}
