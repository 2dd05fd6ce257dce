internal import LinuxSystem
internal import OCI
internal import Synchronization
internal import SystemPackage

/// Takes the content of one blob on its way into the store.
///
/// See `BlobStore.ingest`.
package final class BlobWriter: Sendable {
    private struct State: Sendable {
        var digester: Digester
        var offset: Int64
        var isOver = false
        /// Tells those who read the blob while it comes.
        var arrival: Arrival?
    }

    private struct Arrival: Sendable {
        let digest: Digest
        let blob: ArrivingBlob
        let among: ArrivingBlobs
    }

    private let file: OpenFile
    private let algorithm: Digest.Algorithm
    private let expectedSize: Int64?
    private let isPartial: Bool
    private let state: Mutex<State>

    /// How many bytes an earlier attempt had left when this one began.
    package let resumedAt: Int64

    init(file: OpenFile, algorithm: Digest.Algorithm, expectedSize: Int64?) {
        self.file = file
        self.algorithm = algorithm
        self.expectedSize = expectedSize
        isPartial = false
        resumedAt = 0
        state = Mutex(State(digester: Digester(algorithm), offset: 0))
    }

    /// Goes on after what is in `file`, which is hashed first.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    init(resuming file: OpenFile, algorithm: Digest.Algorithm, expectedSize: Int64?) throws {
        self.file = file
        self.algorithm = algorithm
        self.expectedSize = expectedSize
        isPartial = true
        var digester = Digester(algorithm)
        var offset: Int64 = 0
        if let expectedSize, try file.status().size > expectedSize { try file.truncate(to: 0) }
        try withUnsafeTemporaryAllocation(byteCount: 1 << 20, alignment: 4096) { buffer in
            while true {
                let count = try file.read(into: buffer)
                if count == 0 { break }
                digester.update(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
                offset += Int64(count)
            }
        }
        resumedAt = offset
        state = Mutex(State(digester: digester, offset: offset))
    }

    /// Lets the blob be read while it comes.
    func announce(_ digest: Digest, among blobs: ArrivingBlobs) {
        state.withLock { state in
            let blob = blobs.begin(digest, file, count: state.offset)
            state.arrival = Arrival(digest: digest, blob: blob, among: blobs)
        }
    }

    func endArrival(isStored: Bool) {
        let arrival = state.withLock { $0.arrival.take() }
        if let arrival { arrival.among.end(arrival.digest, arrival.blob, isStored: isStored) }
    }

    /// How many bytes are there: where to go on.
    package var offset: Int64 { state.withLock { $0.offset } }

    /// Drops everything written so far, because the source cannot continue in the middle.
    package func restart() async throws {
        try await onBlockingPool { try self.restartBlocking() }
    }

    /// Drops everything written so far; for code that runs on the blocking pool already.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func restartBlocking() throws {
        // What has been read of it need not be what comes now.
        if offset > 0 { endArrival(isStored: false) }
        try state.withLock { state in
            try file.truncate(to: 0)
            try file.seek(to: 0)
            state.digester = Digester(algorithm)
            state.offset = 0
        }
    }

    /// Appends bytes, on a thread that may block.
    /// - Throws: `StorageError.sizeMismatch` at the first byte too many, `.noSpace`.
    package func write(_ bytes: [UInt8]) async throws {
        try await onBlockingPool { try bytes.withUnsafeBytes { try self.write($0) } }
    }

    /// Appends bytes; for code that runs on the blocking pool already.
    /// - Throws: `StorageError.sizeMismatch` at the first byte too many, `.noSpace`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func write(_ bytes: UnsafeRawBufferPointer) throws {
        try state.withLock { state in
            precondition(!state.isOver, "a blob's writer was used after its ingest was over")
            let end = state.offset + Int64(bytes.count)
            if let expectedSize, end > expectedSize {
                throw StorageError.sizeMismatch(expected: expectedSize, actual: end)
            }
            do throws(SystemCallError) {
                try file.write(bytes)
            } catch {
                throw StorageError(error, while: "writing a blob", in: file.path.removingLastComponent())
            }
            state.digester.update(bytes)
            state.offset = end
            state.arrival?.blob.grow(to: end)
        }
    }

    // MARK: The end of an ingest

    func finish() throws -> (digest: Digest, size: Int64) {
        try state.withLock { state in
            state.isOver = true
            if let expectedSize, state.offset != expectedSize {
                throw StorageError.sizeMismatch(expected: expectedSize, actual: state.offset)
            }
            return (state.digester.finalize(), state.offset)
        }
    }

    func synchronize() throws { try file.synchronize() }

    func rename(to path: FilePath) throws { try HostFiles.rename(file.path, to: path) }

    /// Ends without a blob; what is there stays only if it is an unfinished download and the caller wants to go on later.
    func stop(keepingPartial: Bool) {
        state.withLock { $0.isOver = true }
        endArrival(isStored: false)
        // Not left to deinit: who goes on with the download asks for the lock right away.
        defer { try? file.unlock() }
        if isPartial && keepingPartial { return }
        // After the move into place the path may be somebody else's new attempt.
        guard let own = try? file.status(), let named = try? HostFiles.status(of: file.path), own.inode == named.inode
        else {
            return
        }
        // Truncated first: the descriptor may live a little longer, and the space may be needed now.
        try? file.truncate(to: 0)
        _ = try? HostFiles.remove(file.path)
    }
}
