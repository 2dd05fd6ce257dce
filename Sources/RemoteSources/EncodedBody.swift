internal import Archive
internal import HTTP
internal import LinuxSystem
internal import Storage
internal import Synchronization
internal import SystemPackage

/// The body of an answer that a server has compressed for the transfer, as it comes; what is wanted is the file in it.
///
/// As with Go's HTTP client, which BuildKit uses, a server is asked for gzip and nothing else, and digests are of what was compressed.
final class EncodedBody: Sendable {
    private let store: Store
    private let state = Mutex<(directory: FilePath, file: OpenFile)?>(nil)

    init(_ store: Store) { self.store = store }

    /// Begins a body anew.
    func begin(_ head: WebClient.Head) async throws {
        guard head.header("Content-Encoding")?.lowercased() == "gzip" else { return try await end() }
        if let known = state.withLock({ $0 }) {
            return try await onBlockingPool {
                try known.file.truncate(to: 0)
                try known.file.seek(to: 0)
            }
        }
        let made = try await onBlockingPool { [store] in
            let directory = try store.temporaryDirectory()
            let file = try OpenFile.open(directory.appending("body"), [.readWrite, .createNew], mode: 0o600)
            return (directory: directory, file: file)
        }
        state.withLock { $0 = made }
    }

    /// Takes the next bytes.
    /// - Returns: false where the body is not encoded.
    func write(_ bytes: [UInt8]) async throws -> Bool {
        guard let file = state.withLock({ $0?.file }) else { return false }
        try await onBlockingPool { try file.write(bytes) }
        return true
    }

    /// Hands on the file, once all of the body has come.
    func decode(_ receive: ([UInt8]) async throws -> Void) async throws {
        guard let (directory, body) = state.withLock({ $0 }) else { return }
        let file = try await onBlockingPool {
            try body.seek(to: 0)
            let file = try OpenFile.open(directory.appending("file"), [.readWrite, .createNew], mode: 0o600)
            try GzipSource(FileSource(body)).copy(to: FileSink(file))
            try file.seek(to: 0)
            return file
        }
        while true {
            let bytes = try await onBlockingPool {
                try [UInt8](unsafeUninitializedCapacity: 1 << 18) { buffer, count in
                    count = try file.read(into: UnsafeMutableRawBufferPointer(buffer))
                }
            }
            if bytes.isEmpty { return }
            try await receive(bytes)
        }
    }

    /// Removes what it has on the disk.
    func end() async throws {
        let ended = state.withLock { state in
            defer { state = nil }
            return state
        }
        if let ended { try await onBlockingPool { try removeTree(ended.directory) } }
    }
}
