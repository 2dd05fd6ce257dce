package import LinuxSystem

/// Why something could not be done with a container.
package enum ContainerError: Error, Sendable, Hashable, CustomStringConvertible {
    case notFound(String)
    case emptyName
    case sameName
    case ambiguous(String)
    case nameInUse(name: String, id: String)
    case invalidName(String)
    case invalidPort(String, reason: String)
    case invalidMount(String, reason: String)
    case unknownCapability(String)
    case noInit
    case notPublished(port: String, id: String)
    case invalidDetachKeys(String)
    case duplicateMountPoint(String)
    case invalidWorkingDirectory(String)
    case invalidSignal(String)
    case notKilled(String, reason: String)
    case noCommand
    case isRunning(id: String)
    case notRunning(id: String)
    /// It was made without input, or is in the keeping of a command that has it.
    case noInput(id: String)
    case alreadyStarted(id: String)
    case noAddressLeft
    case noSubnetLeft
    case portInUse(PublishedPort)
    case portOnIPv6(PublishedPort)
    /// This user may not have the port.
    case portNeedsRoot(PublishedPort, reason: String)
    /// Nothing can hold a container to its limits.
    case limitsRefused(String)
    case network(String)
    case monitor(String)
    case bindSourceMissing(String)
    case mountOverKernelFiles(String)
    case invalidVolumeName(String)
    case volumeNotFound(String)
    case volumeInUse(String, ids: [String])
    /// Containers take more than a process of this level may do.
    case cannotRun(PrivilegeLevel)

    package var description: String {
        switch self {
        case .notFound(let name): "No such container: \(name)"
        case .emptyName: "the name or ID of a container is empty"
        case .sameName: "Renaming a container with the same name as its current name"
        case .ambiguous(let prefix): "multiple containers have an ID that begins with \(prefix)"
        case .nameInUse(let name, let id):
            "Conflict. The container name \"/\(name)\" is already in use by container \"\(id)\". "
                + "You have to remove (or rename) that container to be able to reuse that name."
        case .invalidName(let name): "Invalid container name (\(name)), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
        case .invalidPort(_, let reason), .invalidMount(_, let reason): reason
        case .unknownCapability(let name): "invalid capability: unknown capability: \"\(name)\""
        case .noInit:
            "--init needs an init program, and this machine has none (install one with: apt-get install tini)"
        case .notPublished(let port, let id): "no public port '\(port)' published for \(id)"
        case .invalidDetachKeys(let text): "Invalid detach keys (\(text)) provided"
        case .duplicateMountPoint(let target): "Duplicate mount point: \(target)"
        case .invalidWorkingDirectory(let path):
            "the working directory '\(path)' is invalid, it needs to be an absolute path"
        case .invalidSignal(let text): "Invalid signal: \(text)"
        case .notKilled(let name, let reason): "cannot kill container: \(name): \(reason)"
        case .noCommand: "no command specified"
        case .isRunning(let id):
            "cannot remove container \"\(id)\": container is running: stop the container before removing or force remove"
        case .notRunning(let id): "container \(id) is not running"
        case .noInput(let id): "container \(id) has no input that could be attached to"
        case .alreadyStarted(let id): "container \(id) is running already"
        case .noAddressLeft: "no address is left in the containers' network; remove containers that are not needed"
        case .noSubnetLeft:
            "all of 10.92.0.0/14, where containers get their addresses, is in use by other networks of this host"
        case .portInUse(let port):
            "Bind for \(port.hostAddress.isEmpty ? "0.0.0.0" : port.hostAddress):\(port.hostPort) failed: port is already allocated"
        case .portOnIPv6(let port):
            "cannot publish \(port.containerEndpoint) on \(port.hostEndpoint): containers' networks have no IPv6; "
                + "publish it on an address of IPv4, as in -p 127.0.0.1:\(port.hostPort):\(port.containerPort)"
        case .portNeedsRoot(let port, let reason):
            "cannot publish \(port.containerEndpoint) on \(port.hostEndpoint): \(reason)"
        case .limitsRefused(let reason): "the container cannot be held to its limits: \(reason)"
        case .network(let text): "setting up the container's network failed: \(text)"
        case .monitor(let text): "starting the container failed: \(text)"
        case .mountOverKernelFiles(let target):
            "mounting at \"\(target)\" failed: it cannot be mounted because it is inside /proc, which is the kernel's"
        case .invalidVolumeName(let name) where name.utf8.count == 1:
            "create \(name): volume name is too short, names should be at least two alphanumeric characters"
        case .invalidVolumeName(let name):
            "create \(name): \"\(name)\" includes invalid characters for a local volume name, only "
                + "\"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path"
        case .volumeNotFound(let name): "get \(name): no such volume"
        case .volumeInUse(let name, let ids): "remove \(name): volume is in use - [\(ids.joined(separator: ", "))]"
        case .cannotRun(let level):
            "containers need mounts and namespaces, which this process may not make (\(level)): build, push, pull, save and load "
                + "work without them; `slipway info` says what is in the way"
        case .bindSourceMissing(let path):
            "invalid mount config for type \"bind\": bind source path does not exist: \(path)"
        }
    }
}

extension ContainerError {
    /// Why something cannot happen to a container now.
    init(_ refusal: ContainerMachine.Refusal, _ record: ContainerRecord) {
        switch refusal {
        case .isRunning, .isBeingPrepared: self = .alreadyStarted(id: record.id)
        case .isBeingRemoved: self = .notFound(record.name)
        case .isNotActive: self = .notRunning(id: record.id)
        }
    }
}
