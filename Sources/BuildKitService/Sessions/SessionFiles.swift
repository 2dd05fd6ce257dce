import BuildGraph
import FileSync
import LLB
import LinuxSystem
import OCI
import Operations
import RPC
import Storage
import Synchronization
import SystemPackage
import Tasks
import Text

/// The directories that a client offers, copied here as far as a build needs them.
///
/// Copies stay: the next build gets what has changed since. No other build has them meanwhile, so that this one never
/// sees what another one's client sends; two at the same time have two copies.
final class SessionFiles: LocalFiles {
    private let session: Session
    private let sessions: SessionRegistry
    private let store: Store
    private let copies = Mutex<[SyncedCopy]>([])
    /// What was asked for once is not asked for again: all of a build sees the same files.
    private let paths = SharedWork<LocalSource, LocalPlace>(keepsValues: true)

    init(session: Session, among sessions: SessionRegistry, store: Store) {
        self.session = session
        self.sessions = sessions
        self.store = store
    }

    func end() async { copies.withLock { $0 = [] } }

    func directory(for source: LocalSource, _ step: OperationContext) async throws -> LocalPlace {
        try await paths.value(for: source) { [self] in try await copy(source, step) }
    }

    private func copy(_ source: LocalSource, _ step: OperationContext) async throws -> LocalPlace {
        let session = try await session(of: source)
        let key = Self.key(of: source, session)
        let copy = try await onBlockingPool { [store] in try store.takeCopy(key: key, name: source.name) }
        copies.withLock { $0.append(copy) }
        let name = escapedForDisplay(source.name)
        let known = sessions.knownCopies.take(copy.files)
        let received: ReceivedFiles
        do {
            received = try await step.withStatus("transferring \(name):", name: "transferring") { report in
                try await Self.receive(source, into: copy, from: session) { report($0, 0) }
            }
        } catch let error as SystemCallError {
            // What the disk refuses here it would refuse again.
            try? await onBlockingPool { [store] in try store.discard(copy) }
            throw error
        }
        let files = received.isChanged ? KnownFiles() : known ?? KnownFiles()
        for file in received.digested { files.note(file.path, file.status, sha256: file.sha256) }
        sessions.knownCopies.put(files, of: copy.files)
        return LocalPlace(copy.files, known: files)
    }

    /// The session that a source names, as long as it is there; else the build's own.
    private func session(of source: LocalSource) async throws -> Session {
        let id = String(decoding: source.session, as: UTF8.self)
        if id.isEmpty || id == session.id { return session }
        do { return try await sessions.session(id) } catch is ServiceError { return session }
    }

    /// As in BuildKit; what is left out of a directory by patterns does not make another copy of it.
    private static func key(of source: LocalSource, _ session: Session) -> [UInt8] {
        let kind: [UInt8] = source.metadataExceptions == nil ? "" : "metadata"
        return [source.name, source.sharedKeyHint, Array(session.sharedKey.utf8), kind].reduce(into: []) { key, part in
            key += "\(part.count):" + part
        }
    }

    private static func receive(
        _ source: LocalSource,
        into copy: SyncedCopy,
        from session: Session,
        _ report: @escaping @Sendable (Int64) -> Void
    ) async throws -> ReceivedFiles {
        let (files, workshop) = try await onBlockingPool {
            (try RootedDirectory(copy.files), try RootedDirectory(copy.workshop))
        }
        var metadata = SyncMetadata()
        metadata.add("dir-name", [source.name])
        metadata.add("include-patterns", source.includePatterns)
        metadata.add("exclude-patterns", source.excludePatterns)
        metadata.add("followpaths", source.followPaths)
        let receiver = FileReceiver(
            into: files,
            workshop: workshop,
            comparison: source.comparesMetadata ? .metadata : .none,
            scope: source.metadataExceptions.map { .metadata(besides: $0) } ?? .everything,
            plainMark: copy.plainMark,
            isDigesting: true
        )
        return try await session.sync("moby.filesync.v1.FileSync", metadata: metadata.pairs) { channel in
            try await receiver.run(channel, progress: report)
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
