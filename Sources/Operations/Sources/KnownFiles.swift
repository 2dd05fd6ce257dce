internal import BuildGraph
package import LinuxSystem
internal import Synchronization

/// What was read of a directory that has not changed since: it is not read again.
///
/// A value belongs to one state of the directory. After a change, a new value takes its place.
package final class KnownFiles: Sendable {
    /// Which files: those of some selections that a source has.
    struct Use: Hashable, Sendable {
        let includes: [[UInt8]]
        let excludes: [[UInt8]]
        let selections: [Selection]
    }

    /// The files of a use, by selections, and their key.
    struct Content: Sendable {
        let items: [[ContentItem]]
        let key: ContentKey
    }

    private let contents = Mutex<[Use: Content]>([:])
    private let digested = Mutex<[[UInt8]: DigestedFile]>([:])

    package init() {}

    /// Takes down a regular file without extended attributes that was digested when it came.
    package func note(_ path: [UInt8], _ status: FileStatus, sha256: [UInt8]) {
        digested.withLock { $0[path] = DigestedFile(status: status, digests: FileDigests(content: sha256)) }
    }

    /// The digest that a file had when it came, if it has not changed since.
    func digested(_ file: FileToDigest) -> DigestedFile? {
        guard let known = digested.withLock({ $0[file.path] }), Stamp(known.status) == Stamp(file.status) else {
            return nil
        }
        return DigestedFile(status: file.status, digests: known.digests)
    }

    /// How many files are remembered, of all uses.
    package var count: Int {
        contents.withLock { contents in contents.values.reduce(0) { $0 + $1.key.entries.count } }
            + digested.withLock(\.count)
    }

    /// The files of a use, read where they are not known yet.
    func content(for use: Use, _ read: () async throws -> Content) async throws -> Content {
        if let known = contents.withLock({ $0[use] }) { return known }
        let found = try await read()
        contents.withLock { $0[use] = found }
        return found
    }
}

/// The digests of files of which some were digested when they came.
struct ReceivedFileDigests<Others: FileDigestCache>: FileDigestCache {
    let known: KnownFiles
    let others: Others

    func digests(of files: [FileToDigest], in tree: SourceTree) async throws -> [DigestedFile?] {
        var result = files.map { known.digested($0) }
        let missing = files.indices.filter { result[$0] == nil }
        if missing.isEmpty { return result }
        for (index, digested) in zip(missing, try await others.digests(of: missing.map { files[$0] }, in: tree)) {
            result[index] = digested
        }
        return result
    }
}
