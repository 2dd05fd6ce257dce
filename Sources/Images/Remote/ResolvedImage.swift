package import OCI
package import Snapshots
package import Storage

/// When a registry is asked for an image.
package enum ResolvePolicy: Sendable, Hashable {
    /// Never: the image must be in the store.
    case local
    /// Where the store has no image of that name for the platform.
    case missing
    /// Always, so that a tag that was moved is noticed.
    case always
}

/// Whether an image may be for another platform than the one that is wanted.
package enum PlatformMatch: Sendable, Hashable {
    /// It may not.
    case always
    /// It may where it is the only one its registry has under the name: BuildKit takes it and warns.
    case unlessSingle
    /// It may also where the store has it by itself: nobody asked for a platform.
    case unlessLocal
}

/// A name of an image, and what to make of what it leads to.
package struct ImageLookup: Sendable {
    package let name: ImageReference
    /// Which image of several.
    package let platform: Platform
    /// When the registry is asked.
    package let policy: ResolvePolicy
    /// What becomes of an image for another platform.
    package let match: PlatformMatch

    /// - Parameters:
    ///   - reference: the name; `latest` where it has no tag.
    ///   - platform: which image of several.
    ///   - policy: when the registry is asked.
    ///   - match: what becomes of an image for another platform.
    package init(
        _ reference: ImageReference,
        platform: Platform,
        policy: ResolvePolicy,
        match: PlatformMatch = .always
    ) {
        name = reference.withDefaultTag
        self.platform = platform
        self.policy = policy
        self.match = match
    }
}

/// An image as far as a build needs it before it needs a file of it: nothing of its layers is fetched.
package struct ResolvedImage: Sendable, Hashable {
    /// The name that was resolved, with its tag or digest.
    package let reference: ImageReference
    /// What the name leads to in its registry: an index or a manifest; nil for an image that was never in one.
    package let digest: Digest?
    package let manifest: ManifestOrigin?
    /// The digest of the configuration's bytes.
    package let id: Digest
    package let configuration: ImageConfiguration
    package let configurationBytes: [UInt8]
    /// Lowest first.
    package let layers: [LayerID]
    /// The blobs of the layers; empty for an image of the local store.
    package let blobs: [Descriptor]
    /// Whether it came from the local store without asking anybody.
    package let isLocal: Bool

    package var tree: FileTree { FileTree(layers: layers) }
}

/// Chooses the manifest of an index that is for a platform.
struct PlatformChoice {
    let wanted: Platform

    /// The best descriptor; nil where none is for the platform.
    func choose(among manifests: [Descriptor]) -> Descriptor? {
        let images = manifests.filter { !Self.isAttestation($0) }
        let fitting = images.filter { $0.platform.map(wanted.accepts) ?? false }
        let exact = fitting.first { $0.platform?.normalized.variant == wanted.normalized.variant }
        // Among older variants that would run too, the newest.
        let newest = fitting.max { ($0.platform?.normalized.variant ?? "") < ($1.platform?.normalized.variant ?? "") }
        return exact ?? newest ?? images.first { $0.platform == nil }
    }

    /// The annotation of an attestation that names the manifest of its image.
    static let attestedKey = "vnd.docker.reference.digest"

    /// Whether a manifest is what is attested of an image.
    static func attests(_ descriptor: Descriptor, of image: Digest) -> Bool {
        descriptor.annotations?["vnd.docker.reference.type"] == "attestation-manifest"
            && descriptor.annotations?[attestedKey] == "\(image)"
    }

    /// BuildKit keeps provenance beside the images, as manifests for the platform `unknown/unknown`.
    static func isAttestation(_ descriptor: Descriptor) -> Bool {
        descriptor.annotations?["vnd.docker.reference.type"] != nil || descriptor.platform?.os == "unknown"
    }
}
