package import LinuxSystem
package import SystemPackage
import Text

/// A cgroup of one sandbox: how much its processes may take, and whether they ran out of memory.
///
/// See cgroups(7).
///
/// Hosts keep cgroups in one hierarchy (version 2) or in one for each controller (version 1); both are served.
package struct ControlGroup: Sendable {
    /// How much may be taken; nil is no limit.
    ///
    /// Memory in bytes, periods and quotas in microseconds.
    package struct Limits: Sendable, Hashable {
        package var memory: Int64?
        /// Memory and swap together; -1 is no limit.
        package var memoryAndSwap: Int64?
        package var processorShares: UInt64?
        package var processorPeriod: UInt64?
        package var processorQuota: Int64?
        package var processors: String?
        package var memoryNodes: String?

        package init() {}
    }

    /// The directory where the host keeps cgroups in one hierarchy: a process starts in it.
    package let unified: OpenFile?
    /// What a process writes itself into to join, where it keeps them in several.
    package var entrances: [OpenFile]
    private let directories: [FilePath]
    /// Where the kernel counts the processes that it killed for want of memory.
    private let events: FilePath?
    /// Keeps the paths of `directories` good.
    private let hierarchy: DetachedMount?
    /// Tell others that the cgroup is in use, also those in another process namespace; released when this process ends.
    package let locks: [FileLock]

    /// Why a process at this level can set no limits; nil where it can, as far as the host has them.
    package static func obstacle(at level: PrivilegeLevel) -> String? {
        if level.ownsMachine { return nil }
        switch controlGroupVersion() {
        case .none: return "this machine has no cgroups"
        case .hybrid: return "this machine has cgroups of version 1, which are root's alone"
        case .plain: return "no cgroup is delegated to this user"
        }
    }

    /// Makes a cgroup.
    ///
    /// A host may keep a limit from being set: it has no such controller, or lets nobody write.
    /// - Parameters:
    ///   - limits: how much may be taken.
    ///   - parent: below which cgroup, from the root of the hierarchy.
    ///   - version: how the host keeps its cgroups.
    ///   - root: where they are.
    /// - Returns: the cgroup, nil where none can be made; and what could not be done, in words.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func make(
        _ limits: Limits,
        below parent: FilePath = FilePath(defaultParent),
        version: ControlGroupVersion = controlGroupVersion(),
        root: FilePath = "/sys/fs/cgroup"
    ) -> (group: ControlGroup?, refusals: [String]) {
        guard version != .none else { return (nil, ["this host has no cgroups"]) }
        let place = FilePath(root: nil, parent.lexicallyNormalized().components.filter { $0.kind == .regular })
        let settings = version == .plain ? limits.unifiedSettings : limits.separateSettings
        let controllers = version == .plain ? [""] : Set(settings.map(\.controller)).union(["memory"]).sorted()
        var made: [FilePath] = []
        var locks: [FileLock] = []
        var files: [OpenFile] = []
        var unified: OpenFile?
        var refusals: [String] = []
        for controller in controllers {
            let hierarchy = controller.isEmpty ? root : root.appending(controller)
            do throws(SystemCallError) {
                let (directory, lock) = try makeDirectory(in: hierarchy, below: place, controller)
                made.append(directory)
                locks.append(lock)
                for setting in settings where controller.isEmpty || setting.controller == controller {
                    refusals += refusal(of: setting, in: directory).map { [$0] } ?? []
                }
                if controller.isEmpty {
                    unified = try OpenFile.open(directory, [.readOnly, .directory])
                } else {
                    files.append(try OpenFile.open(directory.appending("cgroup.procs"), .writeOnly))
                }
            } catch {
                refusals.append("\(error)")
            }
        }
        let memory = version == .plain ? made.first : made.first { $0.starts(with: root.appending("memory")) }
        let events = memory?.appending(version == .plain ? "memory.events" : "memory.oom_control")
        if files.isEmpty, unified == nil { return (nil, refusals) }
        let group = ControlGroup(unified: unified, entrances: files, directories: made, events: events, locks: locks)
        return (group, refusals)
    }

    /// Makes a cgroup of version 2 without limits, for a filter of devices; hosts of version 1 have that hierarchy too.
    ///
    /// It is abandoned when this process has ended, and those who joined it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func make(named name: String? = nil) throws(SystemCallError) -> ControlGroup {
        let hierarchy = try DetachedMount.controlGroups()
        let parent = FilePath("/proc/self/fd/\(hierarchy.file.descriptor)/\(defaultParent)")
        try HostFiles.createDirectory(parent)
        removeAbandoned(in: parent)
        guard let name else {
            let (directory, lock) = try makeHeldDirectory(in: parent)
            return try ControlGroup(directory, in: hierarchy, locks: [lock])
        }
        let directory = parent.appending(name)
        let lock = try hold(directory)
        return try ControlGroup(directory, in: hierarchy, locks: [lock])
    }

    /// The cgroup that was made under a name.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init(named name: String) throws(SystemCallError) {
        let hierarchy = try DetachedMount.controlGroups()
        let parent = FilePath("/proc/self/fd/\(hierarchy.file.descriptor)/\(Self.defaultParent)")
        try self.init(parent.appending(name), in: hierarchy, locks: [])
    }

    /// Several cgroups, each only to be joined.
    package init(joining entrances: [OpenFile]) {
        self.init(unified: nil, entrances: entrances, directories: [], events: nil, locks: [])
    }

    private init(_ directory: FilePath, in hierarchy: DetachedMount, locks: [FileLock]) throws(SystemCallError) {
        unified = try OpenFile.open(directory, [.readOnly, .directory])
        entrances = []
        directories = [directory]
        events = nil
        self.hierarchy = hierarchy
        self.locks = locks
    }

    private init(
        unified: OpenFile?,
        entrances: [OpenFile],
        directories: [FilePath],
        events: FilePath?,
        locks: [FileLock]
    ) {
        self.unified = unified
        self.entrances = entrances
        self.directories = directories
        self.events = events
        self.locks = locks
        hierarchy = nil
    }

    /// Takes a running process in.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func add(_ process: Int32) throws(SystemCallError) {
        for directory in directories {
            try OpenFile.open(directory.appending("cgroup.procs"), .writeOnly).write("\(process)")
        }
    }

    private static let defaultParent = "slipway"
    /// What the names of cgroups begin with that go with the process which made them.
    private static let heldPrefix = "slipway-"

    /// How many processes the kernel killed because the cgroup had no memory left.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func outOfMemoryKills() -> Int {
        events.map { Self.outOfMemoryKills(countedIn: $0) } ?? 0
    }

    /// The same by the file in which the kernel counts: `memory.events` or, for version 1, `memory.oom_control`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func outOfMemoryKills(countedIn events: FilePath) -> Int {
        guard let bytes = try? OpenFile.open(events, .readOnly).readToEnd(limit: 4096) else { return 0 }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        return lines.compactMap { line in
            let words = line.split(separator: " ")
            return words.first == "oom_kill" ? words.last.flatMap { Int($0) } : nil
        }.first ?? 0
    }

    /// Removes the cgroup, in which nothing runs any more.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func remove() {
        for directory in directories { Self.removeWhenEmpty(directory) }
    }

    /// Removes a cgroup whose processes have ended or are about to: those that were killed are in it for a moment yet.
    ///
    /// One that cannot be removed by then is found when the next is made.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func removeWhenEmpty(_ directory: FilePath) {
        for _ in 0..<100 {
            guard let isRemoved = try? HostFiles.removeDirectoryIfEmpty(directory), !isRemoved,
                (try? HostFiles.status(of: directory)) ?? nil != nil
            else { return }
            pauseThread(for: .milliseconds(20))
        }
    }

    /// Makes the directory of a cgroup and keeps others from taking it for abandoned.
    /// - Throws: `EBUSY` where another process that lives holds it.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func hold(_ directory: FilePath) throws(SystemCallError) -> FileLock {
        for _ in 0..<100 {
            // Before it was held, another process may have taken it for abandoned, even while it was made.
            do throws(SystemCallError) {
                try HostFiles.createDirectory(directory)
                if let lock = try FileLock.tryAcquire(directory: directory), try HostFiles.status(of: directory) != nil
                {
                    return lock
                }
            } catch {
                guard error.errno == .noSuchFileOrDirectory,
                    try HostFiles.status(of: directory.removingLastComponent()) != nil
                else { throw error }
            }
            pauseThread(for: .milliseconds(10))
        }
        throw SystemCallError("flock", path: directory, errno: .resourceBusy)
    }

    /// Removes the cgroups of processes that were killed before they could, and of containers that have ended.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func removeAbandoned(in parent: FilePath) {
        for entry in (try? HostFiles.entries(of: parent)) ?? [] {
            guard entry.starts(with: heldPrefix.utf8) || isContainer(entry) else { continue }
            let directory = FilePath(bytes: parent.bytes + "/" + entry)
            // The store of a container that ran out of memory still has to read that here.
            if isContainer(entry),
                ["memory.events", "memory.oom_control"].contains(where: {
                    outOfMemoryKills(countedIn: directory.appending($0)) > 0
                })
            {
                continue
            }
            guard let lock = try? FileLock.tryAcquire(directory: directory) else { continue }
            withExtendedLifetime(lock) { _ = try? HostFiles.removeDirectoryIfEmpty(directory) }
        }
    }

    /// Whether a name is a container's id.
    private static func isContainer(_ name: [UInt8]) -> Bool {
        name.count == 64
            && name.allSatisfy {
                ("0"..."9").contains($0)
                    || ("a"..."f").contains($0)
            }
    }
}

extension ControlGroup {
    private static func makeDirectory(
        in hierarchy: FilePath,
        below parent: FilePath,
        _ controller: String
    ) throws(SystemCallError) -> (FilePath, FileLock) {
        var directory = hierarchy
        for component in parent.components {
            enableControllers(below: directory)
            directory = directory.appending(component)
            try HostFiles.createDirectory(directory)
            inheritProcessors(in: directory, controller)
        }
        enableControllers(below: directory)
        removeAbandoned(in: directory)
        let (held, lock) = try makeHeldDirectory(in: directory)
        inheritProcessors(in: held, controller)
        return (held, lock)
    }

    /// Makes a directory of a new name that this process holds.
    private static func makeHeldDirectory(in parent: FilePath) throws(SystemCallError) -> (FilePath, FileLock) {
        let directory = parent.appending("\(heldPrefix)\(ProcessContext.processID)-\(UInt32.random(in: .min ... .max))")
        return (directory, try hold(directory))
    }

    /// Version 2 gives a cgroup the controllers that its parent hands on; those that it does not have are missed later, by name.
    private static func enableControllers(below directory: FilePath) {
        for controller in ["memory", "cpu", "cpuset"] {
            _ = try? write("+\(controller)", to: directory.appending("cgroup.subtree_control"))
        }
    }

    /// A new cgroup of version 1's cpuset has no processors, and no process can enter it.
    private static func inheritProcessors(in directory: FilePath, _ controller: String) {
        guard controller == "cpuset" else { return }
        for name in ["cpuset.cpus", "cpuset.mems"] {
            let own = (try? OpenFile.open(directory.appending(name), .readOnly).readToEnd()) ?? []
            guard own.allSatisfy({ $0 == 0x0a || $0 == 0 }) else { continue }
            let parent = directory.removingLastComponent().appending(name)
            guard let value = try? OpenFile.open(parent, .readOnly).readToEnd() else { continue }
            _ = try? write(String(decoding: value, as: UTF8.self), to: directory.appending(name))
        }
    }

    /// Sets one limit; what kept it from being set, or nil.
    private static func refusal(of setting: Setting, in directory: FilePath) -> String? {
        do throws(SystemCallError) {
            try write(setting.value, to: directory.appending(setting.file))
            return nil
        } catch {
            return "\(setting.what): \(error)"
        }
    }

    private static func write(_ text: String, to path: FilePath) throws(SystemCallError) {
        try OpenFile.open(path, .writeOnly).write(Array(text.utf8))
    }
}

/// One value in one file of a cgroup.
private struct Setting {
    let what: String
    let controller: String
    let file: String
    let value: String
}

extension ControlGroup.Limits {
    /// Version 1.
    fileprivate var separateSettings: [Setting] {
        let all: [(String, String, String, String?)] = [
            ("memory", "memory", "memory.limit_in_bytes", memory.map { "\($0)" }),
            ("memory and swap", "memory", "memory.memsw.limit_in_bytes", memoryAndSwap.map { "\($0)" }),
            ("processor shares", "cpu", "cpu.shares", processorShares.map { "\($0)" }),
            ("processor period", "cpu", "cpu.cfs_period_us", processorPeriod.map { "\($0)" }),
            ("processor quota", "cpu", "cpu.cfs_quota_us", processorQuota.map { "\($0)" }),
            ("processors", "cpuset", "cpuset.cpus", processors),
            ("memory nodes", "cpuset", "cpuset.mems", memoryNodes),
        ]
        return all.compactMap { what, controller, file, value in
            value.map { Setting(what: what, controller: controller, file: file, value: $0) }
        }
    }

    /// Version 2, with docker's conversions of what version 1 means.
    fileprivate var unifiedSettings: [Setting] {
        var swap: String?
        if let total = memoryAndSwap { swap = total < 0 ? "max" : "\(max(0, total - (memory ?? 0)))" }
        var rate: String?
        if processorQuota != nil || processorPeriod != nil {
            let quota = processorQuota.map { $0 > 0 ? "\($0)" : "max" } ?? "max"
            rate = "\(quota) \(processorPeriod ?? 100_000)"
        }
        // 2 to 262144 shares become weights from 1 to 10000.
        let weight = processorShares.map { 1 + (min(max($0, 2), 262_144) - 2) * 9999 / 262_142 }
        let all: [(String, String, String, String?)] = [
            ("memory", "memory", "memory.max", memory.map { "\($0)" }),
            ("memory and swap", "memory", "memory.swap.max", swap),
            ("processor shares", "cpu", "cpu.weight", weight.map { "\($0)" }),
            ("processor period and quota", "cpu", "cpu.max", rate),
            ("processors", "cpuset", "cpuset.cpus", processors),
            ("memory nodes", "cpuset", "cpuset.mems", memoryNodes),
        ]
        return all.compactMap { what, controller, file, value in
            value.map { Setting(what: what, controller: controller, file: file, value: $0) }
        }
    }
}
