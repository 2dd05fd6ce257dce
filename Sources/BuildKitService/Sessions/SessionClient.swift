import Archive
import ClientServices
import Exporters
import FileSync
import GRPCCore
import LinuxSystem
import NIOCore
import RPC
import Settings
import Storage

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
        files = SessionFiles(session: session, among: sessions, store: store)
    }

    /// Answers for one build.
    var credentials: any CredentialSource { SessionCredentials(session) }

    var services: any RemoteClient { SessionServices(session: session, sessions: sessions) }

    func content(_ name: String) throws -> any ContentStore { try SessionContent(session, named: name) }

    // MARK: Outputs

    private static let outputService = "moby.filesync.v1.FileSend"
    /// The key of the metadata that tells outputs apart.
    private static let outputKey = "buildkit-attachable-exporter-id"

    /// What the keys of the metadata begin with that tell of the image.
    private static let imagePrefix = "exporter-md-"

    func send(archive: OpenFile, of image: ExportedImage?, output: Int) async throws -> ExportReception {
        let reader = try ByteReader(archive)
        let told = try image?.responses.sorted { $0.key < $1.key } ?? []
        do {
            try await session.byteStream(
                Self.outputService,
                "DiffCopy",
                metadata: [(Self.outputKey, "\(output)")] + told.map { (Self.imagePrefix + $0.key, $0.value) },
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
            return .complete
        } catch let failure as RPCFailure where failure.code == .alreadyExists {
            return .unwanted
        }
    }

    func send(
        files: RootedDirectory,
        whenRead: @escaping FileComparison,
        output: Int
    ) async throws {
        try await session.sync(
            Self.outputService,
            // All platforms come at once, so that the client may delete what else is there.
            metadata: [(Self.outputKey, "\(output)"), ("buildkit-exporter-multi-platform", "1")]
        ) { channel in
            try await FileSender(from: files, whenRead: whenRead).run(channel)
        }
    }
}
