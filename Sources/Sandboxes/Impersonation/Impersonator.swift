internal import LinuxSystem
internal import SystemPackage
internal import Text

/// Answers what processes of a sandbox ask about owners and users where the kernel has one user alone.
///
/// What they set is kept, and said again when they ask.
///
/// Users are no boundary then: the kernel lets all of them do what root may. See docs/rootless.md.
struct Impersonator {
    let listener: SystemCallListener
    private var identities: Identities

    init(_ listener: SystemCallListener, groups: [UInt32]) {
        self.listener = listener
        identities = Identities(groups: groups)
    }

    /// Answers until the last process of the sandbox has ended.
    @available(*, noasync, message: "blocks a thread; call it on a thread of its own")
    mutating func run() throws(SystemCallError) {
        var copy = self
        try listener.answer { copy.answer($0) }
        self = copy
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private mutating func answer(_ call: InterceptedCall) -> CallAnswer {
        guard let name = HandedCalls.names[call.number] else { return .kernel }
        do throws(SystemCallError) {
            switch name {
            case "stat", "lstat", "fstat", "newfstatat", "statx": return try answerStatus(name, call)
            case "chown", "lchown", "fchown", "fchownat": return try changeOwner(name, call)
            case "mknod", "mknodat", "mkdir", "mkdirat", "symlink", "symlinkat", "open", "openat", "creat":
                return try make(name, call)
            case "rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat":
                return try moveEntry(name, call)
            case "getuid", "geteuid", "getgid", "getegid", "getresuid", "getresgid", "getgroups":
                return answerIdentity(name, call)
            default: return changeIdentity(name, call)
            }
        } catch {
            return .failure(error.errno)
        }
    }

    // MARK: Users

    private mutating func answerIdentity(_ name: Substring, _ call: InterceptedCall) -> CallAnswer {
        let identity = identities.identity(of: call.thread)
        func write(_ ids: ClaimedIdentity.IDs) -> CallAnswer {
            for (index, id) in [ids.real, ids.effective, ids.saved].enumerated() {
                guard listener.write([id], at: call.arguments[index], of: call) else { return .failure(.badAddress) }
            }
            return .value(0)
        }
        switch name {
        case "getuid": return .value(Int64(identity.user.real))
        case "geteuid": return .value(Int64(identity.user.effective))
        case "getgid": return .value(Int64(identity.group.real))
        case "getegid": return .value(Int64(identity.group.effective))
        case "getresuid": return write(identity.user)
        case "getresgid": return write(identity.group)
        default:
            let count = Int64(identity.groups.count)
            let space = Int64(Int32(bitPattern: call.word(0)))
            if space == 0 { return .value(count) }
            if space < count { return .failure(.invalidArgument) }
            return listener.write(identity.groups, at: call.arguments[1], of: call)
                ? .value(count) : .failure(.badAddress)
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private mutating func changeIdentity(_ name: Substring, _ call: InterceptedCall) -> CallAnswer {
        var identity = identities.identity(of: call.thread)
        if name == "prctl" {
            identity.keeper = call.word(1) == 1 ? files(of: call)?.program : nil
            identities.set(identity, of: call.thread)
            return .kernel
        }
        let keeps = identity.keeper != nil && identity.keeper == files(of: call)?.program
        let isPrivileged = identity.isPrivileged || keeps
        let (first, second, third) = (call.word(0), call.word(1), call.word(2))
        let three = ClaimedIdentity.IDs(real: first, effective: second, saved: third)
        let isAllowed: Bool
        switch name {
        case "setuid": isAllowed = identity.user.set(first, isPrivileged: isPrivileged)
        case "setgid": isAllowed = identity.group.set(first, isPrivileged: isPrivileged)
        case "setreuid": isAllowed = identity.user.set(real: first, effective: second, isPrivileged: isPrivileged)
        case "setregid": isAllowed = identity.group.set(real: first, effective: second, isPrivileged: isPrivileged)
        case "setresuid": isAllowed = identity.user.set(three, isPrivileged: isPrivileged)
        case "setresgid": isAllowed = identity.group.set(three, isPrivileged: isPrivileged)
        // These answer with the id that was; files are the effective user's.
        case "setfsuid": return .value(Int64(identity.user.effective))
        case "setfsgid": return .value(Int64(identity.group.effective))
        default:
            let count = Int(first)
            guard count <= 65_536, let groups = listener.words(at: call.arguments[1], count: count, of: call) else {
                return .failure(count <= 65_536 ? .badAddress : .invalidArgument)
            }
            isAllowed = isPrivileged
            identity.groups = groups
        }
        guard isAllowed else { return .failure(.notPermitted) }
        identities.set(identity, of: call.thread)
        return .value(0)
    }

    // MARK: Files

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func files(of call: InterceptedCall) -> CallerFiles? { CallerFiles(of: call, at: listener) }

    /// What a call with a path, or with a descriptor instead, is about; nil where the kernel must say.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func subject(
        path: Int,
        below directory: Int32 = CallerFiles.currentDirectory,
        follows: Bool,
        allowsEmpty: Bool = false,
        _ call: InterceptedCall
    ) -> CallerFiles.Subject? {
        guard let files = files(of: call) else { return nil }
        let text = call.arguments[path] == 0 && allowsEmpty ? [] : listener.text(at: call.arguments[path], of: call)
        guard let text else { return nil }
        if text.isEmpty, allowsEmpty {
            return directory == CallerFiles.currentDirectory ? nil : files.file(directory).map { .open($0) }
        }
        return files.place(text, below: directory, followsLinks: follows).map { .place($0) }
    }

    private static let noFollow: UInt32 = 0x100
    private static let emptyPath: UInt32 = 0x1000

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func subject(of name: Substring, flags index: Int, _ call: InterceptedCall) -> CallerFiles.Subject? {
        switch name {
        case "stat", "chown": return subject(path: 0, follows: true, call)
        case "lstat", "lchown": return subject(path: 0, follows: false, call)
        case "fstat", "fchown":
            return files(of: call)?.file(Int32(bitPattern: call.word(0))).map { .open($0) }
        default:
            let flags = call.word(index)
            return subject(
                path: 1,
                below: Int32(bitPattern: call.word(0)),
                follows: flags & Self.noFollow == 0,
                allowsEmpty: flags & Self.emptyPath != 0,
                call
            )
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func answerStatus(_ name: Substring, _ call: InterceptedCall) throws(SystemCallError) -> CallAnswer {
        guard let subject = subject(of: name, flags: name == "statx" ? 2 : 3, call) else { return .kernel }
        // What is wrong with a path the kernel says best.
        guard let (opened, status, _) = try? found(subject, call) else { return .kernel }
        let isKept =
            status.userID != 0 || status.groupID != 0
            || status.type == .characterDevice || status.type == .blockDevice
        guard isKept else { return .kernel }
        let (mask, index): (UInt32?, Int) =
            switch name {
            case "statx": (call.word(3), 4)
            case "newfstatat": (nil, 2)
            default: (nil, 1)
            }
        return listener.writeStatus(of: opened, status, mask: mask, at: call.arguments[index], of: call)
            ? .value(0) : .failure(.badAddress)
    }

    /// The file that a call is about, and where it is if its owner is kept with its directory, as that of links and FIFOs.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func found(
        _ subject: CallerFiles.Subject,
        _ call: InterceptedCall
    ) throws(SystemCallError) -> (file: OpenFile, status: FileStatus, entry: (directory: OpenFile, name: [UInt8])?) {
        let file: OpenFile
        var entry: (directory: OpenFile, name: [UInt8])?
        switch subject {
        case .open(let opened): file = opened
        case .place(let place):
            file = try place.open()
            if !place.followsLinks { entry = try place.parent() }
        }
        var status = try file.status()
        switch status.type {
        case .symbolicLink, .fifo, .socket:
            entry = entry ?? files(of: call)?.entry(of: file)
            if let entry, let known = try entry.directory.entryStatus(named: entry.name) { status = known }
            return (file, status, entry)
        case .regular, .directory, .characterDevice, .blockDevice: return (file, status, nil)
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private mutating func changeOwner(
        _ name: Substring,
        _ call: InterceptedCall
    ) throws(SystemCallError) -> CallAnswer {
        guard let subject = subject(of: name, flags: 4, call) else { return .kernel }
        let first = name == "fchownat" ? 2 : 1
        let (user, group) = (call.word(first), call.word(first + 1))
        let identity = identities.identity(of: call.thread)
        guard let (opened, status, entry) = try? found(subject, call) else { return .kernel }
        guard identity.mayGive(of: status.userID, status.groupID, to: user, group) else {
            return .failure(.notPermitted)
        }
        do throws(SystemCallError) {
            switch status.type {
            case .symbolicLink, .fifo, .socket:
                // Nothing of a pipe, or of what has been removed, comes into an image.
                if let entry {
                    try entry.directory.changeOwner(ofEntry: entry.name, user: user, group: group)
                }
            case .regular, .directory, .characterDevice, .blockDevice:
                try opened.changeOwner(user: user, group: group)
            }
        } catch {
            // A file system without attributes, as one in memory: nothing of it comes into an image.
            guard error.errno == .notSupported else { throw error }
        }
        if status.type == .regular { try takeRights(of: opened, status) }
        return .value(0)
    }

    /// As the kernel: what runs with its owner's rights does so no more when it is given away.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func takeRights(of file: OpenFile, _ status: FileStatus) throws(SystemCallError) {
        var mode = status.mode & ~0o4000
        if mode & 0o010 != 0 { mode &= ~0o2000 }
        if mode != status.mode { try file.changeMode(UInt32(mode)) }
        if try file.extendedAttribute("security.capability") != nil {
            try file.removeExtendedAttribute("security.capability")
        }
    }

    // MARK: Making files

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private mutating func make(_ name: Substring, _ call: InterceptedCall) throws(SystemCallError) -> CallAnswer {
        let identity = identities.identity(of: call.thread)
        // Where the path is, and what comes behind it.
        let path =
            name.hasPrefix("symlink") ? (name == "symlink" ? 1 : 2) : (name.hasSuffix("at") && name != "creat" ? 1 : 0)
        let hasDirectory = name == "openat" || name == "mkdirat" || name == "mknodat" || name == "symlinkat"
        let directory = hasDirectory ? Int32(bitPattern: call.word(path - 1)) : CallerFiles.currentDirectory
        guard case .place(let place)? = subject(path: path, below: directory, follows: false, call),
            let (parent, entry) = try? place.parent(), let facts = ThreadFacts(call.thread)
        else { return .kernel }
        let new = NewFile(parent: parent, name: entry, identity: identity, modeMask: facts.modeMask)
        if !name.hasPrefix("mknod"), try new.isOfRoot() { return .kernel }
        // What is there already is not made, and what a link leads to is not looked for.
        if try parent.entryStatus(named: entry) != nil { return .kernel }
        switch name {
        case "mknod", "mknodat": return try new.makeNode(mode: call.word(path + 1), device: call.arguments[path + 2])
        case "mkdir", "mkdirat": return try new.makeDirectory(mode: call.word(path + 1))
        case "symlink", "symlinkat":
            guard let target = listener.text(at: call.arguments[0], of: call) else { return .kernel }
            return try new.makeLink(target)
        case "creat": return try new.makeFile(flags: NewFile.creating, mode: call.word(1))
        default: return try new.makeFile(flags: call.word(path + 1), mode: call.word(path + 2))
        }
    }
}
