import Archive
package import LinuxSystem
package import OCI
package import Storage
import SystemPackage
import Text

/// Why a layer cannot be had, read or written.
package enum SnapshotError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The store has no row for the layer: it was removed by another process.
    case unknownLayer(LayerID)
    /// A layer that has neither files nor a blob to get them from.
    case contentGone(LayerID)
    /// The archive of a layer is not the one that the image's configuration names.
    case diffIDMismatch(blob: Digest, expected: Digest, actual: Digest)
    /// The files of a layer, or a blob of it, give another archive than they did.
    case layerDamaged(LayerID, expected: Digest, actual: Digest)
    /// A file of a layer, which is part of these images, is not what it was when the layer was made.
    case fileDamaged(LayerID, path: [UInt8], images: [String])
    case mount(SystemCallError, layers: Int)
    /// Something outside of the step still holds files of it open for writing.
    case stillInUse
    /// The layer was unpacked by a process with more privileges.
    case marksUnreadable(LayerID)

    package var description: String {
        switch self {
        case .unknownLayer(let id): "layer \(id) is no longer in the store; run the command again"
        case .contentGone(let id):
            "the files of layer \(id) are gone and nothing says where to fetch them; pull or build the image again"
        case .diffIDMismatch(let blob, let expected, let actual):
            "layer \(blob) is damaged or its image lies about it: its archive has the digest \(actual), the configuration says \(expected)"
        case .layerDamaged(let id, let expected, let actual):
            "the files of layer \(id) are damaged: their archive is \(actual) instead of \(expected). Run `slipway system check "
                + "--deep --repair`, then pull or build the image again"
        case .fileDamaged(let id, let path, let images):
            "\(escapedForDisplay("/" + path)) is damaged: in layer \(id)\(images.isEmpty ? "" : " of \(images.joined(separator: ", "))") it "
                + "is not what it was when the layer was made. Run `slipway system check --deep --repair`, then the command again"
        case .stillInUse:
            "the step's files are still open in a process that outlived it; end each process that the step started"
        case .marksUnreadable(let id):
            "layer \(id) was unpacked for overlayfs, whose marks only root of the machine can read; use another store (--root)"
        case .mount(let error, let layers):
            "cannot mount a file system of \(layers) layers: \(error)"
        }
    }
}

extension SnapshotStore {
    /// Tells a full disk as such, whatever file was being written when it showed; other errors as they are.
    func explained(_ error: any Error) -> any Error {
        let call: SystemCallError? =
            switch error {
            case let error as SystemCallError: error
            case ArchiveError.system(let error, _): error
            default: nil
            }
        guard let call, call.errno == .noSpace || call.errno == .diskQuotaExceeded else { return error }
        return StorageError.noSpace(phase: "writing the files of a layer", path: store.root)
    }
}

extension SnapshotError: CausedError {
    package var cause: (any Error)? {
        switch self {
        case .mount(let error, _): error
        case .unknownLayer, .contentGone, .diffIDMismatch, .layerDamaged, .fileDamaged, .stillInUse, .marksUnreadable:
            nil
        }
    }
}
