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
        var rows: [FileDigestTable.Memo] = []
        for (index, digested) in zip(missing, fresh) {
            result[index] = digested
            if let digested, digested.status.changed.seconds < settled {
                rows.append(FileDigestTable.Memo(FileDigestTable.State(digested.status), digested.digests))
            }
        }
        try await save(rows)
        return result
    }

    private func lookUp(_ files: [FileStatus]) async throws -> [FileDigests?] {
        if files.isEmpty { return [] }
        return try await database.read { db in
            let statement = try db.cachedStatement(sql: FileDigestTable.Memo.lookUp)
            return try files.map { status in
                let state = FileDigestTable.State(status)
                let known = try FileDigestTable.Memo.fetchOne(statement, arguments: [state.device, state.inode])
                return known?.state == state ? known?.digests : nil
            }
        }
    }

    private func save(_ rows: [FileDigestTable.Memo]) async throws {
        if rows.isEmpty { return }
        try await database.writeLazily { db in
            let statement = try db.cachedStatement(sql: FileDigestTable.Memo.replace)
            for row in rows { try statement.execute(arguments: row.values) }
        }
    }
}
