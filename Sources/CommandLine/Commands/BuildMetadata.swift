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
            ("buildx.build.ref", .text("default/default/\(result.buildID)")),
            ("containerimage.config.digest", .text(result.imageID.description)),
        ]
        if let manifest = result.pushed.first {
            let descriptor: [(String, TemplateValue)] = [
                ("mediaType", .text(manifest.mediaType.rawValue)), ("digest", .text(manifest.digest.description)),
                ("size", .integer(manifest.size)),
            ]
            fields.append(("containerimage.descriptor", .record(TemplateRecord(name: nil, descriptor))))
        }
        fields.append(("containerimage.digest", .text(digest.description)))
        if !result.names.isEmpty {
            fields.append(("image.name", .text(result.names.map(\.description).joined(separator: ","))))
        }
        self.fields = fields
    }

    /// The file's content.
    var text: String { TemplateValue.record(TemplateRecord(name: nil, fields)).indentedJSON(by: "  ") }
}
