internal import BuildGraph
internal import LinuxSystem
internal import OCI
internal import Synchronization

/// The files that a content key was computed of, and when.
struct ObservedFiles: Sendable {
    let key: Digest
    /// Those of each selection.
    let selections: [[ContentItem]]
    /// A file that was changed after this time, in seconds since 1970, may change once more without showing it: its file system's
    /// clock may be that coarse.
    let settled: Int64
}

/// What the content keys of this build's steps were computed of, so that a copy can tell whether it copies the same.
final class Observations: Sendable {
    /// One input of one step.
    struct Place: Hashable, Sendable {
        let vertex: Digest
        let input: Int
    }

    private let state = Mutex<[Place: ObservedFiles]>([:])
    private let compared = Mutex<Set<Place>>([])

    func note(_ files: ObservedFiles, at place: Place) { state.withLock { $0[place] = files } }
    func files(at place: Place) -> ObservedFiles? { state.withLock { $0[place] } }

    /// Notes that the files of layers were compared with what they were, while their key was computed.
    func noteCompared(_ place: Place) { _ = compared.withLock { $0.insert(place) } }
    func isCompared(_ place: Place) -> Bool { compared.withLock { $0.contains(place) } }
}

/// What a copy of a directory that may change has really copied.
///
/// The key of a step is computed before the step runs, and the directory is read in place. Nothing keeps a file from growing, being
/// replaced or vanishing in between, or while it is copied. So each file is compared, as it is copied, with what was seen of it
/// when the key was computed; that costs two calls of fstat(2). Where they differ, the copy is read again and its digest goes
/// into the key; the solver keeps the result under that key, and what is built on it too. What vanished is absent from both.
///
/// Not noticed is what no time of the file shows: writing through a mapping to a page that is dirty already.
final class CopyRecord: Sendable {
    private struct State {
        var items: [ContentItem?] = []
        var isAsExpected = true
    }

    /// By path.
    private let expected: [[UInt8]: ContentItem]
    private let expectedCount: Int
    private let settled: Int64
    private let state = Mutex(State())
    /// Whether the files are compared at all, or what vanishes is only passed over.
    let compares: Bool

    /// - Parameters:
    ///   - items: What the selection that is copied had when the key was computed.
    ///   - settled: See `ObservedFiles`.
    init(expecting items: [ContentItem], settled: Int64) {
        expected = Dictionary(items.lazy.map { ($0.path, $0) }, uniquingKeysWith: { $1 })
        expectedCount = items.count
        self.settled = settled
        compares = true
    }

    /// A record of a copy that is digested itself.
    init() {
        (expected, expectedCount, settled) = ([:], 0, 0)
        compares = false
    }

    // MARK: While copying

    /// Notes an entry that is about to be copied.
    /// - Returns: its number.
    func begin(_ item: ContentItem) -> Int {
        state.withLock { state in
            state.items.append(item)
            return state.items.count - 1
        }
    }

    /// Notes what was copied of an entry that is no regular file.
    func copied(_ number: Int, target: [UInt8]? = nil, attributes: [UInt8]? = nil, as status: FileStatus? = nil) {
        state.withLock { state in
            guard var item = state.items[number] else { return }
            if let status { item.status = status }
            item.target = target
            if let attributes { item.digests = FileDigests(attributes: attributes) }
            state.items[number] = item
            guard compares, state.isAsExpected else { return }
            state.isAsExpected = expected[item.path].map { isEqual($0, item) } ?? false
        }
    }

    /// Notes a regular file that is still what the key was computed of, if it is.
    /// - Parameters:
    ///   - number: Of the entry.
    ///   - before: Its status before it was read.
    ///   - after: Its status after that.
    /// - Returns: Whether it is.
    func confirm(_ number: Int, before: FileStatus, after: FileStatus) -> Bool {
        guard compares else { return true }
        return state.withLock { state in
            guard let item = state.items[number], let seen = expected[item.path], seen.status.type == .regular,
                before.changed.seconds < settled, Stamp(before) == Stamp(seen.status), Stamp(after) == Stamp(before)
            else { return false }
            state.items[number]?.status = before
            state.items[number]?.digests = seen.digests
            return true
        }
    }

    /// Whether the key was computed of a regular file with this content.
    func isExpected(_ path: [UInt8], _ digests: FileDigests) -> Bool { expected[path]?.digests == digests }

    /// Notes what was copied of a regular file that may be another than the key was computed of.
    func copied(_ number: Int, as status: FileStatus, _ digests: FileDigests) {
        state.withLock { state in
            guard let item = state.items[number] else { return }
            state.items[number]?.status = status
            state.items[number]?.digests = digests
            let seen = expected[item.path]
            let isSame =
                seen?.status.type == .regular && seen?.status.mode == status.mode && seen?.status.size == status.size
                && (seen?.digests ?? FileDigests()) == digests
            if !isSame { state.isAsExpected = false }
        }
    }

    /// Notes that an entry became a hard link to one that was copied.
    func linked(_ number: Int, to first: Int) {
        state.withLock { state in
            guard let item = state.items[number], let content = state.items[first] else { return }
            state.items[number]?.status = content.status
            state.items[number]?.digests = content.digests
            guard compares else { return }
            let seen = expected[item.path]
            let isSame =
                seen?.status.type == .regular && seen?.status.mode == content.status.mode
                && seen?.status.size == content.status.size && seen?.digests == content.digests
            if !isSame { state.isAsExpected = false }
        }
    }

    /// Notes that an entry vanished before it was copied.
    func vanished(_ number: Int) {
        state.withLock { state in
            state.items[number] = nil
            state.isAsExpected = false
        }
    }

    /// Forgets a copy that is made again.
    func reset() { state.withLock { $0 = State() } }

    // MARK: Afterwards

    /// Whether exactly those files were copied that the key was computed of.
    var isAsExpected: Bool {
        state.withLock { $0.isAsExpected && $0.items.count == expectedCount }
    }

    /// What was copied, in order.
    var items: [ContentItem] { state.withLock { $0.items.compactMap(\.self) } }

    /// Whether two entries that are no regular files count as the same.
    private func isEqual(_ seen: ContentItem, _ item: ContentItem) -> Bool {
        seen.status.type == item.status.type && seen.status.mode == item.status.mode && seen.target == item.target
            && seen.status.deviceMajor == item.status.deviceMajor
            && seen.status.deviceMinor == item.status.deviceMinor
            && seen.digests?.attributes == item.digests?.attributes
    }
}

/// What identifies the content of a file.
struct Stamp: Hashable, Sendable {
    private let device: UInt64
    private let inode: UInt64
    private let size: Int64
    private let modified: FileTime
    private let changed: FileTime

    init(_ status: FileStatus) {
        device = status.device
        inode = status.inode
        size = status.size
        modified = status.modified
        changed = status.changed
    }
}
