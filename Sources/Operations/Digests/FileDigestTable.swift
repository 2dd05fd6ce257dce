internal import FoundationEssentials
internal import GRDB
internal import LinuxSystem
package import Storage

/// Digests of files of build contexts.
package enum FileDigestTable: TableOwner {
    package static let migrations = [
        Migration(
            "blobs and layers",
            sql: """
                -- Valid as long as the other columns match.
                CREATE TABLE file_digests (
                    device INTEGER NOT NULL,
                    inode INTEGER NOT NULL,
                    size INTEGER NOT NULL,
                    mtime_ns INTEGER NOT NULL,
                    ctime_ns INTEGER NOT NULL,
                    digest BLOB NOT NULL,
                    PRIMARY KEY (device, inode)
                ) WITHOUT ROWID;
                """
        )
    ]

    /// What a file is known by, and what changes with its content.
    struct State: Sendable, Hashable {
        let device: Int64
        let inode: Int64
        let size: Int64
        let modified: Int64
        let changed: Int64
    }

    /// A row of `file_digests`.
    ///
    /// A build asks for thousands: it is read by the places of its columns, not by their names.
    struct Memo: Sendable, FetchableRecord {
        static let columns = "device, inode, size, mtime_ns, ctime_ns, digest"
        static let lookUp = "SELECT \(columns) FROM file_digests WHERE device = ? AND inode = ?"
        static let replace = "INSERT OR REPLACE INTO file_digests (\(columns)) VALUES (?, ?, ?, ?, ?, ?)"

        let state: State
        /// Nil where they cannot be read.
        let digests: FileDigests?

        init(_ state: State, _ digests: FileDigests) {
            self.state = state
            self.digests = digests
        }

        init(row: Row) throws {
            state = State(
                device: try row.decode(atIndex: 0),
                inode: try row.decode(atIndex: 1),
                size: try row.decode(atIndex: 2),
                modified: try row.decode(atIndex: 3),
                changed: try row.decode(atIndex: 4)
            )
            digests = FileDigests(packed: [UInt8](try row.decode(Data.self, atIndex: 5)))
        }

        /// In the order of the columns.
        var values: StatementArguments {
            [
                state.device, state.inode, state.size, state.modified, state.changed,
                Data(digests?.packed ?? FileDigests().packed),
            ]
        }
    }
}

extension FileDigestTable.State {
    init(_ status: FileStatus) {
        self.init(
            device: Int64(bitPattern: status.device),
            inode: Int64(bitPattern: status.inode),
            size: status.size,
            modified: Self.nanoseconds(status.modified),
            changed: Self.nanoseconds(status.changed)
        )
    }

    /// Wraps for years beyond 2262, which is enough for a comparison.
    private static func nanoseconds(_ time: FileTime) -> Int64 {
        time.seconds &* 1_000_000_000 &+ Int64(time.nanoseconds)
    }
}

extension FileDigests {
    /// A byte that says which of the two there are, and 32 bytes for each.
    fileprivate var packed: [UInt8] {
        [(content == nil ? 0 : 1) | (attributes == nil ? 0 : 2)] + (content ?? []) + (attributes ?? [])
    }

    fileprivate init?(packed: [UInt8]) {
        guard let flags = packed.first, flags <= 3 else { return nil }
        let count = flags.nonzeroBitCount
        guard packed.count == 1 + 32 * count else { return nil }
        self.init(
            content: flags & 1 == 0 ? nil : Array(packed[1..<33]),
            attributes: flags & 2 == 0 ? nil : Array(packed.suffix(32))
        )
    }
}
