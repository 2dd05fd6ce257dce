package import LinuxSystem
package import Text

/// A client on the other side of a connection, which is asked for what it offers when something needs it.
package protocol RemoteClient: Sendable {
    /// The secret of an id; nil where the client has none.
    /// - Throws: `ClientServiceError`, and what goes wrong with the connection.
    func secret(_ id: [UInt8]) async throws -> Secret?

    /// Asks whether an agent answers for an id.
    /// - Throws: `ClientServiceError` if none does; else what goes wrong with the connection.
    func checkAgent(_ id: [UInt8]) async throws

    /// Carries what goes over a local connection to the agent of an id and back, until both have ended.
    func forward(_ connection: OpenFile, toAgent id: [UInt8]) async throws

    /// Brings the file here that the client offers under an address whose host is `uploadHost`.
    /// - Parameters:
    ///   - path: the path of the address.
    ///   - body: takes the content piece by piece.
    /// - Returns: what `body` returns.
    /// - Throws: what `body` throws, and what goes wrong with the connection.
    func upload<Value: Sendable>(
        _ path: String,
        _ body: @escaping @Sendable (any AsyncSequence<[UInt8], any Error> & Sendable) async throws -> Value
    ) async throws -> Value

    /// Finds a content store.
    /// - Parameters:
    ///   - id: what the client calls it.
    ///   - session: the id of the session that offers it; nil for the client's own.
    /// - Returns: the store; whether the client has it turns out when it is asked.
    /// - Throws: `ClientServiceError.noContent`, and what goes wrong with the session.
    func content(_ id: String, session: String?) async throws -> any ContentStore
}

/// The host of addresses that name files of the client itself; no server is asked for them.
package let uploadHost = "buildkit-session"
