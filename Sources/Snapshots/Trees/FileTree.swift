package import Storage

/// An immutable file system: the layers that are laid over each other, the lowest first.
package struct FileTree: Hashable, Sendable, Codable {
    package var layers: [LayerID]

    package init(layers: [LayerID]) { self.layers = layers }

    /// The tree without any file.
    package static let empty = FileTree(layers: [])

    /// The tree with one more layer on top.
    package func adding(_ layer: LayerID) -> FileTree { FileTree(layers: layers + [layer]) }
}
