internal import BuildKitProto
internal import SwiftProtobuf
internal import Text

/// What comes of a sync that is to bring the metadata of all entries, and few of the entries themselves.
///
/// fsutil's form: each entry as it was sent, after its length in four bytes, in the file `.fsutil-metadata`.
struct SentMetadata {
    static let fileName: [UInt8] = ".fsutil-metadata"

    /// What is brought as well; nil for nothing.
    private let wanted: IgnoreFile?
    private(set) var content: [UInt8] = []
    /// The directories above the next entry that have not been made.
    private var parents: [(entry: SentEntry, depth: Int)] = []

    init(wanted: IgnoreFile?) { self.wanted = wanted }

    /// Takes an entry.
    /// - Returns: what is to be made, the entry itself last: nothing unless it is wanted.
    mutating func take(
        _ stat: Fsutil_Types_Stat,
        _ entry: SentEntry,
        depth: Int
    ) throws -> [(entry: SentEntry, depth: Int)] {
        if entry.path == Self.fileName { throw FileSyncError.reservedName(entry.path) }
        let bytes: [UInt8] = try stat.serializedBytes()
        withUnsafeBytes(of: UInt32(bytes.count).littleEndian) { content += $0 }
        content += bytes
        let parent = entry.path.parentPath
        while let last = parents.last, last.entry.path != parent { parents.removeLast() }
        guard wanted?.ignores(entry.path) ?? false else {
            if entry.kind == .directory { parents.append((entry, depth)) }
            return []
        }
        defer { parents = [] }
        return parents + [(entry, depth)]
    }
}
