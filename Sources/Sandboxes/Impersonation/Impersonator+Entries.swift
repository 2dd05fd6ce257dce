internal import LinuxSystem
internal import SystemPackage

/// Names that move: whose a link, a FIFO or a socket is, is kept with its directory under its name, and goes where the name goes.
extension Impersonator {
    private struct Entry {
        let directory: OpenFile
        let name: [UInt8]

        @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
        func hasKeptOwner() throws(SystemCallError) -> Bool { try directory.hasKeptOwner(ofEntry: name) }

        @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
        func status() throws(SystemCallError) -> FileStatus? { try directory.entryStatus(named: name) }

        @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
        func forgetOwner() throws(SystemCallError) { try directory.forgetOwner(ofEntry: name) }
    }

    /// RENAME_NOREPLACE.
    private static let noReplacement: UInt32 = 1

    /// Answers what renames, links or removes an entry.
    ///
    /// The kernel makes all calls but those of entries with a kept owner: whether it succeeds must be known before the owner moves.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func moveEntry(_ name: Substring, _ call: InterceptedCall) throws(SystemCallError) -> CallAnswer {
        let first = name.contains("at") ? 1 : 0
        let flags: UInt32 =
            switch name {
            case "unlinkat": call.word(2)
            case "linkat", "renameat2": call.word(4)
            default: 0
            }
        guard flags == 0 || name == "renameat2" && flags == Self.noReplacement,
            let source = entry(path: first, call)
        else { return .kernel }
        if name.hasPrefix("unlink") {
            guard try source.hasKeptOwner() else { return .kernel }
            try source.directory.removeEntry(named: source.name)
            try source.forgetOwner()
            return .value(0)
        }
        guard let target = entry(path: 2 * first + 1, call) else { return .kernel }
        let areKept = (try source.hasKeptOwner(), try target.hasKeptOwner())
        guard areKept.0 || areKept.1, let status = try source.status() else { return .kernel }
        if flags == Self.noReplacement, try target.status() != nil { return .kernel }
        if name.hasPrefix("link") {
            try target.directory.createHardLink(named: target.name, toEntry: source.name, of: source.directory)
        } else {
            try source.directory.renameEntry(named: source.name, to: target.name, of: target.directory)
            // Two names of one file both stay.
            if try source.status() == nil { try source.forgetOwner() }
        }
        try target.forgetOwner()
        switch status.type {
        case .symbolicLink, .fifo, .socket:
            try target.directory.changeOwner(ofEntry: target.name, user: status.userID, group: status.groupID)
        case .regular, .directory, .characterDevice, .blockDevice: break
        }
        return .value(0)
    }

    /// The entry that a path names, with the descriptor of a directory before it if it is not the first argument.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func entry(path: Int, _ call: InterceptedCall) -> Entry? {
        let hasDirectory = HandedCalls.names[call.number]?.contains("at") ?? false
        let directory = hasDirectory ? Int32(bitPattern: call.word(path - 1)) : CallerFiles.currentDirectory
        guard case .place(let place)? = subject(path: path, below: directory, follows: false, call),
            !place.followsLinks, let found = try? place.parent()
        else { return nil }
        return Entry(directory: found.directory, name: found.name)
    }
}
