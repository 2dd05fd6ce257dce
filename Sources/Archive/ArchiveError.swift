package import LinuxSystem
internal import Text

/// Why an archive could not be read, extracted or written.
package enum ArchiveError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The archive ends in the middle of something.
    case truncated(entry: [UInt8]?)
    /// A header that is damaged, or that readers of archives understand differently.
    case invalidHeader(reason: String, entry: [UInt8]?)
    /// An entry that the format allows and we refuse.
    case refused(entry: [UInt8], reason: String)
    /// Compressed data that is damaged.
    case damagedCompression(CompressionFormat, reason: String)
    /// The content written for an entry is not of the size in its header.
    case sizeChanged(entry: [UInt8])
    /// More than a limit allows.
    case overLimit(what: String, limit: Int64)
    /// A system call failed for an entry.
    case system(SystemCallError, entry: [UInt8])
    /// A compression format that can be read but not written.
    case cannotCompress(CompressionFormat)

    package var description: String {
        switch self {
        case .truncated(nil): "unexpected end of archive"
        case .truncated(let entry?): "unexpected end of archive in \"\(escapedForDisplay(entry))\""
        case .invalidHeader(let reason, nil): "invalid tar header: \(reason)"
        case .invalidHeader(let reason, let entry?): "invalid tar header of \"\(escapedForDisplay(entry))\": \(reason)"
        case .refused(let entry, let reason): "archive entry \"\(escapedForDisplay(entry))\" refused: \(reason)"
        case .damagedCompression(let format, let reason): "\(format.rawValue): \(reason)"
        case .sizeChanged(let entry):
            "\"\(escapedForDisplay(entry))\" became shorter or longer while it was read; try again"
        case .overLimit(let what, let limit): "archive has more than \(limit) \(what)"
        case .system(let error, let entry): "archive entry \"\(escapedForDisplay(entry))\": \(error)"
        case .cannotCompress(let format): "compressing with \(format.rawValue) is not supported; use gzip or zstd"
        }
    }
}

extension ArchiveError: CausedError {
    package var cause: (any Error)? {
        switch self {
        case .system(let error, _): error
        case .truncated, .invalidHeader, .refused, .damagedCompression, .sizeChanged, .overLimit, .cannotCompress: nil
        }
    }
}

/// What one archive may cost at most; a hostile one is refused as soon as it passes a limit.
package struct ArchiveLimits: Sendable, Hashable {
    /// Bytes after decompression, headers included.
    package var expandedBytes: Int64 = 200 << 30
    package var entries: Int64 = 5_000_000
    /// Bytes of one extended header or long name, as Go's reader has it.
    package var headerBytes = 1 << 20
    /// Pieces of one sparse file.
    package var sparsePieces = 100_000
    /// Bytes of one name with its directories, as the kernel has it (PATH_MAX without the terminator).
    package var pathBytes = 4095

    package init() {}
}
