/// Why something could not be done with a container.
package enum ContainerError: Error, Sendable, Hashable, CustomStringConvertible {
    case notFound(String)
    case ambiguous(String)
    case nameInUse(name: String, id: String)
    case invalidName(String)
    case invalidPort(String)
    case invalidMount(String)
    case invalidSignal(String)
    case noCommand
    case isRunning(id: String)
    case notRunning(id: String)
    case alreadyStarted(id: String)
    case noAddressLeft
    case portInUse(PublishedPort)
    case network(String)
    case monitor(String)
    case bindSourceMissing(String)
    case terminalNeedsDetachedSupport

    package var description: String {
        switch self {
        case .notFound(let name): "No such container: \(name)"
        case .ambiguous(let prefix): "multiple containers have an ID that begins with \(prefix)"
        case .nameInUse(let name, let id):
            "Conflict. The container name \"/\(name)\" is already in use by container \"\(id)\". "
                + "You have to remove (or rename) that container to be able to reuse that name."
        case .invalidName(let name): "Invalid container name (\(name)), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
        case .invalidPort(let text): "invalid port specification: \"\(text)\""
        case .invalidMount(let text): "invalid volume specification: \"\(text)\""
        case .invalidSignal(let text): "Invalid signal: \(text)"
        case .noCommand: "no command specified"
        case .isRunning(let id):
            "cannot remove container \"\(id)\": container is running: stop the container before removing or force remove"
        case .notRunning(let id): "container \(id) is not running"
        case .alreadyStarted(let id): "container \(id) is running already"
        case .noAddressLeft: "no address is left in the containers' network; remove containers that are not needed"
        case .portInUse(let port):
            "Bind for \(port.hostAddress.isEmpty ? "0.0.0.0" : port.hostAddress):\(port.hostPort) failed: port is already allocated"
        case .network(let text): "setting up the container's network failed: \(text)"
        case .monitor(let text): "starting the container failed: \(text)"
        case .bindSourceMissing(let path): "bind source path does not exist: \(path)"
        case .terminalNeedsDetachedSupport: "a terminal (-t) cannot be given to a detached container yet"
        }
    }
}
