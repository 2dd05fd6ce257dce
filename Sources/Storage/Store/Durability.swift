/// When what is made in a store has to be on the disk.
package enum Durability: String, Sendable, CaseIterable {
    /// Before something is reported that needs it, as an image or a container. Until then the machine's power may take away what can
    /// be had again, as the layer of a step; the next opening of the store then knows nothing of it.
    case reported
    /// As soon as it is made: each layer, each blob, each row.
    case strict
}
