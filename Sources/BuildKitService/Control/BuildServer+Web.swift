package import RPC

extension BuildServer {
    /// What Docker's clients need of the engine's own API before they speak BuildKit's.
    package var webDoor: WebDoor {
        WebDoor(answer: { question in
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
        })
    }
}
