package import OCI
package import Registry

/// Why an image of a registry could not be used, in docker's words where its users know them.
package enum RemoteImageError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The registry's image is for other platforms only.
    case noMatchingManifest(reference: String, wanted: Platform, available: [Platform])
    /// The store has the name for other platforms, and the registry did not give it for the one that is wanted.
    case onlyOthersHere(String, wanted: Platform, available: [Platform], remote: RegistryError)
    /// Indexes within indexes deeper than anybody writes them.
    case nestedTooDeep(reference: String)
    /// A manifest and its configuration speak of different numbers of layers.
    case layersDoNotMatch(reference: String, manifest: Int, configuration: Int)
    case unsupportedLayer(reference: String, mediaType: String)
    /// An artefact that is no image.
    case notAnImage(reference: String, mediaType: String)
    /// A manifest, index or configuration that is none.
    case invalidDocument(reference: String, OCIError)
    /// The blob is not here and no repository is known to have it.
    case noSource(Digest)
    /// A document with another size than its descriptor says.
    case sizeMismatch(reference: String, expected: Int64, actual: Int64)
    /// A push without a tag.
    case nothingToPush(String)

    package var description: String {
        switch self {
        case .noMatchingManifest(let reference, let wanted, let available):
            "no matching manifest for \(wanted) in the manifest list entries of \(reference)"
                + (available.isEmpty
                    ? "" : "; it has \(Set(available.map(\.description)).sorted().joined(separator: ", "))")
        case .onlyOthersHere(let reference, let wanted, let available, let remote):
            "\(remote); the local image \(reference) is for \(available.map(\.description).joined(separator: ", ")), not for \(wanted)"
        case .nestedTooDeep(let reference): "\(reference): its indexes are nested too deep"
        case .layersDoNotMatch(let reference, let manifest, let configuration):
            "\(reference): its manifest has \(manifest) layers and its configuration \(configuration)"
        case .unsupportedLayer(let reference, let mediaType):
            "\(reference) has a layer of media type \"\(mediaType)\", which is not supported"
        case .notAnImage(let reference, let mediaType):
            "\(reference) is not an image: its configuration has media type \"\(mediaType)\""
        case .invalidDocument(let reference, let error): "\(reference): \(error)"
        case .noSource(let digest): "blob \(digest) is not in the store and no known registry has it"
        case .sizeMismatch(let reference, let expected, let actual):
            "\(reference): a document has \(actual) bytes, its descriptor says \(expected)"
        case .nothingToPush(let name): "\(name): a push needs a tag, not a digest"
        }
    }
}
