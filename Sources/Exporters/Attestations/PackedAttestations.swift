import Attestations
import Images
import OCI
import Text

/// What is said of one image, as the documents that an index names beside the image's.
struct PackedAttestations: Sendable {
    let statements: [ImageDocuments.Document]
    let configuration: ImageDocuments.Document
    let manifest: ImageDocuments.Document

    var documents: [ImageDocuments.Document] { statements + [configuration, manifest] }

    var upload: ImageUpload.Image {
        ImageUpload.Image(
            configuration: configuration.bytes,
            layers: statements.map { ImageUpload.Layer(blob: $0.descriptor, diffID: $0.descriptor.digest) },
            manifest: manifest.bytes,
            mediaType: manifest.descriptor.mediaType
        )
    }
}

extension ImageDocuments {
    /// The type of an attestation's manifest that is an artifact.
    private static let artifactType = "application/vnd.docker.attestation.manifest.v1+json"

    /// Puts statements together as BuildKit does, so that tools find them.
    ///
    /// See its docs/attestations/attestation-storage.md.
    /// - Parameters:
    ///   - statements: in their order.
    ///   - image: the manifest of the image that they are about.
    ///   - isArtifact: whether their manifest is an OCI artifact whose subject is the image.
    /// - Returns: the documents.
    /// - Throws: what encoding throws.
    func attestations(
        _ statements: [Statement],
        of image: Descriptor,
        isArtifact: Bool
    ) throws -> PackedAttestations {
        let documents = statements.map { statement in
            var document = document(Array(statement.json.text().utf8), Statement.mediaType)
            var descriptor = document.descriptor
            descriptor.annotations = [Statement.predicateTypeKey: statement.predicateType]
            document = Document(descriptor: descriptor, bytes: document.bytes)
            return document
        }
        let configuration: Document
        if isArtifact {
            let empty = document("{}", .ociEmpty)
            var descriptor = empty.descriptor
            descriptor.data = base64(empty.bytes)
            configuration = Document(descriptor: descriptor, bytes: empty.bytes)
        } else {
            var image = ImageConfiguration(platform: Self.attestationPlatform)
            image.rootFileSystem = RootFileSystem(diffIDs: documents.map(\.descriptor.digest))
            configuration = document(try StrictJSON.encode(image), .ociConfiguration)
        }
        var manifest = Manifest(
            mediaType: .ociManifest,
            config: configuration.descriptor,
            layers: documents.map(\.descriptor)
        )
        if isArtifact {
            manifest.artifactType = Self.artifactType
            manifest.subject = Descriptor(mediaType: image.mediaType, digest: image.digest, size: image.size)
        }
        let plain = document(try StrictJSON.encode(manifest), .ociManifest)
        var descriptor = plain.descriptor
        descriptor.annotations = [
            "vnd.docker.reference.digest": image.digest.description,
            "vnd.docker.reference.type": "attestation-manifest",
        ]
        descriptor.platform = Self.attestationPlatform
        return PackedAttestations(
            statements: documents,
            configuration: configuration,
            manifest: Document(descriptor: descriptor, bytes: plain.bytes)
        )
    }

    private static let attestationPlatform = Platform(os: "unknown", architecture: "unknown")
}
