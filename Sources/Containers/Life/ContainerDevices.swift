import LinuxSystem
import Sandboxes

/// The cgroup that keeps a container from the host's devices, under the container's id as long as it runs.
enum ContainerDevices {
    /// Makes it.
    /// - Returns: it, under the container's id; nil for a container that may use all devices, and where the host does not let them be
    ///   filtered, of which `ContainerLimits.warnings(for:)` has told.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func confine(_ record: ContainerRecord) -> ControlGroup? {
        if record.configuration.options.isPrivileged { return nil }
        do throws(SystemCallError) {
            let group = try ControlGroup.make(named: record.id)
            try DeviceConfinement.confine(group, to: [])
            return group
        } catch {
            return nil
        }
    }

    /// All cgroups that a container's processes start in.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func groups(of state: ContainerState) throws -> ControlGroup {
        let entrances = try ContainerLimits.entrances(of: state.controlGroups)
        guard let name = state.deviceGroup else { return ControlGroup(joining: entrances) }
        var group = try ControlGroup(named: name)
        group.entrances = entrances
        return group
    }

    /// Takes a running process into all of them.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func add(_ process: Int32, to state: ContainerState) throws {
        if let name = state.deviceGroup { try ControlGroup(named: name).add(process) }
        try ContainerLimits.add(process, to: state.controlGroups)
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    static func remove(_ name: String) {
        do throws(SystemCallError) { try ControlGroup(named: name).remove() } catch {
            // It went with the host's last start.
        }
    }
}
