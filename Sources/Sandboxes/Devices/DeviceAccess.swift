package import LinuxSystem
package import SystemPackage

/// A node that a process finds in its root file system, and how it may use it.
package struct DeviceNode: Sendable, Hashable {
    package enum Kind: Sendable, Hashable {
        case device(DeviceRule.Kind, major: UInt32, minor: UInt32)
        case fifo
    }

    /// As the process sees it.
    package var path: FilePath
    package var kind: Kind
    package var mode: UInt32
    /// Nil is the process's own, as for the group.
    package var userID: UInt32?
    package var groupID: UInt32?
    package var access: DeviceRule.Access

    package init(
        path: FilePath,
        kind: Kind,
        mode: UInt32 = 0o666,
        userID: UInt32? = nil,
        groupID: UInt32? = nil,
        access: DeviceRule.Access = .all
    ) {
        self.path = path
        self.kind = kind
        self.mode = mode
        self.userID = userID
        self.groupID = groupID
        self.access = access
    }

    var rule: DeviceRule? {
        guard case .device(let kind, let major, let minor) = kind else { return nil }
        return DeviceRule(kind, major: major, minor: minor, access: access)
    }
}

extension DeviceRule {
    /// What every process may use, as with docker: nodes of any device can be made, and those be opened that hold nothing of the host.
    static let standard: [DeviceRule] =
        [DeviceRule(.character, access: .make), DeviceRule(.block, access: .make)]
        // null, zero, full, random, urandom; tty, console, ptmx; terminals; tun, which asks for a capability of its own.
        + [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2), (136, nil), (10, 200)].map {
            DeviceRule(.character, major: $0, minor: $1)
        }
}

/// The cgroup that keeps a process from the host's devices.
package struct DeviceConfinement: Sendable {
    /// The cgroup to start the process in; nil where it may use all devices and has no other reason to be in one.
    let controlGroup: OpenFile?
    /// A cgroup made for nothing else.
    private let own: ControlGroup?

    /// Puts a process's cgroup under a filter, making one where the configuration has none.
    ///
    /// Where the host lets this process do neither, the process to be confined cannot make nodes of devices, and the obstacle is told.
    /// - Parameters:
    ///   - configuration: whose process to confine; it loses the privilege to make nodes where that is all that can be done.
    ///   - level: of this process. Below the machine's root the kernel makes no nodes of devices and opens none that an image has.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    init(of configuration: inout SandboxConfiguration, level: PrivilegeLevel) {
        let given = configuration.controlGroup
        var own: ControlGroup?
        do throws(SystemCallError) {
            if !configuration.usesAllDevices, level.ownsMachine {
                if given?.unified == nil { own = try ControlGroup.make() }
                try Self.confine(given?.unified == nil ? own : given, to: configuration.deviceNodes)
            }
        } catch {
            own?.remove()
            own = nil
            configuration.capabilities.remove(.makeNode)
            configuration.noteObstacle(Self.text(of: error))
        }
        self.own = own
        controlGroup = given?.unified ?? own?.unified
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    func remove() { own?.remove() }

    /// Puts a cgroup of version 2 under the filter of a process that uses these nodes.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func confine(_ group: ControlGroup?, to nodes: [DeviceNode]) throws(SystemCallError) {
        guard let directory = group?.unified else { return }
        try DeviceFilter(allowing: DeviceRule.standard + nodes.compactMap(\.rule)).attach(to: directory)
    }

    /// Why this host does not let processes be kept from its devices; nil where it does.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package static func obstacle() -> String? {
        do throws(SystemCallError) {
            let group = try ControlGroup.make()
            defer { group.remove() }
            try confine(group, to: [])
            return nil
        } catch {
            return text(of: error)
        }
    }

    private static func text(of error: SystemCallError) -> String {
        "devices of this host are reached by nodes in the image, so steps cannot make nodes, because no filter could be set: \(error)"
    }
}
