package import LinuxSystem
package import OCI

/// A build cache as BuildKit writes it down: layers with what is below them, and records of steps that lead to layers.
///
/// The digests of records are Slipway's own keys: BuildKit can read the document, and finds nothing in it that it would build.
package struct CacheDocument: Hashable, Sendable, Codable {
    package static let mediaType = MediaType(rawValue: "application/vnd.buildkit.cacheconfig.v0")

    /// One layer on top of others.
    package struct Layer: Hashable, Sendable, Codable {
        package var blob: Digest
        /// The number of the layer below, -1 for none; 0 is left out, as Go leaves it out.
        package var parent: Int?
        package var annotations: Annotations?

        package init(blob: Digest, parent: Int, annotations: Annotations? = nil) {
            self.blob = blob
            self.parent = parent == 0 ? nil : parent
            self.annotations = annotations
        }
    }

    /// What is known of a layer where no manifest says it.
    package struct Annotations: Hashable, Sendable, Codable {
        package var mediaType: MediaType?
        package var diffID: Digest?
        package var size: Int64?
        package var createdAt: String?

        package init(mediaType: MediaType?, diffID: Digest?, size: Int64?, createdAt: String?) {
            self.mediaType = mediaType
            self.diffID = diffID
            self.size = size
            self.createdAt = createdAt
        }
    }

    /// One step.
    package struct Record: Hashable, Sendable, Codable {
        /// A result: a layer with everything below it.
        package struct Result: Hashable, Sendable, Codable {
            package var layer: Int

            package init(layer: Int) { self.layer = layer }
        }

        /// A result of layers of which none need be above another.
        package struct Chain: Hashable, Sendable, Codable {
            package var layers: [Int]

            package init(layers: [Int]) { self.layers = layers }
        }

        /// A step that this one uses.
        package struct Input: Hashable, Sendable, Codable {
            package var selector: String?
            package var link: Int

            package init(selector: String? = nil, link: Int) {
                self.selector = selector
                self.link = link
            }
        }

        package var layers: [Result]?
        package var chains: [Chain]?
        /// The canonical key.
        package var digest: Digest
        /// For each input, who may give it.
        package var inputs: [[Input]]?
        /// Slipway's own: other keys that the step is found under.
        package var aliases: [Digest]?
        /// Slipway's own: how many outputs the step has, each of them a chain; missing for one.
        package var outputs: Int?
        /// Slipway's own: the numbers of the outputs that the chains are, one each; missing where all outputs are there.
        package var present: [Int]?

        package init(digest: Digest) { self.digest = digest }
    }

    package var layers: [Layer]?
    package var records: [Record]?

    package init(layers: [Layer], records: [Record]) {
        self.layers = layers.isEmpty ? nil : layers
        self.records = records.isEmpty ? nil : records
    }
}

/// A layer as a cache has it.
package struct CachedLayer: Hashable, Sendable {
    /// The archive.
    package var blob: Descriptor
    /// The digest of the archive without compression.
    package var diffID: Digest
    /// When it was made.
    package var created: FileTime

    package init(blob: Descriptor, diffID: Digest, created: FileTime) {
        self.blob = blob
        self.diffID = diffID
        self.created = created
    }
}
