package import OCI
import Registry
package import Storage

/// The documents that lead from an image's index to what is attested of it, and to who signed that.
package struct AttestationChain: Sendable {
    /// A document with what names it.
    package typealias Document = (descriptor: Descriptor, bytes: [UInt8])

    /// The index.
    package let root: Digest
    /// The image for the platform.
    package let image: Digest
    /// The manifest of what is attested of the image.
    package fileprivate(set) var attestation: Digest?
    /// The manifest of the attestation's signature.
    package fileprivate(set) var signature: Digest?
    package fileprivate(set) var documents: [Document]
}

extension RemoteImages {
    /// How sigstore's tools call signatures; the first is preferred.
    private static let signatureTypes = [
        "application/vnd.dev.sigstore.bundle.v0.3+json", "application/vnd.dev.cosign.artifact.sig.v1+json",
    ]

    /// Finds what is attested of an image.
    /// - Parameters:
    ///   - name: the image; its registry is asked.
    ///   - platform: which image of several.
    ///   - predicates: the kinds of attestations whose contents are wanted too.
    ///   - lease: what holds the documents.
    /// - Returns: the chain; nil for an image without an index, of which nothing can be attested.
    /// - Throws: `RemoteImageError`, `RegistryError`, `OCIError`.
    package func attestations(
        of name: ImageReference,
        platform: Platform,
        predicates: Set<String>,
        in lease: Lease
    ) async throws -> AttestationChain? {
        let top = try await document(name, lease)
        guard top.mediaType == .ociIndex else { return nil }
        let entries = try Index(parsing: top.bytes, declaredAs: top.mediaType).manifests
        guard let image = PlatformChoice(wanted: platform).choose(among: entries) else {
            throw RemoteImageError.noMatchingManifest(
                reference: name.familiar,
                wanted: platform,
                available: entries.filter { !PlatformChoice.isAttestation($0) }.compactMap(\.platform)
            )
        }
        var chain = AttestationChain(root: top.digest, image: image.digest, documents: [(top.descriptor, top.bytes)])
        guard let attestation = entries.first(where: { PlatformChoice.attests($0, of: image.digest) }) else {
            return chain
        }
        let bytes = try await document(name.replacing(digest: attestation.digest), as: attestation, lease).bytes
        chain.attestation = attestation.digest
        chain.documents.append((attestation, bytes))
        try await addSignature(of: attestation.digest, named: name, to: &chain, lease)
        let layers = try Manifest(parsing: bytes, declaredAs: attestation.mediaType).layers
        let wanted = layers.filter { layer in
            layer.annotations?["in-toto.io/predicate-type"].map(predicates.contains) ?? false
        }
        chain.documents += try await contents(of: wanted, named: name, lease)
        return chain
    }

    private func addSignature(
        of attestation: Digest,
        named name: ImageReference,
        to chain: inout AttestationChain,
        _ lease: Lease
    ) async throws {
        let referrers = try await client.referrers(of: attestation, in: Repository(name))
        let signatures = Self.signatureTypes.compactMap { type in referrers.first { $0.artifactType == type } }
        guard let signature = signatures.first else { return }
        let bytes = try await document(name.replacing(digest: signature.digest), as: signature, lease).bytes
        chain.signature = signature.digest
        chain.documents.append((signature, bytes))
        let layers = try Manifest(parsing: bytes, declaredAs: signature.mediaType).layers
        chain.documents += try await contents(of: layers, named: name, lease)
    }

    private func contents(
        of layers: [Descriptor],
        named name: ImageReference,
        _ lease: Lease
    ) async throws -> [AttestationChain.Document] {
        let repository = Repository(name)
        var contents: [AttestationChain.Document] = []
        for layer in layers {
            let bytes = try await kept(layer.digest, lease) { try await client.smallBlob(layer, from: repository) }
            contents.append((layer, bytes))
        }
        return contents
    }
}
