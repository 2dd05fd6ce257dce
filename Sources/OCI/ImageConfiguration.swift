/// What a container made of an image starts with.
///
/// See the OCI image specification, config.md, and Docker's additions to it.
package struct ContainerDefaults: Hashable, Sendable, Codable {
    package var user: String?
    package var exposedPorts: [String: EmptyObject]?
    /// `NAME=value`.
    package var environment: [String]?
    package var entrypoint: [String]?
    package var command: [String]?
    package var volumes: [String: EmptyObject]?
    package var workingDirectory: String?
    package var labels: [String: String]?
    package var stopSignal: String?
    package var healthcheck: Healthcheck?
    package var onBuild: [String]?
    package var shell: [String]?
    /// Docker's mark that a shell-form command was escaped for Windows; BuildKit writes it with every CMD.
    package var argumentsEscaped: Bool?

    private enum CodingKeys: String, CodingKey {
        case user = "User"
        case exposedPorts = "ExposedPorts"
        case environment = "Env"
        case entrypoint = "Entrypoint"
        case command = "Cmd"
        case volumes = "Volumes"
        case workingDirectory = "WorkingDir"
        case labels = "Labels"
        case stopSignal = "StopSignal"
        case healthcheck = "Healthcheck"
        case onBuild = "OnBuild"
        case shell = "Shell"
        case argumentsEscaped = "ArgsEscaped"
    }

    package init() {}
}

/// `{}`: the value of Go's sets in JSON.
package struct EmptyObject: Hashable, Sendable, Codable {
    package init() {}
}

/// How to tell whether a container is healthy.
///
/// Durations are nanoseconds; nil inherits the default.
package struct Healthcheck: Hashable, Sendable, Codable {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", text]`.
    package var test: [String]?
    package var interval: Int64?
    package var timeout: Int64?
    package var startPeriod: Int64?
    package var startInterval: Int64?
    package var retries: Int?

    private enum CodingKeys: String, CodingKey {
        case test = "Test"
        case interval = "Interval"
        case timeout = "Timeout"
        case startPeriod = "StartPeriod"
        case startInterval = "StartInterval"
        case retries = "Retries"
    }

    package init(test: [String]? = nil) { self.test = test }
}

/// One step of an image's making.
package struct HistoryEntry: Hashable, Sendable, Codable {
    /// RFC 3339.
    package var created: String?
    package var createdBy: String?
    package var author: String?
    package var comment: String?
    /// True where the step made no layer.
    package var emptyLayer: Bool?

    private enum CodingKeys: String, CodingKey {
        case created, author, comment
        case createdBy = "created_by"
        case emptyLayer = "empty_layer"
    }

    package init(created: String?, createdBy: String?, comment: String? = nil, emptyLayer: Bool? = nil) {
        self.created = created
        self.createdBy = createdBy
        self.comment = comment
        self.emptyLayer = emptyLayer
    }
}

/// The layers of an image, lowest first, by the digests of their uncompressed archives.
package struct RootFileSystem: Hashable, Sendable, Codable {
    package var type = "layers"
    package var diffIDs: [Digest]

    private enum CodingKeys: String, CodingKey {
        case type
        case diffIDs = "diff_ids"
    }

    package init(diffIDs: [Digest]) { self.diffIDs = diffIDs }

    // Go writes no layers as null.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        type = try container.decode(String.self, forKey: .type)
        diffIDs = try container.decodeIfPresent([Digest].self, forKey: .diffIDs) ?? []
    }
}

/// An image's configuration; the digest of its bytes is the image's id.
///
/// See the OCI image specification, config.md.
package struct ImageConfiguration: Hashable, Sendable, Codable {
    package var architecture: String
    package var os: String
    package var variant: String?
    package var osVersion: String?
    package var osFeatures: [String]?
    /// RFC 3339.
    package var created: String?
    package var author: String?
    package var config: ContainerDefaults?
    package var rootFileSystem: RootFileSystem
    package var history: [HistoryEntry]?

    private enum CodingKeys: String, CodingKey {
        case architecture, os, variant, created, author, config, history
        case osVersion = "os.version"
        case osFeatures = "os.features"
        case rootFileSystem = "rootfs"
    }

    package init(platform: Platform) {
        architecture = platform.architecture
        os = platform.os
        variant = platform.variant
        osVersion = platform.osVersion
        osFeatures = platform.osFeatures
        rootFileSystem = RootFileSystem(diffIDs: [])
    }

    package var platform: Platform {
        var platform = Platform(os: os, architecture: architecture, variant: variant)
        platform.osVersion = osVersion
        platform.osFeatures = osFeatures
        return platform
    }

    private static func decoded(_ bytes: [UInt8]) throws(OCIError) -> ImageConfiguration {
        try StrictJSON.decode(
            ImageConfiguration.self,
            from: bytes,
            kind: "image configuration",
            fields: .configuration
        )
    }

    /// Reads what a frontend says of an image whose layers are not known yet.
    /// - Throws: `OCIError`.
    package init(parsingWithoutLayers bytes: [UInt8]) throws(OCIError) {
        self = try Self.decoded(bytes)
        rootFileSystem = RootFileSystem(diffIDs: rootFileSystem.diffIDs)
    }

    /// Reads a configuration.
    /// - Throws: `OCIError`.
    package init(parsing bytes: [UInt8]) throws(OCIError) {
        self = try Self.decoded(bytes)
        guard rootFileSystem.type == "layers" else {
            throw .invalidDocument(
                kind: "image configuration",
                reason: "rootfs type is \"\(rootFileSystem.type)\", not \"layers\""
            )
        }
    }
}
