internal import LinuxSystem
package import OCI

/// The document of `image inspect`, with docker's field names.
package struct ImageInspection: Sendable, Encodable {
    package struct RootFS: Sendable, Encodable {
        package let type: String
        package let layers: [String]

        private enum CodingKeys: String, CodingKey {
            case type = "Type"
            case layers = "Layers"
        }
    }

    package struct Metadata: Sendable, Encodable {
        package let lastTagTime: String

        private enum CodingKeys: String, CodingKey { case lastTagTime = "LastTagTime" }
    }

    package struct GraphDriver: Sendable, Encodable {
        package let name = "overlayfs"
        /// Nothing that a user could rely on: always null.
        package let data: [String: String]? = nil

        private enum CodingKeys: String, CodingKey {
            case name = "Name"
            case data = "Data"
        }

        package func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(name, forKey: .name)
            try container.encodeNil(forKey: .data)
        }
    }

    package let id: String
    package let repoTags: [String]
    package let repoDigests: [String]
    package let comment: String
    package let created: String?
    package let author: String
    package let config: ContainerDefaults
    package let architecture: String
    package let variant: String?
    package let os: String
    package let osVersion: String?
    package let size: Int64
    package let graphDriver = GraphDriver()
    package let rootFS: RootFS
    package let metadata: Metadata

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case id = "Id"
        case repoTags = "RepoTags"
        case repoDigests = "RepoDigests"
        case comment = "Comment"
        case created = "Created"
        case author = "Author"
        case config = "Config"
        case architecture = "Architecture"
        case variant = "Variant"
        case os = "Os"
        case osVersion = "OsVersion"
        case size = "Size"
        case graphDriver = "GraphDriver"
        case rootFS = "RootFS"
        case metadata = "Metadata"
    }

    /// The fields in the order in which docker prints them.
    package static let fieldOrder = CodingKeys.allCases.map(\.rawValue)

    /// - Parameters:
    ///   - image: what is described.
    ///   - id: under which id.
    package init(_ image: ImageRecord, id: Digest) {
        self.id = id.description
        repoTags = image.names.map(\.familiar)
        repoDigests = image.repositoryDigests.map(\.familiar)
        let configuration = image.configuration
        comment = configuration.history?.last?.comment ?? ""
        created = configuration.created
        author = configuration.author ?? ""
        config = configuration.config ?? ContainerDefaults()
        architecture = configuration.architecture
        variant = configuration.variant
        os = configuration.os
        osVersion = configuration.osVersion
        size = image.size
        rootFS = RootFS(
            type: configuration.rootFileSystem.type,
            layers: configuration.rootFileSystem.diffIDs.map(\.description)
        )
        metadata = Metadata(
            lastTagTime: image.lastTagged.map { FileTime(seconds: $0).rfc3339 } ?? "0001-01-01T00:00:00Z"
        )
    }
}

extension ImageStore {
    /// The document of `image inspect`.
    ///
    /// Of an image of several platforms it describes one. Its id is that of them all, unless a platform is asked for.
    /// - Throws: as `image(_:platform:)`.
    package func inspect(_ name: String, platform: Platform? = nil) async throws -> ImageInspection {
        let image = try await image(name, platform: platform)
        return ImageInspection(image, id: platform == nil ? image.listedID : image.id)
    }
}
