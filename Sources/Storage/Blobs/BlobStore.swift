internal import GRDB
package import LinuxSystem
package import OCI
package import SystemPackage

/// Content by digest: immutable files that were verified on the way in.
package final class BlobStore: Sendable {
    let layout: StoreLayout
    let database: StoreDatabase
    let process: OwnerBox
    let unflushed: UnflushedContent
    let arriving = ArrivingBlobs()

    init(layout: StoreLayout, database: StoreDatabase, process: OwnerBox, unflushed: UnflushedContent) {
        self.layout = layout
        self.database = database
        self.process = process
        self.unflushed = unflushed
    }

    /// Where the content of a digest is, or would be.
    package func path(of digest: Digest) -> FilePath { layout.blob(digest) }

    // MARK: Asking

    /// Whether the blob is here, complete.
    ///
    /// To rely on it later, hold it first: `Store.hold`.
    package func contains(_ digest: Digest) async throws -> Bool { try await size(of: digest) != nil }

    /// Which of these blobs are here, complete.
    package func present(among digests: Set<Digest>) async throws -> Set<Digest> {
        try await onBlockingPool { try digests.filter { try self.storedSize(of: $0) != nil } }
    }

    /// The size of a blob in bytes; nil if it is not here.
    package func size(of digest: Digest) async throws -> Int64? {
        try await onBlockingPool { try self.storedSize(of: digest) }
    }

    /// The size of a blob and when it came, in seconds since 1970; nil if it is not here.
    package func entry(of digest: Digest) async throws -> (size: Int64, created: Int64)? {
        try await onBlockingPool {
            guard let size = try self.storedSize(of: digest) else { return nil }
            let created = try self.database.read { db in
                try Int64.fetchOne(db, sql: "SELECT created FROM blobs WHERE digest = ?", arguments: [digest])
            }
            return (size, created ?? 0)
        }
    }

    /// The size of a blob; nil if it is not here, or if its file was lost or cut off, so that it is fetched again.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func storedSize(of digest: Digest) throws -> Int64? {
        let size = try database.read { db in
            let statement = try db.cachedStatement(sql: "SELECT size FROM blobs WHERE digest = ?")
            return try Int64.fetchOne(statement, arguments: [digest])
        }
        guard let size, try HostFiles.status(of: path(of: digest))?.size == size else { return nil }
        return size
    }

    /// The blobs below a size, by digest.
    package func digests(smallerThan size: Int) async throws -> [Digest] {
        try await database.read { db in
            try Digest.fetchAll(db, sql: "SELECT digest FROM blobs WHERE size < ? ORDER BY digest", arguments: [size])
        }
    }

    // MARK: Reading

    /// Opens the file of a blob.
    ///
    /// What is read from it is to be verified by the reader: see `BlobReader`.
    ///
    /// - Throws: `StorageError.blobMissing`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func open(_ digest: Digest) throws -> OpenFile {
        do {
            return try OpenFile.open(path(of: digest), .readOnly)
        } catch {
            if error.errno == .noSuchFileOrDirectory { throw StorageError.blobMissing(digest) }
            throw StorageError(error, while: "opening a blob", in: layout.root)
        }
    }

    /// The content of a blob, verified.
    ///
    /// - Throws: `StorageError.blobMissing`, `.blobDamaged`, `.blobTooLarge`.
    package func read(_ digest: Digest, limit: Int = 64 << 20) async throws -> [UInt8] {
        try await onBlockingPool { try self.readBlocking(digest, limit: limit) }
    }

    /// The content of a blob, verified; for code that runs on the blocking pool already.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func readBlocking(_ digest: Digest, limit: Int = 64 << 20) throws -> [UInt8] {
        let file = try open(digest)
        let size = try file.status().size
        guard size <= limit else { throw StorageError.blobTooLarge(digest, size: size, limit: Int64(limit)) }
        let content = try file.readToEnd(limit: limit)
        var digester = Digester(digest.algorithm)
        digester.update(content)
        let actual = digester.finalize()
        guard actual == digest else { throw StorageError.blobDamaged(digest, actual: actual, path: file.path) }
        return content
    }

    /// Reads a blob from start to end to compare its content with its digest.
    /// - Throws: `StorageError.blobMissing`, `.blobDamaged`.
    package func verify(_ digest: Digest) async throws {
        try await onBlockingPool {
            let reader = try BlobReader(digest, in: self)
            try withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 4096) { buffer in
                while try reader.read(into: buffer) > 0 {}
            }
        }
    }

    /// Takes a blob out of the store if its content is not that of its digest; returns whether it was.
    ///
    /// What needs the blob fetches or makes it again. A blob that is sound is left alone.
    package func removeIfDamaged(_ digest: Digest) async throws -> Bool {
        do {
            try await verify(digest)
            return false
        } catch StorageError.blobDamaged, StorageError.blobMissing {
            try await onBlockingPool {
                try self.database.write { db in
                    try db.execute(sql: "DELETE FROM blobs WHERE digest = ?", arguments: [digest])
                    try HostFiles.remove(self.path(of: digest))
                }
            }
            return true
        }
    }

    // MARK: Bookkeeping

    /// Remembers that blobs were used now, for the order in which they are removed.
    package func markUsed(_ digests: [Digest], at time: Int64) async throws {
        try await database.writeLazily { db in
            let mark = try db.cachedStatement(sql: "UPDATE blobs SET last_used = ? WHERE digest = ?")
            for digest in digests { try mark.execute(arguments: [time, digest]) }
        }
    }

    /// Remembers that a repository (`docker.io/library/python`) holds blobs, so that they can be mounted from there.
    package func recordSource(_ repository: String, of digests: [Digest]) async throws {
        try await database.writeLazily { db in
            let insert = try db.cachedStatement(
                sql: "INSERT OR IGNORE INTO blob_sources (digest, repository) VALUES (?, ?)"
            )
            for digest in digests { try insert.execute(arguments: [digest, repository]) }
        }
    }

    /// The repositories known to hold a blob.
    package func sources(of digest: Digest) async throws -> [String] {
        try await database.read { db in
            try String.fetchAll(
                db,
                sql: "SELECT repository FROM blob_sources WHERE digest = ? ORDER BY repository",
                arguments: [digest]
            )
        }
    }
}

/// Reads a blob from start to end and compares its content with its digest on the way.
package final class BlobReader {
    private let digest: Digest
    private let file: OpenFile
    private var digester: Digester
    private var isFinished = false

    /// Opens a blob.
    /// - Throws: `StorageError.blobMissing`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init(_ digest: Digest, in blobs: BlobStore) throws {
        self.digest = digest
        file = try blobs.open(digest)
        digester = Digester(digest.algorithm)
    }

    /// Reads on; 0 is the end, and only after it has been returned was all of the content verified.
    /// - Throws: `StorageError.blobDamaged` at the end of content that is not the digest's.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
        if isFinished { return 0 }
        let count = try file.read(into: buffer)
        if count > 0 {
            digester.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            return count
        }
        isFinished = true
        let actual = digester.finalize()
        guard actual == digest else { throw StorageError.blobDamaged(digest, actual: actual, path: file.path) }
        return 0
    }
}
