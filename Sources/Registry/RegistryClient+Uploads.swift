internal import AsyncHTTPClient
internal import HTTP
internal import Logging
internal import NIOCore
internal import NIOHTTP1
package import OCI

/// A blob on this machine, to be read in any order and more than once.
package struct BlobSource: Sendable {
    package let digest: Digest
    /// In bytes.
    package let size: Int64
    /// The bytes from an offset on: at most as many as asked for, none only at the end.
    package let read: @Sendable (_ offset: Int64, _ count: Int) async throws -> [UInt8]

    package init(
        digest: Digest,
        size: Int64,
        read: @escaping @Sendable (_ offset: Int64, _ count: Int) async throws -> [UInt8]
    ) {
        self.digest = digest
        self.size = size
        self.read = read
    }

    /// A blob that is in memory.
    package init(_ bytes: [UInt8]) {
        self.init(digest: .sha256(of: bytes), size: Int64(bytes.count)) { offset, count in
            Array(bytes.dropFirst(Int(offset)).prefix(count))
        }
    }
}

/// How a blob came to be in a repository.
package enum UploadOutcome: Hashable, Sendable {
    case existed
    /// The registry linked it from another of its repositories.
    case mounted(from: Repository)
    case uploaded
}

extension RegistryClient {
    /// Up to this size, in bytes, a blob goes up in one request.
    static let monolithicLimit: Int64 = 1 << 20

    /// Makes sure that a repository holds a blob: looks whether it does, tries to link it from other repositories of the same
    /// registry, and else uploads it.
    ///
    /// An upload that breaks off goes on where the registry says it stopped.
    ///
    /// - Parameters:
    ///   - source: the blob.
    ///   - repository: where it is wanted.
    ///   - candidates: repositories that may hold it; those of other registries are passed over.
    ///   - progress: is told how many bytes the registry has taken so far.
    /// - Returns: which of the three it was.
    /// - Throws: `RegistryError`, what the source throws.
    package func upload(
        _ source: BlobSource,
        to repository: Repository,
        mountingFrom candidates: [Repository] = [],
        progress: @escaping @Sendable (Int64) async -> Void = { _ in }
    ) async throws -> UploadOutcome {
        if try await contains(source.digest, in: repository) { return .existed }
        return try await writing(repository) { endpoint in
            let upload = Upload(source: source, endpoint: endpoint, repository: repository)
            for candidate in candidates.prefix(3) where candidate.domain == repository.domain && candidate != repository
            {
                let started = try await self.start(upload, mountingFrom: candidate)
                guard let location = started else { return .mounted(from: candidate) }
                // The registry opened an upload instead; the last one is used, others expire.
                if candidate == candidates.last {
                    try await self.send(upload, session: location, progress)
                    return .uploaded
                }
            }
            try await self.send(upload, session: nil, progress)
            return .uploaded
        }
    }

    /// A blob on its way into a repository of one host.
    private struct Upload: Sendable {
        let source: BlobSource
        let endpoint: Endpoint
        let repository: Repository

        func request(_ method: HTTPMethod, _ rest: String = "", accepting: Set<Int>) -> Request {
            Request(method, endpoint, repository, rest, push: true, accepting: accepting)
        }
    }

    /// Opens an upload; nil means that the registry linked the blob.
    private func start(_ upload: Upload, mountingFrom candidate: Repository? = nil) async throws -> HTTPURL? {
        try await retrier.run { () async throws -> HTTPURL? in
            var request = upload.request(.POST, "blobs/uploads/", accepting: [201, 202])
            request.headers.add(name: "Content-Length", value: "0")
            request.isUpload = true
            if let candidate {
                request.query = [("mount", upload.source.digest.description), ("from", candidate.path)]
                let path = upload.endpoint.path(of: candidate.path)
                request.scopes.append(AccessScope(repository: path, mayPush: false))
            }
            let answer = try await self.attempt(request)
            if answer.status == 201, candidate != nil { return nil }
            return try Self.location(of: answer)
        }
    }

    /// Where an upload goes on.
    ///
    /// Credentials follow only to the registry's own origin, as for a redirect.
    private static func location(of answer: HTTPTransport.Answer) throws -> HTTPURL {
        guard let location = answer.header("Location") else {
            throw RegistryError.invalidResponse(url: answer.url.redacted, reason: "it does not say where to upload")
        }
        return try RedirectPolicy(origin: answer.url).follow(from: answer.url, location: location).url
    }

    private func send(
        _ upload: Upload,
        session opened: HTTPURL?,
        _ progress: @escaping @Sendable (Int64) async -> Void
    ) async throws {
        let (source, endpoint) = (upload.source, upload.endpoint)
        var machine = UploadMachine(
            size: source.size,
            monolithicLimit: Self.monolithicLimit,
            progressStep: Self.progressStep,
            policy: retrier.policy
        )
        var action = machine.begin(at: opened)
        var failure: AttemptFailure?
        while true {
            let event: UploadMachine.Event
            do {
                switch action {
                case .open:
                    guard let location = try await start(upload) else {
                        throw RegistryError.invalidResponse(url: endpoint.domain, reason: "it did not open an upload")
                    }
                    event = .opened(location)
                case .append(let session):
                    event = .appended(try await patch(upload, session, progress))
                case .complete(let session, let withBlob):
                    let body = withBlob ? try await source.read(0, Int(source.size)) : nil
                    try await finish(upload, session, body: body)
                    event = .completed
                case .locate(let session): event = .located(try await whereItStopped(upload, session))
                case .rest(let delay):
                    logger.debug("upload goes on", metadata: ["blob": "\(source.digest)", "delay": "\(delay)"])
                    try await timekeeper.sleep(delay)
                    event = .rested
                case .succeed: return await progress(source.size)
                case .fail:
                    throw failure
                        ?? RegistryError.invalidResponse(url: endpoint.domain, reason: "the upload did not end")
                }
            } catch let error as AttemptFailure where action != .fail {
                try Task.checkCancellation()
                failure = error
                event = .failed(error.retryCase, isLost: error.isLostUpload, jitter: timekeeper.jitter())
            }
            action = machine.receive(event)
        }
    }

    /// Sends the rest of a blob in one streamed chunk.
    private func patch(
        _ upload: Upload,
        _ session: UploadSession,
        _ progress: @escaping @Sendable (Int64) async -> Void
    ) async throws -> HTTPURL {
        let source = upload.source
        var request = upload.request(.PATCH, accepting: [201, 202, 204])
        request.location = session.location
        request.headers.add(name: "Content-Type", value: "application/octet-stream")
        // A first chunk without a range is what every registry knows from docker; a later one says where it belongs.
        if session.offset > 0 {
            request.headers.add(name: "Content-Range", value: "\(session.offset)-\(source.size - 1)")
        }
        request.body = .stream(
            SourceParts(source: source, offset: session.offset, progress: progress),
            length: .known(source.size - session.offset)
        )
        request.isUpload = true
        return try Self.location(of: try await attempt(request))
    }

    private func finish(_ upload: Upload, _ session: UploadSession, body: [UInt8]?) async throws {
        let source = upload.source
        var request = upload.request(.PUT, accepting: [201, 204])
        request.location = session.location.adding(query: [("digest", source.digest.description)])
        request.headers.add(name: "Content-Type", value: "application/octet-stream")
        request.body = .bytes(body ?? [])
        request.isUpload = true
        let answer = try await attempt(request)
        guard let text = answer.header("Docker-Content-Digest") else { return }
        guard text == source.digest.description else {
            throw RegistryError.invalidResponse(
                url: answer.url.redacted,
                reason: "it stored \(text) instead of \(source.digest)"
            )
        }
    }

    /// Asks how far a broken upload came; nil where the registry knows nothing of it any more.
    private func whereItStopped(_ upload: Upload, _ session: UploadSession) async throws -> UploadSession? {
        do {
            let answer = try await retrier.run {
                var request = upload.request(.GET, accepting: [200, 202, 204])
                request.location = session.location
                return try await self.attempt(request)
            }
            let range = answer.header("Range").map { $0.hasPrefix("bytes=") ? String($0.dropFirst(6)) : $0 }
            let last = range?.split(separator: "-").last.flatMap { Int64($0) } ?? 0
            // "0-0" is what an empty upload is said to have, so one byte cannot be told from none.
            let offset = last == 0 ? 0 : last + 1
            guard offset > 0 else { return nil }
            let location = answer.header("Location") == nil ? session.location : try Self.location(of: answer)
            return UploadSession(location: location, offset: offset)
        } catch is AttemptFailure {
            return nil
        }
    }
}

extension AttemptFailure {
    /// Whether an upload has to begin anew rather than go on.
    fileprivate var isLostUpload: Bool {
        guard case .status(let status, _, let document, _) = reason else { return false }
        return status == 404 && document.code != "NAME_UNKNOWN" || status == 416
            || document.code == "BLOB_UPLOAD_UNKNOWN" || document.code == "BLOB_UPLOAD_INVALID"
    }
}

/// The rest of a blob as the parts of a request's body.
private struct SourceParts: AsyncSequence, Sendable {
    let source: BlobSource
    let offset: Int64
    let progress: @Sendable (Int64) async -> Void

    struct AsyncIterator: AsyncIteratorProtocol {
        let source: BlobSource
        var offset: Int64
        let progress: @Sendable (Int64) async -> Void

        mutating func next() async throws -> ByteBuffer? {
            guard offset < source.size else { return nil }
            if offset > 0 { await progress(offset) }
            let bytes = try await source.read(
                offset,
                Int(Swift.min(Int64(RegistryClient.chunkSize), source.size - offset))
            )
            guard !bytes.isEmpty else {
                throw RegistryError.sizeMismatch(what: "blob \(source.digest)", expected: source.size, actual: offset)
            }
            offset += Int64(bytes.count)
            return ByteBuffer(bytes: bytes)
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(source: source, offset: offset, progress: progress) }
}
