package import RPC

extension BuildServer {
    /// What Docker's clients need of the engine's own API before they speak BuildKit's.
    package var webDoor: WebDoor {
        WebDoor(session: { [sessions] question, connection in
            // The connection of a client that is refused ends: after the upgrade there is no other answer.
            try? await sessions.serve(Session(question.values, over: connection))
        }) { question in
            switch question.unversionedPath {
            case "/_ping":
                return WebAnswer(
                    status: 200,
                    headers: [
                        ("Api-Version", "1.48"), ("Builder-Version", "2"), ("Docker-Experimental", "false"),
                        ("Ostype", "linux"), ("Cache-Control", "no-cache, no-store, must-revalidate"),
                    ],
                    body: question.method == "HEAD" ? [] : Array("OK".utf8)
                )
            default: return .notFound
            }
        }
    }
}
