import Text

/// Which keys of a kind of document are names of fields, and which are data, as those of labels are.
package struct JSONFields: Sendable {
    /// The names that a reader looks for.
    ///
    /// A key that differs from one of them by case alone is refused: Go takes it for the same.
    let names: Set<[UInt8]>
    /// The fields whose value is an object with data for keys.
    let maps: Set<[UInt8]>
    /// Whether the document itself is such an object.
    let isMap: Bool
    /// `names` as they are compared without case.
    let folded: Set<[UInt8]>

    private init(_ names: String, maps: String = "", isMap: Bool = false) {
        func words(_ text: String) -> [[UInt8]] { text.utf8.split(separator: " ").map { Array($0) } }
        self.maps = Set(words(maps))
        self.names = Set(words(names)).union(self.maps)
        self.isMap = isMap
        folded = Set(self.names.map { foldedKey($0) })
    }

    /// Of manifests and indexes, with their descriptors.
    package static let manifest = JSONFields(
        """
        schemaVersion mediaType artifactType config layers manifests blobs fsLayers subject digest size urls data platform \
        architecture os os.version os.features variant features
        """,
        maps: "annotations"
    )

    /// Of image configurations, as OCI and Docker have them.
    package static let configuration = JSONFields(
        """
        created author architecture os os.version os.features variant config rootfs history type diff_ids created_by comment \
        empty_layer moby.buildkit.cache.v0 User Env Entrypoint Cmd WorkingDir StopSignal OnBuild Shell ArgsEscaped \
        Healthcheck Test Interval Timeout StartPeriod StartInterval Retries
        """,
        maps: "Labels Volumes ExposedPorts"
    )

    /// Of Docker's `manifest.json`, in an object of ours.
    package static let dockerArchive = JSONFields(
        "items Config RepoTags Layers mediaType digest size urls",
        maps: "LayerSources annotations"
    )

    /// Of build caches.
    package static let buildCache = JSONFields(
        """
        layers records blob parent annotations mediaType digest size diffID createdAt layer results inputs chains selector link \
        aliases outputs present
        """
    )

    /// A map of texts.
    package static let map = JSONFields("", isMap: true)
}

/// A key in the form in which Go's decoder compares it with names of fields: without case, by Unicode's simple folding.
///
/// So `s` is U+017F too, and `k` the Kelvin sign.
func foldedKey(_ key: [UInt8]) -> [UInt8] {
    if key.allSatisfy({ $0 < 0x80 }) { return key.map { isUpper($0) ? $0 | 0x20 : $0 } }
    var folded = ""
    for scalar in String(decoding: key, as: UTF8.self).unicodeScalars {
        folded.unicodeScalars.append(simpleFold(scalar))
    }
    return Array(folded.utf8)
}

private func isUpper(_ byte: UInt8) -> Bool { ("A"..."Z").contains(byte) }

private func simpleFold(_ scalar: Unicode.Scalar) -> Unicode.Scalar {
    // The dotless i folds to itself, although its capital is an I.
    if scalar == "\u{131}" { return scalar }
    let upper = single(scalar.properties.uppercaseMapping) ?? scalar
    return single(upper.properties.lowercaseMapping) ?? upper
}

private func single(_ text: String) -> Unicode.Scalar? {
    let scalars = text.unicodeScalars
    return scalars.count == 1 ? scalars.first : nil
}
