import BuildGraph
package import BuildKitProto
package import RPC

/// What doors other than gRPC's need of the builder.
extension BuildServer {
    /// Carries a client's request out.
    /// - Parameters:
    ///   - question: the request.
    ///   - upload: a file that the request refers to by an address.
    ///   - report: is told what the build does, all of it before the answer; a slow one slows the build down.
    /// - Returns: what the client is told in the end.
    /// - Throws: why the build failed; else what `report` throws.
    package func solve(
        _ question: Moby_Buildkit_V1_SolveRequest,
        upload: Upload? = nil,
        report: @escaping @Sendable (Moby_Buildkit_V1_StatusResponse) async throws -> Void
    ) async throws -> Moby_Buildkit_V1_SolveResponse {
        try await withJob(question.ref) { entry in
            async let reported: Void = entry.progress.withListener { events in
                for await event in events { try await report(Moby_Buildkit_V1_StatusResponse([event])) }
            }
            do {
                let answer = try await solve(question, upload: upload, in: entry)
                try await reported
                return answer
            } catch {
                // What a build says last tells why it failed.
                try? await reported
                throw error
            }
        }
    }

    /// Waits until a client has opened the session that its request names.
    package func requireSession(_ id: String) async throws { _ = try await sessions.session(id) }

    /// Calls a client that opened a session over HTTP/1.1, as long as its connection lasts.
    package func serveSession(_ question: WebQuestion, over connection: RPCConnection) async {
        // The connection of a client that is refused ends: after the upgrade there is no other answer.
        try? await sessions.serve(Session(question.values, over: connection))
    }
}
