package import OCI

/// What a pull or a push tells while it goes on, in docker's words.
package enum TransferEvent: Sendable, Hashable, CustomStringConvertible {
    /// A line that stands by itself, as `latest: Pulling from library/python`.
    case line(String)
    /// What happens to one layer. A later event of the same layer replaces the earlier one on a terminal.
    case layer(Digest, Step)

    /// The stages of one layer.
    package enum Step: Sendable, Hashable {
        case pullingLayer
        case alreadyExists
        /// Bytes so far, of how many.
        case downloading(Int64, of: Int64)
        case downloadComplete
        case extracting
        case pullComplete
        case preparing
        case pushing(Int64, of: Int64)
        case pushed
        case layerAlreadyExists
        /// It is to be fetched from elsewhere.
        case skippedForeignLayer
        /// The registry linked it from another repository, named by its path there.
        case mounted(from: String)

        /// The words of docker's display.
        package var words: String {
            switch self {
            case .pullingLayer: "Pulling fs layer"
            case .alreadyExists: "Already exists"
            case .downloading: "Downloading"
            case .downloadComplete: "Download complete"
            case .extracting: "Extracting"
            case .pullComplete: "Pull complete"
            case .preparing: "Preparing"
            case .pushing: "Pushing"
            case .pushed: "Pushed"
            case .layerAlreadyExists: "Layer already exists"
            case .skippedForeignLayer: "Skipped foreign layer"
            case .mounted(let repository): "Mounted from \(repository)"
            }
        }

        /// Bytes done and in all, where the stage counts them.
        package var progress: (current: Int64, total: Int64)? {
            switch self {
            case .downloading(let current, let total), .pushing(let current, let total): (current, total)
            case .pullingLayer, .alreadyExists, .downloadComplete, .extracting, .pullComplete, .preparing, .pushed,
                .layerAlreadyExists, .skippedForeignLayer, .mounted:
                nil
            }
        }
    }

    /// The event as a line of docker's plain display.
    package var description: String {
        switch self {
        case .line(let text): text
        case .layer(let digest, let step): "\(digest.short): \(step.words)"
        }
    }
}

/// Takes the events of a transfer; called from several tasks.
package typealias TransferObserver = @Sendable (TransferEvent) -> Void
