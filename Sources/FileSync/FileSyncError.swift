internal import Text

/// Why a file sync failed; what the other end did wrong is named with the entry it did it to.
package enum FileSyncError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What is wrong with the text of a path, before any directory is looked at.
    package enum PathFault: String, Hashable, Sendable {
        case empty = "is empty"
        case absolute = "is absolute"
        case unclean = "has a component that is empty, \".\" or \"..\""
        case zeroByte = "has a NUL byte"
        case tooLong = "is longer than a path may be"
        case longName = "has a name of more than 255 bytes"
    }

    /// What the sender told of its failure.
    case senderFailed([UInt8])
    /// What the receiver told of its failure.
    case receiverFailed([UInt8])
    /// The channel ended before both ends had said that they are done.
    case cutShort
    case badPath([UInt8], PathFault)
    case sentTwice([UInt8])
    case outOfOrder([UInt8], after: [UInt8])
    case directoryMissing([UInt8])
    case belowFile([UInt8], file: [UInt8])
    case unknownLinkTarget([UInt8], target: [UInt8])
    case badType([UInt8], mode: UInt32)
    case badSize([UInt8], Int64)
    case badOwner([UInt8])
    case badDevice([UInt8])
    case badLink([UInt8])
    case reservedName([UInt8])
    case tooManyEntries(limit: Int)
    case tooMuchContent(limit: Int64)
    /// Content of a file that was not asked for, or is complete.
    case unrequestedContent(id: UInt32)
    /// A request for a file that was not offered, or was asked for before.
    case unknownFile(id: UInt32)
    case unexpectedPacket(String)
    case invalidPatterns(String)

    package var description: String {
        switch self {
        case .senderFailed(let text): "error from sender: \(escapedForDisplay(text))"
        case .receiverFailed(let text): "error from receiver: \(escapedForDisplay(text))"
        case .cutShort: "the file sync ended before it was complete: the other end is gone"
        case .badPath(let path, let fault): refused(path, "its path \(fault.rawValue)")
        case .sentTwice(let path): refused(path, "it was sent before")
        case .outOfOrder(let path, let last): refused(path, "it belongs before \(escapedForDisplay(last))")
        case .directoryMissing(let path): refused(path, "its directory was not sent right before it")
        case .belowFile(let path, let file): refused(path, "\(escapedForDisplay(file)) is not a directory")
        case .unknownLinkTarget(let path, let target):
            refused(path, "it is a hard link to \(escapedForDisplay(target)), which is not a file sent before it")
        case .badType(let path, let mode): refused(path, "mode 0x\(String(mode, radix: 16)) has an unknown type")
        case .badSize(let path, let size): refused(path, "a size of \(size) bytes")
        case .badOwner(let path): refused(path, "4294967295 is not a user or group")
        case .badDevice(let path): refused(path, "its device numbers are out of range")
        case .badLink(let path): refused(path, "the target of the link is empty, too long or has a NUL byte")
        case .reservedName(let path): refused(path, "the sync uses this name itself; run it again")
        case .tooManyEntries(let limit): "the file sync was refused: it has more than \(limit) entries"
        case .tooMuchContent(let limit): "the file sync was refused: its files have more than \(limit) bytes"
        case .unrequestedContent(let id): "the file sync was refused: content of entry \(id), which was not asked for"
        case .unknownFile(let id): "the file sync was refused: entry \(id) is not a file on offer"
        case .unexpectedPacket(let text): "the file sync was refused: \(text)"
        case .invalidPatterns(let text): "invalid patterns of a file sync: \(text)"
        }
    }

    private func refused(_ path: [UInt8], _ reason: String) -> String {
        "the file sync was refused at \(escapedForDisplay(path.prefix(4_096))): \(reason)"
    }
}
