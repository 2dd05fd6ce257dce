package import LinuxSystem
import Sandboxes
import SystemPackage

/// How much of the host a container may use; nil is as much as there is.
package struct ContainerResources: Sendable, Codable, Hashable {
    /// Bytes.
    package var memory: Int64?
    /// Processors' worth of time.
    package var processors: Double?
    package var processes: Int64?

    package init() {}

    var isUnlimited: Bool { memory == nil && processors == nil && processes == nil }
}

/// The cgroups that hold a container to its limits: one for each controller where the host has version 1, one in all where it has
/// version 2.
///
/// See cgroups(7).
package enum ContainerLimits {
    private enum Controller: String, CaseIterable {
        case memory, cpu, pids

        /// What docker says where the host cannot limit it.
        var warning: String {
            switch self {
            case .memory:
                "Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded."
            case .cpu: "Your kernel does not support CPU CFS scheduler. CPU period/quota discarded."
            case .pids:
                "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded."
            }
        }

        func isLimited(by resources: ContainerResources) -> Bool {
            switch self {
            case .memory: resources.memory != nil
            case .cpu: resources.processors != nil
            case .pids: resources.processes != nil
            }
        }
    }

    private static let mountPoint: FilePath = "/sys/fs/cgroup"
    private static let group = "slipway"
    /// Microseconds in which a container gets its share of time; the kernel's default.
    private static let period: Int64 = 100_000

    /// What of the limits this host cannot keep, in docker's words.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func warnings(for resources: ContainerResources, at level: PrivilegeLevel) -> [String] {
        // Others are refused what cannot be kept.
        guard level.ownsMachine else { return [] }
        return Controller.allCases.filter { $0.isLimited(by: resources) && parent(of: $0) == nil }.map(\.warning)
            + [DeviceConfinement.obstacle()].compactMap(\.self)
    }

    /// Makes the cgroups of a container, as far as the host has what they need.
    /// - Returns: their directories, each once, and what keeps others from removing them while they are empty.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func make(
        for id: String,
        _ resources: ContainerResources
    ) throws -> (directories: [FilePath], locks: [FileLock]) {
        var directories: [FilePath] = []
        var locks: [FileLock] = []
        for controller in Controller.allCases where controller.isLimited(by: resources) {
            guard let parent = parent(of: controller) else { continue }
            let directory = parent.appending(id)
            if !directories.contains(directory) {
                ControlGroup.removeAbandoned(in: parent)
                locks.append(try ControlGroup.hold(directory))
                directories.append(directory)
            }
            for (file, value, isNeeded) in settings(controller, resources) {
                do throws(SystemCallError) {
                    try write(value, to: directory.appending(file))
                } catch {
                    if isNeeded { throw error }
                }
            }
        }
        return (directories, locks)
    }

    /// The files through which processes join cgroups.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func entrances(of directories: [String]) throws -> [OpenFile] {
        try directories.map { try OpenFile.open(FilePath($0).appending("cgroup.procs"), .writeOnly) }
    }

    /// Puts a process into cgroups.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func add(_ process: Int32, to directories: [String]) throws {
        for directory in directories { try write("\(process)", to: FilePath(directory).appending("cgroup.procs")) }
    }

    /// How many processes the kernel killed because their cgroup had no memory left.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func outOfMemoryKills(in directories: [String]) -> Int {
        directories.flatMap { directory in
            ["memory.events", "memory.oom_control"].map { FilePath(directory).appending($0) }
        }
        .map { ControlGroup.outOfMemoryKills(countedIn: $0) }.reduce(0, +)
    }

    /// Removes the cgroups of a container that has ended, and those that earlier ones have left.
    ///
    /// Processes that were killed with it are in them for a moment yet.
    /// - Parameters:
    ///   - directories: those that limit it.
    ///   - device: the name of the one that keeps it from devices.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func remove(_ directories: [String], device: String?) {
        for directory in directories { ControlGroup.removeWhenEmpty(FilePath(directory)) }
        if let device { ContainerDevices.remove(device) }
        for parent in Set(directories.map { FilePath($0).removingLastComponent() }) {
            ControlGroup.removeAbandoned(in: parent)
        }
    }

    /// Where a controller's cgroups of containers are; nil where the host does not let Slipway limit it.
    private static func parent(of controller: Controller) -> FilePath? {
        switch controlGroupVersion() {
        case .none: return nil
        case .hybrid:
            let parent = mountPoint.appending(controller.rawValue).appending(group)
            // The directory is a hierarchy only where it has the controller's files.
            let probe = controller == .pids ? "cgroup.procs" : settings(controller, .everything)[0].file
            return isUsable(parent, probe: probe) ? parent : nil
        case .plain:
            let parent = mountPoint.appending(group)
            let enable = "+\(controller.rawValue)"
            _ = try? HostFiles.createDirectories(parent)
            // What is enabled above is what there is below; refused where processes are in the way.
            for directory in [mountPoint, parent] {
                try? write(enable, to: directory.appending("cgroup.subtree_control"))
            }
            let text = try? OpenFile.open(parent.appending("cgroup.subtree_control"), .readOnly).readToEnd(limit: 4096)
            let enabled = String(decoding: text ?? [], as: UTF8.self).split(whereSeparator: \.isWhitespace)
            return enabled.contains { $0 == controller.rawValue } ? parent : nil
        }
    }

    private static func isUsable(_ parent: FilePath, probe: String) -> Bool {
        guard (try? HostFiles.createDirectories(parent)) != nil else { return false }
        return (try? HostFiles.status(of: parent.appending(probe))) ?? nil != nil
    }

    /// What is written where, in this order, and whether a refusal matters.
    private static func settings(
        _ controller: Controller,
        _ resources: ContainerResources
    ) -> [(file: String, value: String, isNeeded: Bool)] {
        let isPlain = controlGroupVersion() == .plain
        switch controller {
        case .memory:
            let memory = resources.memory ?? 0
            // Docker lets a container swap as much as it has memory.
            let both = memory.addingReportingOverflow(memory)
            let total = both.overflow ? .max : both.partialValue
            return isPlain
                ? [("memory.max", "\(memory)", true), ("memory.swap.max", "\(memory)", false)]
                : [("memory.limit_in_bytes", "\(memory)", true), ("memory.memsw.limit_in_bytes", "\(total)", false)]
        case .cpu:
            let quota = max(1000, Int64((resources.processors ?? 0) * Double(period)))
            return isPlain
                ? [("cpu.max", "\(quota) \(period)", true)]
                : [("cpu.cfs_quota_us", "\(quota)", true), ("cpu.cfs_period_us", "\(period)", false)]
        case .pids: return [("pids.max", "\(resources.processes ?? 0)", true)]
        }
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func write(_ text: String, to path: FilePath) throws(SystemCallError) {
        try OpenFile.open(path, .writeOnly).write(Array(text.utf8))
    }
}

extension ContainerResources {
    /// Only for its names of files.
    fileprivate static let everything = ContainerResources()
}
