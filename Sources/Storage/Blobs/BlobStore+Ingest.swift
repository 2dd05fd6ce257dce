internal import GRDB
internal import LinuxSystem
package import OCI
internal import SystemPackage

extension BlobStore {
    /// Stores bytes under their SHA-256 and returns it; the lease holds them.
    package func put(_ bytes: [UInt8], in lease: Lease) async throws -> Digest {
        try await ingest(in: lease) { writer in try await writer.write(bytes) }.digest
    }

    /// Takes new content into the store: hashed as it is written, and verified.
    ///
    /// It is durable after `Store.flush`, and already when this returns if the store is strict.
    ///
    /// Content that is here already is kept; several processes may bring the same content at once.
    /// - Parameters:
    ///   - lease: what holds the blob.
    ///   - expecting: the digest that the content must have; nil accepts any and names it by its SHA-256.
    ///   - size: the number of bytes that the content must have; one byte more stops the transfer.
    ///   - partialKey: what to find an unfinished attempt by. With it, what arrived before an error or a crash stays for a
    ///     day, and the writer's `offset` says how much there is to go on from. If another process is bringing the same thing, this
    ///     attempt starts from nothing.
    ///   - body: writes the content.
    /// - Returns: the digest and the size of the content.
    /// - Throws: `StorageError.digestMismatch`, `.sizeMismatch`, `.noSpace`, or what `body` throws.
    @discardableResult
    package func ingest(
        in lease: Lease,
        expecting: Digest? = nil,
        size: Int64? = nil,
        partialKey: String? = nil,
        body: (BlobWriter) async throws -> Void
    ) async throws -> (digest: Digest, size: Int64) {
        let algorithm = expecting?.algorithm ?? .sha256
        let writer = try await onBlockingPool {
            try whileDoing("taking in a blob", in: self.layout.root) {
                try self.startIngest(algorithm: algorithm, size: size, partialKey: partialKey)
            }
        }
        if let expecting { writer.announce(expecting, among: arriving) }
        do {
            try await body(writer)
        } catch {
            await onBlockingPool { writer.stop(keepingPartial: !(error is StorageError)) }
            throw error
        }
        do {
            return try await onBlockingPool {
                try self.finishIngest(writer, expecting: expecting, lease: lease)
            }
        } catch {
            // What ended too early is a start to go on from; what has wrong bytes is not.
            var isShort = false
            if case StorageError.sizeMismatch(let expected, let actual) = error { isShort = actual < expected }
            let keeps = isShort
            await onBlockingPool { writer.stop(keepingPartial: keeps) }
            throw error
        }
    }

    /// Takes new content into the store; for code that runs on the blocking pool already.
    ///
    /// - Parameters:
    ///   - expecting: the digest that the content must have; nil accepts any and names it by its SHA-256.
    ///   - size: the number of bytes that the content must have.
    ///   - lease: what holds the blob.
    ///   - body: writes the content.
    /// - Returns: the digest and the size of the content.
    /// - Throws: as the other form.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    @discardableResult
    package func ingestBlocking(
        expecting: Digest? = nil,
        size: Int64? = nil,
        lease: Lease,
        body: (BlobWriter) throws -> Void
    ) throws -> (digest: Digest, size: Int64) {
        let writer = try whileDoing("taking in a blob", in: layout.root) {
            try startIngest(algorithm: expecting?.algorithm ?? .sha256, size: size, partialKey: nil)
        }
        do {
            try body(writer)
            return try finishIngest(writer, expecting: expecting, lease: lease)
        } catch {
            writer.stop(keepingPartial: false)
            throw error
        }
    }

    private func startIngest(algorithm: Digest.Algorithm, size: Int64?, partialKey: String?) throws -> BlobWriter {
        if let partialKey {
            let name = "partial-" + Digest.sha256(of: Array(partialKey.utf8)).hex
            if let file = try OpenFile.openLocked(layout.ingest.appending(name)) {
                return try BlobWriter(resuming: file, algorithm: algorithm, expectedSize: size)
            }
        }
        let owner = try process.owner()
        let path = layout.ingest.appending("\(owner.name).\(owner.nextNumber())")
        let file = try OpenFile.open(path, [.readWrite, .createNew], mode: 0o600)
        return BlobWriter(file: file, algorithm: algorithm, expectedSize: size)
    }

    private func finishIngest(
        _ writer: BlobWriter,
        expecting: Digest?,
        lease: Lease
    ) throws -> (digest: Digest, size: Int64) {
        let content = try writer.finish()
        if let expecting, content.digest != expecting {
            throw StorageError.digestMismatch(
                expected: expecting,
                actual: content.digest,
                resumedAt: writer.resumedAt
            )
        }
        try lease.hold([.blob(content.digest)])
        if try storedSize(of: content.digest) == content.size {
            writer.stop(keepingPartial: false)
            return content
        }
        if database.durability == .strict {
            try whileDoing("taking in a blob", in: layout.root) { try writer.synchronize() }
        }
        try commit(writer, content)
        writer.endArrival(isStored: true)
        return content
    }

    /// Moves a complete file into place and enters it in the database, in one write transaction.
    ///
    /// Removal of garbage runs in write transactions too, so a blob that is being removed and comes back is never lost. A
    /// file that is in place without its row, after a crash in here, is removed by recovery.
    private func commit(_ writer: BlobWriter, _ content: (digest: Digest, size: Int64)) throws {
        try database.writeLazily { db in
            let path = self.path(of: content.digest)
            try writer.rename(to: path)
            if database.durability == .strict { try HostFiles.synchronizeDirectory(path.removingLastComponent()) }
            try unflushed.note(.blob(content.digest), isReplaceable: true, in: db)
            let now = currentTime()
            try db.execute(
                sql: """
                    INSERT INTO blobs (digest, size, created, last_used) VALUES (?, ?, ?, ?)
                    ON CONFLICT (digest) DO UPDATE SET size = excluded.size, last_used = excluded.last_used
                    """,
                arguments: [content.digest, content.size, now, now]
            )
            try db.execute(
                sql: "DELETE FROM tombstones WHERE kind = 'blob' AND name = ?",
                arguments: [content.digest.description]
            )
        }
    }
}
