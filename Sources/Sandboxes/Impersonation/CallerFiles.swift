internal import LinuxSystem
internal import SystemPackage
internal import Text

/// The files that a thread of a sandbox names in its system calls, looked up as it would.
struct CallerFiles {
    /// A place in the tree that the caller sees as `/`.
    struct Place {
        let root: RootedDirectory
        let path: FilePath
        let followsLinks: Bool

        @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
        func open() throws(SystemCallError) -> OpenFile {
            try root.open(path, followsLinks ? .pathOnly : [.pathOnly, .noFollow])
        }

        /// The directory that has or gets the entry, and the entry's name; nil for the top.
        @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
        func parent() throws(SystemCallError) -> (directory: OpenFile, name: [UInt8])? {
            guard let last = path.components.last, last.kind == .regular else { return nil }
            let directory = try root.open(path.removingLastComponent(), [.pathOnly, .directory])
            return (directory, FilePath(root: nil, [last]).bytes)
        }
    }

    /// What a call is about.
    enum Subject {
        case place(Place)
        case open(OpenFile)
    }

    /// The thread's directory in `/proc`: it stays that thread's when the thread has ended and its number is another's.
    private let directory: OpenFile
    private var own: FilePath { FilePath("/proc/self/fd/\(directory.descriptor)") }

    /// - Returns: nil if the thread waits no more: its number may be that of any process of the machine by now.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    init?(of call: InterceptedCall, at listener: SystemCallListener) {
        guard let directory = try? OpenFile.open(FilePath("/proc/\(call.thread)"), [.pathOnly, .directory]),
            listener.waits(call)
        else { return nil }
        self.directory = directory
    }

    /// The place of a path that is relative to a directory of the caller's.
    /// - Returns: nil where it cannot be told; the kernel can.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func place(_ text: [UInt8], below directory: Int32, followsLinks: Bool) -> Place? {
        guard let root = try? RootedDirectory(own.appending("root")), !text.isEmpty else { return nil }
        // What ends in a slash is followed, whatever the call says.
        let follows = followsLinks || text.last == UInt8(ascii: "/")
        if text.first == UInt8(ascii: "/") {
            return Place(root: root, path: FilePath(bytes: text), followsLinks: follows)
        }
        let start = directory == Self.currentDirectory ? "cwd" : "fd/\(directory)"
        guard let links = try? RootedDirectory(own), let base = try? links.readLink(FilePath(start)),
            let inside = inside(base)
        else { return nil }
        let path = inside + "/" + text
        return Place(root: root, path: FilePath(bytes: path), followsLinks: follows)
    }

    /// A path of the kernel's, as the caller has it: after chroot(2) the kernel says what lies above as well.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private func inside(_ path: [UInt8]) -> [UInt8]? {
        guard path.first == UInt8(ascii: "/"), let top = try? RootedDirectory(own).readLink("root") else { return nil }
        return top.count > 1 && path.starts(with: top) ? Array(path.dropFirst(top.count)) : path
    }

    /// Where a file is that has been opened; nil if it has been removed, or is elsewhere.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func entry(of file: OpenFile) -> (directory: OpenFile, name: [UInt8])? {
        let link = file.procPath
        guard let last = link.lastComponent, let status = try? file.status(),
            let named = try? RootedDirectory(link.removingLastComponent()).readLink(FilePath(root: nil, [last])),
            let path = inside(named), let root = try? RootedDirectory(own.appending("root")),
            let entry = try? Place(root: root, path: FilePath(bytes: path), followsLinks: false).parent(),
            let found = try? entry.directory.entryStatus(named: entry.name),
            found.inode == status.inode, found.device == status.device
        else { return nil }
        return entry
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func file(_ descriptor: Int32) -> OpenFile? {
        try? OpenFile.open(own.appending("fd/\(descriptor)"), .pathOnly)
    }

    /// The program that the thread runs.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    var program: [UInt8]? { try? RootedDirectory(own).readLink("exe") }

    /// AT_FDCWD.
    static let currentDirectory: Int32 = -100
}
