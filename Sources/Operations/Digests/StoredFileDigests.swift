internal import FoundationEssentials
internal import GRDB
internal import LinuxSystem
package import Storage

/// Remembers the digests of files in the store's database, so that an unchanged file costs one stat(2).
///
/// A digest is valid as long as device, inode, size and both times of change are what they were. A file that was changed only just now may
/// be changed again without showing it, where the file system's clock is coarse: its digest is not kept.
package struct StoredFileDigests: FileDigestCache {
    private let database: StoreDatabase

    package init(_ store: Store) { database = store.database }

    func digests(of files: [FileToDigest], in tree: SourceTree) async throws -> [DigestedFile?] {
        let relevant = files.indices.filter { files[$0].status.type == .regular || files[$0].status.type == .directory }
        var result = files.map { DigestedFile?.some(DigestedFile(status: $0.status, digests: FileDigests())) }
        let known = try await lookUp(relevant.map { files[$0].status })
        var missing: [Int] = []
        for (index, digests) in zip(relevant, known) {
            if let digests {
                result[index] = DigestedFile(status: files[index].status, digests: digests)
            } else {
                missing.append(index)
            }
        }
        if missing.isEmpty { return result }
        let settled = currentTime() - 2
        let fresh = try await digestInParallel(missing.map { files[$0] }, in: tree)
        var rows: [MemoRow] = []
        for (index, digested) in zip(missing, fresh) {
            result[index] = digested
            if let digested, digested.status.changed.seconds < settled {
                rows.append(MemoRow(digested.status, digested.digests))
            }
        }
        try await save(rows)
        return result
    }

    private func lookUp(_ files: [FileStatus]) async throws -> [FileDigests?] {
        if files.isEmpty { return [] }
        return try await database.read { db in
            let statement = try db.cachedStatement(
                sql: "SELECT size, mtime_ns, ctime_ns, digest FROM file_digests WHERE device = ? AND inode = ?"
            )
            return try files.map { status in
                let wanted = MemoRow(status, FileDigests())
                // A cursor's row is read where it is, as long as the cursor lives; `fetchOne` would copy it first.
                let rows = try Row.fetchCursor(statement, arguments: [wanted.device, wanted.inode])
                return try withExtendedLifetime(rows) {
                    guard let row = try rows.next(), row[0] == wanted.size, row[1] == wanted.modified,
                        row[2] == wanted.changed
                    else { return nil }
                    return FileDigests(packed: [UInt8](row[3] as Data))
                }
            }
        }
    }

    private func save(_ rows: [MemoRow]) async throws {
        if rows.isEmpty { return }
        try await database.write { db in
            let statement = try db.cachedStatement(
                sql: """
                    INSERT OR REPLACE INTO file_digests (device, inode, size, mtime_ns, ctime_ns, digest)
                    VALUES (?, ?, ?, ?, ?, ?)
                    """
            )
            for row in rows {
                try statement.execute(
                    arguments: [row.device, row.inode, row.size, row.modified, row.changed, Data(row.digests.packed)]
                )
            }
        }
    }
}

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
}

/// A row of `file_digests`.
private struct MemoRow: Sendable {
    let device: Int64
    let inode: Int64
    let size: Int64
    let modified: Int64
    let changed: Int64
    let digests: FileDigests

    init(_ status: FileStatus, _ digests: FileDigests) {
        device = Int64(bitPattern: status.device)
        inode = Int64(bitPattern: status.inode)
        size = status.size
        modified = Self.nanoseconds(status.modified)
        changed = Self.nanoseconds(status.changed)
        self.digests = digests
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
