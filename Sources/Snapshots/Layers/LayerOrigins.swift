package import OCI
package import Storage
internal import Synchronization

/// The blobs that layers came as, with the images and caches that one piece of work reads.
///
/// A store may know several blobs of a layer. What is made of an image keeps those that the image itself has, whatever
/// else was made of its layers here.
package final class LayerOrigins: Sendable {
    private let blobs = Mutex<[LayerID: Descriptor]>([:])

    init() {}

    /// Notes blobs of layers; what was noted first stays.
    package func note(_ blobs: [Descriptor], of layers: [LayerID]) {
        self.blobs.withLock { known in
            for (layer, blob) in zip(layers, blobs) where known[layer] == nil { known[layer] = blob }
        }
    }

    /// The blob that a layer came as.
    func blob(of layer: LayerID) -> Descriptor? { blobs.withLock { $0[layer] } }
}
