package import OCI
package import Storage

/// What a container is, from its making to its removal; kept as JSON in the store's database.
package struct ContainerConfiguration: Sendable, Codable, Hashable {
    package enum Network: String, Sendable, Codable, Hashable { case bridge, host, none }

    package var imageName: String
    package var imageID: Digest?
    package var layers: [LayerID]
    /// The program and its arguments: the entrypoint and the command, joined.
    package var arguments: [String]
    /// `NAME=value`, the image's and those given.
    package var environment: [String]
    package var workingDirectory: String
    package var user: String
    package var hostname: String
    package var network: Network
    package var ports: [PublishedPort]
    package var mounts: [ContainerMount]
    package var labels: [String: String]
    package var hasTerminal: Bool
    package var keepsInput: Bool
    package var isRemovedAtEnd: Bool
    /// By name or number, as STOPSIGNAL has it; nil is SIGTERM.
    package var stopSignal: String?
    package var stopTimeout: Int
}

/// What is asked for when a container is made; what is nil comes from the image.
package struct ContainerRequest: Sendable {
    package var imageName: String
    package var image: ImageToRun
    package var name: String?
    /// Replaces the image's command.
    package var command: [String] = []
    /// Replaces the image's entrypoint and drops its command; empty drops both.
    package var entrypoint: [String]?
    /// `NAME=value`.
    package var environment: [String] = []
    package var workingDirectory: String?
    package var user: String?
    package var hostname: String?
    package var network = ContainerConfiguration.Network.bridge
    package var ports: [PublishedPort] = []
    /// Publishes every port that the image exposes, on ports of the host that are free.
    package var publishesExposedPorts = false
    package var mounts: [ContainerMount] = []
    package var labels: [String: String] = [:]
    package var hasTerminal = false
    package var keepsInput = false
    package var isRemovedAtEnd = false
    package var stopSignal: String?
    package var stopTimeout = 10

    package init(imageName: String, image: ImageToRun) {
        self.imageName = imageName
        self.image = image
    }
}

/// The part of an image that a container needs.
package struct ImageToRun: Sendable {
    package var id: Digest
    package var defaults: ContainerDefaults
    package var layers: [LayerID]

    package init(id: Digest, defaults: ContainerDefaults, layers: [LayerID]) {
        self.id = id
        self.defaults = defaults
        self.layers = layers
    }
}

/// Something of the host mounted in a container.
package struct ContainerMount: Sendable, Codable, Hashable {
    package enum Kind: Sendable, Codable, Hashable {
        case bind(source: String)
        /// A directory that the store keeps, by name; one that nobody has named goes with the container.
        case volume(name: String, isAnonymous: Bool)
        case tmpfs(size: Int64?)
    }

    package var kind: Kind
    package var target: String
    package var isReadOnly: Bool

    package init(_ kind: Kind, at target: String, isReadOnly: Bool = false) {
        self.kind = kind
        self.target = target
        self.isReadOnly = isReadOnly
    }

    /// Reads the value of `-v`: `source:target[:options]`, `name:target`, or a target alone.
    /// - Throws: `ContainerError.invalidMount`.
    package init(parsingVolume text: String, newVolumeName: () -> String = ContainerNames.makeID) throws(ContainerError)
    {
        let fields = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        guard fields.count <= 3, !fields.contains("") else { throw .invalidMount(text) }
        let target = fields.count == 1 ? fields[0] : fields[1]
        guard target.hasPrefix("/") else { throw .invalidMount(text) }
        var isReadOnly = false
        for option in (fields.count == 3 ? fields[2] : "rw").split(separator: ",") {
            switch option {
            case "ro": isReadOnly = true
            case "rw", "z", "Z": break
            default: throw .invalidMount(text)
            }
        }
        let kind: Kind
        if fields.count == 1 {
            kind = .volume(name: newVolumeName(), isAnonymous: true)
        } else if fields[0].hasPrefix("/") || fields[0].hasPrefix(".") {
            kind = .bind(source: fields[0])
        } else {
            guard ContainerNames.isValid(fields[0]) else { throw .invalidMount(text) }
            kind = .volume(name: fields[0], isAnonymous: false)
        }
        self.init(kind, at: target, isReadOnly: isReadOnly)
    }
}
