package import GRDB
package import OCI
package import Storage

/// A container as far as images go: what it was made of.
package struct ImageUser: Sendable, Hashable {
    package let id: String
    package let name: String
    /// The image may be gone.
    package let image: Digest?
    /// What its maker called the image.
    package let imageName: String
    /// Seconds since 1970.
    package let created: Int64
    /// As the store last noted.
    package let isRunning: Bool
    package let layers: [LayerID]

    package init(
        id: String,
        name: String,
        image: Digest?,
        imageName: String,
        created: Int64,
        isRunning: Bool,
        layers: [LayerID] = []
    ) {
        self.id = id
        self.name = name
        self.image = image
        self.imageName = imageName
        self.created = created
        self.isRunning = isRunning
        self.layers = layers
    }
}

/// Tells which containers there are, within a transaction: images know of them only what they are told.
package typealias ImageUsers = @Sendable (Database) throws -> [ImageUser]
