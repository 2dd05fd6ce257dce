internal import BuildGraph
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

    package init() {}

    /// How many files are remembered, of all uses.
    package var count: Int {
        contents.withLock { contents in contents.values.reduce(0) { $0 + $1.key.entries.count } }
    }

    /// The files of a use, read where they are not known yet.
    func content(for use: Use, _ read: () async throws -> Content) async throws -> Content {
        if let known = contents.withLock({ $0[use] }) { return known }
        let found = try await read()
        contents.withLock { $0[use] = found }
        return found
    }
}
