internal import BuildEngine
internal import Images
internal import OCI

/// What `--metadata-file` tells of a build, under buildx's keys.
struct BuildMetadata {
    private let fields: [(String, TemplateValue)]

    init(_ result: BuildResult) {
        // An image that was not pushed has no manifest yet: as with docker's own store, its id stands for it.
        let digest = result.pushed.first?.digest ?? result.imageID
        var fields: [(String, TemplateValue)] = [
            ("buildx.build.ref", .text("default/default/\(result.buildID)"))
        ]
        if let cache = result.cacheManifest {
            fields.append(("cache.manifest", Self.value(of: cache)))
        }
        // An index has no one configuration.
        if result.index == nil {
            fields.append(("containerimage.config.digest", .text(result.imageID.description)))
        }
        let pushed = result.pushed.first.map {
            Descriptor(mediaType: $0.mediaType, digest: $0.digest, size: $0.size)
        }
        if let manifest = pushed ?? result.index {
            fields.append(("containerimage.descriptor", Self.value(of: manifest)))
        }
        fields.append(("containerimage.digest", .text(digest.description)))
        if !result.names.isEmpty {
            fields.append(("image.name", .text(result.names.map(\.description).joined(separator: ","))))
        }
        self.fields = fields
    }

    private static func value(of descriptor: Descriptor) -> TemplateValue {
        let fields: [(String, TemplateValue)] = [
            ("mediaType", .text(descriptor.mediaType.rawValue)), ("digest", .text(descriptor.digest.description)),
            ("size", .integer(descriptor.size)),
        ]
        return .record(TemplateRecord(name: nil, fields))
    }

    /// The file's content.
    var text: String { TemplateValue.record(TemplateRecord(name: nil, fields)).indentedJSON(by: "  ") }
}
