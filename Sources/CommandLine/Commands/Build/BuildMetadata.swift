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
    ///   - hasWholeProvenance: whether provenance has its steps and times.
    init(_ result: BuildResult, warnings: [VertexWarning] = [], hasWholeProvenance: Bool = false) {
        var fields: [JSONValue.Member] = result.provenance.map { told in
            let name = "buildx.build.provenance" + (told.platform.map { "/\($0)" } ?? "")
            return .init(name, hasWholeProvenance ? told.predicate : Self.reduced(told.predicate))
        }
        fields.append(.init("buildx.build.ref", .string("default/default/\(result.buildID)")))
        if !warnings.isEmpty { fields.append(.init("buildx.build.warnings", .array(warnings.map(\.json)))) }
        if let cache = result.cacheManifest { fields.append(.init("cache.manifest", cache.json)) }
        if let image = result.image {
            if let configuration = image.configuration {
                fields.append(.init("containerimage.config.digest", .string(configuration.description)))
            }
            if let descriptor = image.descriptor {
                fields.append(.init("containerimage.descriptor", descriptor.json))
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

    private static func reduced(_ predicate: JSONValue) -> JSONValue {
        guard case .object(let members) = predicate else { return predicate }
        return .object(members.filter { !["buildConfig", "metadata"].contains($0.name) })
    }

    /// What is told of an answer to `--call`.
    init(_ report: CallReport) { document = report.metadata }

    /// The file's content.
    var text: String { document.indented }
}
