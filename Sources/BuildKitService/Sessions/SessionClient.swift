import BuildGraph
import BuildKitProto
import ClientServices
import FileSync
import FoundationEssentials
import GRPCCore
import LLB
import LinuxSystem
import NIOCore
import OCI
import Operations
import RPC
import Settings
import Storage
import Synchronization
import SystemPackage
import Text

/// What the client of a build offers through its session, for the parts of the engine that ask for it.
struct SessionClient: ClientSink {
    let session: Session
    let sessions: SessionRegistry
    let store: Store
    let files: SessionFiles

    init(_ session: Session, among sessions: SessionRegistry, store: Store) {
        self.session = session
        self.sessions = sessions
        self.store = store
        files = SessionFiles(session: session, store: store)
    }

    /// Answers for one build.
    var credentials: any CredentialSource { SessionCredentials(session) }

    var services: any RemoteClient { SessionServices(session: session, sessions: sessions) }

    func content(_ name: String) throws -> any ContentStore { try SessionContent(session, named: name) }

    // MARK: Outputs

    private static let outputService = "moby.filesync.v1.FileSend"
    /// The key of the metadata that tells outputs apart.
    private static let outputKey = "buildkit-attachable-exporter-id"

    func send(archive: OpenFile, output: Int) async throws {
        let reader = try ByteReader(archive)
        try await session.byteStream(
            Self.outputService,
            "DiffCopy",
            metadata: [(Self.outputKey, "\(output)")],
            send: { messages in
                while let bytes = try await reader.read(limit: 1 << 16) {
                    try await messages.write(ByteBuffer(bytes: bytes))
                }
            },
            receive: { answers in
                // The client says nothing, and ends the call when it has everything.
                for try await _ in answers {}
            }
        )
    }

    func send(files: RootedDirectory, output: Int) async throws {
        try await session.sync(
            Self.outputService,
            // All platforms come at once, so that the client may delete what else is there.
            metadata: [(Self.outputKey, "\(output)"), ("buildkit-exporter-multi-platform", "1")]
        ) { channel in
            try await FileSender(from: files).run(channel)
        }
    }
}

/// The directories that a client offers, copied here as far as a build needs them.
final class SessionFiles: LocalFiles {
    private let session: Session
    private let store: Store
    private let directories = Mutex<[FilePath]>([])

    init(session: Session, store: Store) {
        self.session = session
        self.store = store
    }

    func end() async {
        let directories = directories.withLock { $0 }
        // What cannot be removed now goes with the process.
        await onBlockingPool { for directory in directories { try? removeTree(directory) } }
    }

    func directory(for source: LocalSource, _ step: OperationContext) async throws -> FilePath {
        let path = try await onBlockingPool { [store] in try store.temporaryDirectory() }
        directories.withLock { $0.append(path) }
        let root = try await onBlockingPool { try RootedDirectory(path) }
        var metadata = SyncMetadata()
        metadata.add("dir-name", [source.name])
        metadata.add("include-patterns", source.includePatterns)
        metadata.add("exclude-patterns", source.excludePatterns)
        metadata.add("followpaths", source.followPaths)
        let pairs = metadata.pairs
        if !source.followPaths.isEmpty {
            // A few files, whose step says itself how much it read.
            try await receive(into: root, pairs) { _ in }
        } else {
            try await step.withStatus("transferring \(escapedForDisplay(source.name)):") { report in
                try await receive(into: root, pairs) { report($0, 0) }
            }
        }
        return path
    }

    private func receive(
        into root: RootedDirectory,
        _ metadata: [(key: String, value: String)],
        _ report: @escaping @Sendable (Int64) -> Void
    ) async throws {
        try await session.sync("moby.filesync.v1.FileSync", metadata: metadata) { channel in
            _ = try await FileReceiver(into: root).run(channel, progress: report)
        }
    }
}

/// What is sent with a file sync: lists under keys, of which those that are no plain text are escaped as clients know it.
struct SyncMetadata {
    private(set) var pairs: [(key: String, value: String)] = []

    mutating func add(_ key: String, _ values: [[UInt8]]) {
        let isPlain = values.allSatisfy { $0.allSatisfy { (0x20...0x7e).contains($0) } }
        for value in values {
            pairs.append((key, isPlain ? String(decoding: value, as: UTF8.self) : Self.escaped(value)))
        }
        if !isPlain { pairs.append((key + "-encoded", "1")) }
    }

    /// As in the query of an address.
    private static func escaped(_ bytes: [UInt8]) -> String {
        var text = ""
        for byte in bytes {
            switch byte {
            case "a"..."z", "A"..."Z", "0"..."9", "-", "_", ".", "~": text.unicodeScalars.append(Unicode.Scalar(byte))
            case " ": text += "+"
            default: text += "%" + hexadecimal([byte]).uppercased()
            }
        }
        return text
    }
}
