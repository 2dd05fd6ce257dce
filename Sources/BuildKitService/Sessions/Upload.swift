import ClientServices
import LinuxSystem
import NIOCore
import OCI
package import RPC
import Synchronization
import Text

/// A file that came to the daemon in the body of a request; a build reads it under an address, once.
package final class Upload: Sendable {
    private let path = "/" + hexadecimal((0..<16).map { _ in UInt8.random(in: 0...255) })
    private let body: Mutex<WebBody?>

    package init(_ body: WebBody) { self.body = Mutex(body) }

    /// What a build calls it; no server is asked for it.
    package var address: String { "http://" + uploadHost + path }

    func isMeant(by path: String) -> Bool { path == self.path }

    /// The bytes as they come.
    /// - Throws: `ServiceError.uploadReadBefore` for all but the first who ask.
    func pieces() throws -> AsyncThrowingStream<[UInt8], any Error> {
        let body = body.withLock { body in
            defer { body = nil }
            return body
        }
        guard let body else { throw ServiceError.uploadReadBefore }
        return AsyncThrowingStream { try await body.nextPiece().map { Array($0.readableBytesView) } }
    }
}

/// A client that has sent a file along with its request.
struct UploadingClient: RemoteClient {
    private let upload: Upload
    /// What the client offers besides; nil where it has no session.
    private let offered: (any RemoteClient)?

    init(_ upload: Upload, beside offered: (any RemoteClient)?) {
        self.upload = upload
        self.offered = offered
    }

    func upload<Value: Sendable>(
        _ path: String,
        _ body: @escaping @Sendable (any AsyncSequence<[UInt8], any Error> & Sendable) async throws -> Value
    ) async throws -> Value {
        if upload.isMeant(by: path) { return try await body(try upload.pieces()) }
        guard let offered else { throw ServiceError.missing("the session that offers \(uploadHost)\(path)") }
        return try await offered.upload(path, body)
    }

    func secret(_ id: [UInt8]) async throws -> Secret? { try await offered?.secret(id) }

    func checkAgent(_ id: [UInt8]) async throws {
        guard let offered else { throw ClientServiceError.noAgentForwarded(id) }
        try await offered.checkAgent(id)
    }

    func forward(_ connection: OpenFile, toAgent id: [UInt8]) async throws {
        guard let offered else { throw ClientServiceError.noAgentForwarded(id) }
        try await offered.forward(connection, toAgent: id)
    }

    func content(_ id: String, session: String?) async throws -> any ContentStore {
        guard let offered else { throw ClientServiceError.noContent(store: id) }
        return try await offered.content(id, session: session)
    }
}
