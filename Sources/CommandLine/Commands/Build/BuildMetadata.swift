internal import BuildEngine
internal import BuildGraph
internal import Exporters
internal import OCI
internal import Terminal
internal import Text

/// What `--metadata-file` tells of a build, under buildx's keys.
struct BuildMetadata {
    private let document: JSONValue

    /// - Parameters:
    ///   - result: what the build gave.
    ///   - warnings: what it warned of; none where they are not asked for.
    init(_ result: BuildResult, warnings: [VertexWarning] = []) {
        var fields = [JSONValue.Member("buildx.build.ref", .string("default/default/\(result.buildID)"))]
        if !warnings.isEmpty { fields.append(.init("buildx.build.warnings", .array(warnings.map(\.json)))) }
        if let cache = result.cacheManifest { fields.append(.init("cache.manifest", Self.document(of: cache))) }
        if let image = result.image {
            if let configuration = image.configuration {
                fields.append(.init("containerimage.config.digest", .string(configuration.description)))
            }
            if let descriptor = image.descriptor {
                fields.append(.init("containerimage.descriptor", Self.document(of: descriptor)))
            }
            // An image that is kept without a manifest is known by its id, as with docker's own store.
            let digest = image.descriptor?.digest ?? image.id
            fields.append(.init("containerimage.digest", .string(digest.description)))
            if !image.names.isEmpty {
                let names = image.names.map(\.description).joined(separator: ",")
                fields.append(.init("image.name", .string(names)))
            }
        }
        document = .object(fields)
    }

    /// What is told of an answer to `--call`.
    init(_ report: CallReport) { document = report.metadata }

    /// The file's content.
    var text: String { document.indented }

    private static func document(of descriptor: Descriptor) -> JSONValue {
        var fields: [JSONValue.Member] = [
            .init("mediaType", .string(descriptor.mediaType.rawValue)),
            .init("digest", .string(descriptor.digest.description)), .init("size", .number(Int(descriptor.size))),
        ]
        if let annotations = descriptor.annotations, !annotations.isEmpty {
            let sorted = annotations.sorted { $0.key < $1.key }.map { JSONValue.Member($0.key, .string($0.value)) }
            fields.append(.init("annotations", .object(sorted)))
        }
        if let platform = descriptor.platform {
            var members: [JSONValue.Member] = [
                .init("architecture", .string(platform.architecture)), .init("os", .string(platform.os)),
            ]
            if let version = platform.osVersion { members.append(.init("os.version", .string(version))) }
            if let variant = platform.variant { members.append(.init("variant", .string(variant))) }
            fields.append(.init("platform", .object(members)))
        }
        return .object(fields)
    }
}
