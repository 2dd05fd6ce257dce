internal import LinuxSystem
package import OCI
internal import Snapshots
internal import Storage

/// One row of `image history`, the newest first.
package struct ImageHistoryRow: Sendable, Hashable {
    /// The image's id in the first row; nil (`<missing>`) in the others.
    package let id: String?
    /// Seconds since 1970.
    package let created: Int64?
    package let createdBy: String
    /// Bytes of the files of the layer the step made; 0 where it made none.
    package let size: Int64
    package let comment: String
    /// The image's names in the first row.
    package let tags: [String]
}

extension ImageStore {
    /// How an image was made, step by step, the last one first.
    ///
    /// - Throws: as `image(_:platform:)`; `ImageError.layersDoNotMatch` for a history with more layers than the image has.
    package func history(_ name: String, platform: Platform? = nil) async throws -> [ImageHistoryRow] {
        let image = try await image(name, platform: platform)
        let known = try await store.database.read { db in try LayerTable.sizes(of: Set(image.layers), in: db) }
        let sizes = image.layers.map { known[$0] ?? 0 }
        var layer = 0
        var rows: [ImageHistoryRow] = []
        let entries = image.configuration.history ?? []
        for (index, entry) in entries.enumerated() {
            var size: Int64 = 0
            if entry.emptyLayer != true {
                guard layer < sizes.count else {
                    throw ImageError.layersDoNotMatch(
                        image: image.id,
                        reason: "too many non-empty layers in its history"
                    )
                }
                size = sizes[layer]
                layer += 1
            }
            let isLast = index == entries.count - 1
            rows.append(
                ImageHistoryRow(
                    id: isLast ? image.id.description : nil,
                    created: entry.created.flatMap { FileTime(rfc3339: $0)?.seconds },
                    createdBy: entry.createdBy ?? "",
                    size: size,
                    comment: entry.comment ?? "",
                    tags: isLast ? image.names.map(\.familiar) : []
                )
            )
        }
        return rows.reversed()
    }
}
