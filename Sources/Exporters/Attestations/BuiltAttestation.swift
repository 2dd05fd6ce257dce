package import Attestations
package import OCI
package import Snapshots
package import Storage
package import SystemPackage
package import Text

/// Something that is said of a built image: provenance, a list of its parts, what a frontend has to say.
package struct BuiltAttestation: Sendable {
    /// What it says, and where that is.
    package enum Content: Sendable {
        /// A predicate that can be told only when the layers are there that it tells of.
        case made(@Sendable (ExportedLayers) async throws -> JSONValue)
        /// A file with a predicate.
        case file(FileTree, FilePath)
        /// A directory whose files are statements.
        case bundle(FileTree, FilePath)
    }

    /// What it is said of.
    package enum Subject: Sendable, Hashable {
        /// The result, by its own names and, where there is one, by another.
        case result(name: String)
        /// Something else.
        case other(Statement.Subject)
    }

    /// Of a bundle the type that each of its statements must have; empty for any.
    package let predicateType: String
    package let content: Content
    package var subjects: [Subject] = []
    /// Where files are exported, the last component is its name there.
    package var path: FilePath
    /// Whether it goes into images only that are kept or pushed.
    package var isInlineOnly = false
    /// The name of the list among those of a scanner that is about the result itself; nil for anything else.
    package var core: String?

    package init(_ predicateType: String, _ content: Content, path: FilePath) {
        self.predicateType = predicateType
        self.content = content
        self.path = path
    }

    /// Whether it is about the result itself and not about what was used on the way.
    var isCore: Bool {
        guard let core else { return false }
        return path.lastComponent?.string.split(separator: ".").first.map(String.init) == core
    }
}

/// The blobs of an image's layers, as far as it is exported with such.
package struct ExportedLayers: Sendable {
    package let blobs: [LayerID: Descriptor]

    package static let none = ExportedLayers(blobs: [:])

    /// The blobs of some layers; nil unless all have one.
    package func blobs(of layers: [LayerID]) -> [Descriptor]? {
        let found = layers.compactMap { blobs[$0] }
        return found.count == layers.count ? found : nil
    }
}

extension BuiltAttestation {
    /// What a scanner for parts found.
    /// - Parameter tree: the directory of its statements.
    /// - Returns: the attestation.
    package static func scan(_ tree: FileTree) -> BuiltAttestation {
        var attestation = BuiltAttestation(Statement.spdx, .bundle(tree, ""), path: "")
        attestation.core = "sbom"
        return attestation
    }
}
