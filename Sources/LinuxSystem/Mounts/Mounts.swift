internal import CLinux
internal import Glibc
package import SystemPackage
internal import Text

/// A mount held by descriptor and not yet in the tree: gone with the object unless it is attached.
///
/// See fsmount(2).
package struct DetachedMount: Sendable {
    /// The root of the mount; works as a directory descriptor for the `…at` calls.
    package let file: OpenFile

    /// Creates a tmpfs.
    /// - Parameters:
    ///   - size: the limit in bytes, nil for the kernel's default of half the memory.
    ///   - mode: the permission bits of its root.
    ///   - opensDevices: whether device nodes in it can be opened.
    /// - Returns: the file system, seen nowhere until it is attached.
    /// - Throws: `SystemCallError`, with the words that the kernel left in the mount's context.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func tmpfs(
        size: Int64? = nil,
        mode: UInt32 = 0o755,
        opensDevices: Bool = false
    ) throws(SystemCallError) -> DetachedMount {
        let context = try MountContext("tmpfs")
        if let size { try context.set("size", FilePath(String(size))) }
        try context.set("mode", FilePath(String(mode, radix: 8)))
        let noDevices = opensDevices ? 0 : slipway_MOUNT_ATTR_NODEV
        return try context.create(attributes: slipway_MOUNT_ATTR_NOSUID | noDevices)
    }

    /// The host's cgroups of version 2, which every kernel has whether or not they are mounted anywhere.
    ///
    /// See cgroups(7).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func controlGroups() throws(SystemCallError) -> DetachedMount {
        let attributes = slipway_MOUNT_ATTR_NOSUID | slipway_MOUNT_ATTR_NODEV | slipway_MOUNT_ATTR_NOEXEC
        return try MountContext("cgroup2").create(attributes: attributes)
    }

    /// Clones the mount at a path (a file or a directory), ready to be attached elsewhere: a bind mount.
    ///
    /// See open_tree(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func bind(
        _ source: FilePath,
        recursive: Bool = false,
        readOnly: Bool = false
    ) throws(SystemCallError) -> DetachedMount {
        try bind(try OpenFile.open(source, .pathOnly), recursive: recursive, readOnly: readOnly)
    }

    /// Clones the mount at an already opened file or directory, so that no path is looked up a second time.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func bind(
        _ source: OpenFile,
        recursive: Bool = false,
        readOnly: Bool = false
    ) throws(SystemCallError) -> DetachedMount {
        let descriptor = try retryingSystemCall("open_tree", path: source.path) {
            slipway_open_tree_clone(source.descriptor, "", recursive ? 1 : 0)
        }
        let mount = DetachedMount(file: OpenFile(owning: descriptor, path: source.path))
        // Private: what is later mounted below a shared source stays there, and nothing of ours gets back to it.
        try mount.setAttributes(readOnly ? slipway_MOUNT_ATTR_RDONLY : 0, isPrivate: true, recursive: recursive)
        return mount
    }

    /// Attaches the mount at a directory (or, for a bind of a file, a file) of the host.
    ///
    /// See move_mount(2).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func attach(at target: FilePath) throws(SystemCallError) {
        _ = try retryingSystemCall("move_mount", path: target) {
            target.withPlatformString { slipway_move_mount(file.descriptor, AT_FDCWD, $0) }
        }
    }

    /// Attaches the mount at an already opened (`O_PATH`) file or directory.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func attach(at target: OpenFile) throws(SystemCallError) {
        _ = try retryingSystemCall("move_mount", path: target.path) {
            slipway_move_mount(file.descriptor, target.descriptor, "")
        }
    }

    /// See mount_setattr(2).
    private func setAttributes(_ attributes: UInt32, isPrivate: Bool, recursive: Bool) throws(SystemCallError) {
        let propagation = isPrivate ? UInt64(MS_PRIVATE_) : 0
        _ = try retryingSystemCall("mount_setattr", path: file.path) {
            slipway_mount_setattr(file.descriptor, UInt64(attributes), 0, propagation, recursive ? 1 : 0)
        }
    }
}

/// MS_PRIVATE of mount(2): an enumeration's case in Glibc, a number for mount_setattr(2).
private let MS_PRIVATE_ = 1 << 18

/// Detaches what is mounted at a path; a path where nothing is mounted is no error, nor is a process that may mount nothing: then
/// nothing is mounted there.
///
/// With `lazy` the mount leaves the tree even while files in it are open. See umount2(2).
@available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
package func unmount(_ path: FilePath, lazy: Bool = false) throws(SystemCallError) {
    do throws(SystemCallError) {
        _ = try retryingSystemCall("umount2", path: path) {
            path.withPlatformString { slipway_umount($0, lazy ? 1 : 0) }
        }
    } catch {
        if ![.invalidArgument, .noSuchFileOrDirectory, .notPermitted].contains(error.errno) { throw error }
    }
}

/// A mount that is being configured.
///
/// See fsopen(2) and fsconfig(2).
struct MountContext {
    private let file: OpenFile
    private let filesystem: String

    init(_ filesystem: String) throws(SystemCallError) {
        let descriptor = try retryingSystemCall("fsopen", path: FilePath(filesystem)) { slipway_fsopen(filesystem) }
        file = OpenFile(owning: descriptor, path: FilePath(filesystem))
        self.filesystem = filesystem
    }

    /// Sets one parameter; the value is taken as it is, nothing needs escaping.
    func set(_ key: String, _ value: FilePath) throws(SystemCallError) {
        try described("fsconfig \(key)", value) {
            value.withPlatformString { slipway_fsconfig_string(file.descriptor, key, $0) }
        }
    }

    func create(attributes: UInt32 = 0) throws(SystemCallError) -> DetachedMount {
        try described("fsconfig create", FilePath(filesystem)) { slipway_fsconfig_create(file.descriptor) }
        let mount = try retryingSystemCall("fsmount", path: FilePath(filesystem)) {
            slipway_fsmount(file.descriptor, attributes)
        }
        return DetachedMount(file: OpenFile(owning: mount, path: FilePath(filesystem)))
    }

    /// Runs one call; where it fails, the kernel's own words (read from the context) join the error's text.
    private func described(_ call: String, _ path: FilePath?, _ body: () -> CInt) throws(SystemCallError) {
        do throws(SystemCallError) {
            _ = try retryingSystemCall(call, path: path, body)
        } catch {
            let words = kernelMessages()
            throw words.isEmpty ? error : SystemCallError("\(call) (\(words))", path: path, errno: error.errno)
        }
    }

    private func kernelMessages() -> String {
        var messages: [String] = []
        var buffer = [UInt8](repeating: 0, count: 1024)
        while true {
            let count = Glibc.read(file.descriptor, &buffer, buffer.count)
            if count <= 0 { return messages.joined(separator: "; ") }
            messages.append(escapedForDisplay(buffer[..<count].filter { $0 != 0x0a }))
        }
    }
}

/// The mount table of this process.
package enum MountNamespace {
    /// Gives the process a mount table of its own, so that its mounts vanish with it, however it ends.
    ///
    /// Mounts that the host adds or removes later still arrive; ours never reach the host. Called once, at the start of
    /// `main`: a namespace belongs to a thread, and only threads started afterwards inherit it. See unshare(2).
    /// - Throws: `EBUSY` when the process already has more than one thread.
    @available(*, noasync, message: "call it at the start of main")
    package static func enterPrivate() throws(SystemCallError) {
        try requireSingleThread()
        _ = try retryingSystemCall("unshare") { slipway_unshare(slipway_CLONE_NEWNS) }
        _ = try retryingSystemCall("mount", path: "/") { slipway_make_root_slave() }
    }

    /// The same in a user namespace that was just entered, with a view of cgroups that belongs to it as well: its root
    /// can mount only the cgroups of such a view.
    @available(*, noasync, message: "call it at the start of main")
    static func enterOwn() throws(SystemCallError) {
        do throws(SystemCallError) {
            _ = try retryingSystemCall("unshare") { slipway_unshare(slipway_CLONE_NEWNS | slipway_CLONE_NEWCGROUP) }
        } catch {
            // A kernel without cgroups.
            guard error.errno == .invalidArgument else { throw error }
            _ = try retryingSystemCall("unshare") { slipway_unshare(slipway_CLONE_NEWNS) }
        }
        _ = try retryingSystemCall("mount", path: "/") { slipway_make_root_slave() }
    }

    /// Where something is mounted, in the order in which that was done.
    ///
    /// See proc_pid_mountinfo(5).
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func mountPoints() throws(SystemCallError) -> [FilePath] {
        let content = try OpenFile.open("/proc/self/mountinfo", .readOnly).readToEnd(limit: 16 << 20)
        return content.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ", maxSplits: 5)
            return fields.count > 4 ? FilePath(bytes: unescaped(fields[4])) : nil
        }
    }

    /// The kernel writes blanks and backslashes of names as a backslash and three octal digits.
    private static func unescaped(_ field: ArraySlice<UInt8>) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = field
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3)
            guard byte == "\\", digits.count == 3, let value = UInt8(String(decoding: digits, as: UTF8.self), radix: 8)
            else {
                bytes.append(byte)
                continue
            }
            bytes.append(value)
            rest = rest.dropFirst(3)
        }
        return bytes
    }

    /// - Throws: `EBUSY` when the process has more than one thread.
    @available(*, noasync, message: "call it at the start of main")
    static func requireSingleThread() throws(SystemCallError) {
        let threads = try directoryEntries(of: try OpenFile.open("/proc/self/task", [.readOnly, .directory]))
        guard threads.count == 1 else { throw SystemCallError("unshare", errno: .resourceBusy) }
    }
}
