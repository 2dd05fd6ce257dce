package import OCI

/// Joins what the frontend says about an image with the layers that the build made.
package enum ImageAssembly {
    /// One layer of the finished image.
    package struct Layer: Hashable, Sendable {
        package let diffID: Digest
        /// When its content was made, RFC 3339; nil where that is not known.
        package let created: String?

        package init(diffID: Digest, created: String?) {
            self.diffID = diffID
            self.created = created
        }
    }

    /// The configuration with its layers, and with a time for each step of its history.
    ///
    /// Times come from the layers, not from the clock, so that a build in which everything was cached gives the same image id
    /// again. A step without a layer has the time of the layer before it or, where the image's own steps begin with such steps, of the first
    /// own layer: what BuildKit writes. `now` is used only where no layer and no base has a time.
    ///
    /// - Parameters:
    ///   - configuration: what the frontend made: defaults, and history in which own steps have no time.
    ///   - layers: all layers, those of the base image first.
    ///   - now: the time for an image without any layer, RFC 3339.
    /// - Returns: the configuration as it is stored.
    package static func finish(
        _ configuration: ImageConfiguration,
        layers: [Layer],
        now: String
    ) -> ImageConfiguration {
        var finished = configuration
        finished.rootFileSystem = RootFileSystem(diffIDs: layers.map(\.diffID))
        var history = configuration.history ?? []
        align(&history, with: layers)
        fillTimes(in: &history, now: now)
        finished.history = history.isEmpty ? nil : history
        finished.created = history.last?.created ?? now
        return finished
    }

    /// Makes the number of steps with a layer the number of layers, as base images of other builders need not have it so.
    private static func align(_ history: inout [HistoryEntry], with layers: [Layer]) {
        var position = 0
        for index in history.indices where history[index].emptyLayer != true {
            guard position < layers.count else {
                history[index].emptyLayer = true
                continue
            }
            if history[index].created == nil { history[index].created = layers[position].created }
            position += 1
        }
        for layer in layers[position...] {
            history.append(HistoryEntry(created: layer.created, createdBy: nil, comment: "slipway.exporter.image.v0"))
        }
    }

    private static func fillTimes(in history: inout [HistoryEntry], now: String) {
        // The first time after a step without one, else the last time there is.
        var time: String?
        var isMissing = false
        for entry in history {
            guard let created = entry.created else {
                isMissing = true
                continue
            }
            time = created
            if isMissing { break }
        }
        var filled = false
        for index in history.indices {
            if let created = history[index].created {
                if filled { time = created }
            } else {
                filled = true
                history[index].created = time ?? now
            }
        }
    }
}
