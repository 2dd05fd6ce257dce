internal import LinuxSystem
internal import SystemPackage
internal import Text

/// What stands for the kernel's file systems in a root where nothing can be mounted.
enum KernelDirectories {
    private static let devices: [(name: String, major: UInt32, minor: UInt32)] = [
        ("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0),
    ]

    private static let links = [
        ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"), ("core", "/proc/kcore"), ("ptmx", "pts/ptmx"),
    ]

    /// Fills the directory that stands for `/dev`.
    ///
    /// As elsewhere what a process makes in it is not kept.
    /// - Throws: `SandboxError.noDevices` where no node can be made, or none be opened.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func fillDevices(_ directory: RootedDirectory) throws {
        do throws(SystemCallError) {
            for device in devices {
                let node = SpecialFile(.characterDevice, major: device.major, minor: device.minor)
                try directory.createNode(FilePath(device.name), node, mode: 0o666)
                try directory.changeMode(FilePath(device.name), 0o666)
            }
            // A file system may be mounted so that nodes in it are files and no more.
            _ = try directory.open("null", .readWrite)
        } catch {
            throw SandboxError.noDevices(error)
        }
        for (name, target) in links { try directory.createSymbolicLink(FilePath(name), target: Array(target.utf8)) }
        for (name, mode): (FilePath, UInt32) in [("pts", 0o755), ("shm", 0o1777), ("mqueue", 0o1777)] {
            try directory.createDirectory(name)
            try directory.changeMode(name, mode)
        }
    }

    /// What `/proc` says of the machine rather than of a process, and `/sys` of its processors.
    private static let facts: [FilePath] = [
        "cpuinfo", "filesystems", "loadavg", "meminfo", "stat", "uptime", "version", "sys/kernel/osrelease",
        "sys/kernel/ostype", "sys/kernel/version", "sys/kernel/pid_max", "sys/vm/overcommit_memory",
    ]
    private static let processors: [FilePath] = [
        "devices/system/cpu/online", "devices/system/cpu/possible", "devices/system/cpu/present",
    ]

    /// Fills the directory that stands for `/proc`: with what the machine is when the process starts, and nothing of any process.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func fillProcesses(_ directory: RootedDirectory) throws { try copy(facts, of: "/proc", to: directory) }

    /// Fills the directory that stands for `/sys`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func fillSystem(_ directory: RootedDirectory) throws { try copy(processors, of: "/sys", to: directory) }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func copy(_ files: [FilePath], of source: FilePath, to directory: RootedDirectory) throws {
        for file in files {
            // What this container does not show, its steps do not see either.
            guard let content = try? OpenFile.open(source.pushing(file), .readOnly).readToEnd(limit: 4 << 20) else {
                continue
            }
            var parent = FilePath("")
            for component in file.removingLastComponent().components {
                parent.append(component)
                if try directory.statusIfPresent(parent) == nil { try directory.createDirectory(parent, mode: 0o555) }
            }
            let made = try directory.open(file, [.writeOnly, .createNew, .noFollow], mode: 0o444)
            try made.write(content)
        }
    }
}
