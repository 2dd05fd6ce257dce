internal import LinuxSystem
package import OCI
package import Storage
package import SystemPackage

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
    package var options: ContainerOptions

    /// Whether its input ends with that of the client that attached to it; a terminal is let go of and taken again.
    package var closesInput: Bool {
        keepsInput && !hasTerminal && options.attachedStreams?.contains("stdin") ?? false
    }
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
    package var stopTimeout = ContainerOptions.defaultStopTimeout
    package var options = ContainerOptions()
    /// Replaces what it sets of the image's; nil leaves the image's.
    package var healthcheck: Healthcheck?

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
    package enum Kind: Sendable, Hashable {
        case bind(source: FilePath)
        /// A directory that the store keeps, by name; one that nobody has named goes with the container.
        case volume(name: String, isAnonymous: Bool)
        case tmpfs(size: Int64?)
    }

    package var kind: Kind
    package var target: String
    package var isReadOnly: Bool
    /// More mount options, as `noexec` or `rshared`, and `mode=…` of a tmpfs.
    package var options: [String]
    /// Whether a volume that is new is left empty.
    package var copiesNothing: Bool
    /// Whether a missing directory of the host is made, as `-v` does and `--mount` does not.
    package var createsSource: Bool
    /// What `-v` or `--tmpfs` says after the last colon, for those who ask; nil for mounts of other flags.
    package var writtenOptions: String?

    package init(
        _ kind: Kind,
        at target: String,
        isReadOnly: Bool = false,
        options: [String] = [],
        copiesNothing: Bool = false,
        createsSource: Bool = false,
        writtenOptions: String? = nil
    ) {
        self.writtenOptions = writtenOptions
        self.kind = kind
        self.target = target
        self.isReadOnly = isReadOnly
        self.options = options
        self.copiesNothing = copiesNothing
        self.createsSource = createsSource
    }

    /// Whether `--tmpfs` asked for it.
    package var isOfTmpfsFlag: Bool {
        if case .tmpfs = kind { writtenOptions != nil } else { false }
    }

    /// Mounts of stores written before there were options have none.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        kind = try container.decode(Kind.self, forKey: .kind)
        target = try container.decode(String.self, forKey: .target)
        isReadOnly = try container.decode(Bool.self, forKey: .isReadOnly)
        options = try container.decodeIfPresent([String].self, forKey: .options) ?? []
        copiesNothing = try container.decodeIfPresent(Bool.self, forKey: .copiesNothing) ?? false
        createsSource = try container.decodeIfPresent(Bool.self, forKey: .createsSource) ?? false
        writtenOptions = try container.decodeIfPresent(String.self, forKey: .writtenOptions)
    }
}

/// A path that is no UTF-8 is kept as numbers, for a string in JSON cannot hold it.
extension ContainerMount.Kind: Codable {
    private enum Name: String, CodingKey { case bind, volume, tmpfs }
    private enum Field: String, CodingKey { case source, sourceBytes, name, isAnonymous, size }

    package init(from decoder: any Decoder) throws {
        let names = try decoder.container(keyedBy: Name.self)
        if names.contains(.bind) {
            let fields = try names.nestedContainer(keyedBy: Field.self, forKey: .bind)
            if let bytes = try fields.decodeIfPresent([UInt8].self, forKey: .sourceBytes) {
                self = .bind(source: FilePath(bytes: bytes))
            } else {
                self = .bind(source: FilePath(try fields.decode(String.self, forKey: .source)))
            }
        } else if names.contains(.volume) {
            let fields = try names.nestedContainer(keyedBy: Field.self, forKey: .volume)
            self = .volume(
                name: try fields.decode(String.self, forKey: .name),
                isAnonymous: try fields.decode(Bool.self, forKey: .isAnonymous)
            )
        } else {
            let fields = try names.nestedContainer(keyedBy: Field.self, forKey: .tmpfs)
            self = .tmpfs(size: try fields.decodeIfPresent(Int64.self, forKey: .size))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        var names = encoder.container(keyedBy: Name.self)
        switch self {
        case .bind(let source):
            var fields = names.nestedContainer(keyedBy: Field.self, forKey: .bind)
            if let text = String(validating: source.bytes, as: UTF8.self) {
                try fields.encode(text, forKey: .source)
            } else {
                try fields.encode(source.bytes, forKey: .sourceBytes)
            }
        case .volume(let name, let isAnonymous):
            var fields = names.nestedContainer(keyedBy: Field.self, forKey: .volume)
            try fields.encode(name, forKey: .name)
            try fields.encode(isAnonymous, forKey: .isAnonymous)
        case .tmpfs(let size):
            var fields = names.nestedContainer(keyedBy: Field.self, forKey: .tmpfs)
            try fields.encodeIfPresent(size, forKey: .size)
        }
    }
}
