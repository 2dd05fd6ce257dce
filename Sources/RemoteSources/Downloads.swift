package import ClientServices
internal import FoundationEssentials
package import HTTP
package import LLB
internal import LinuxSystem
package import OCI
package import Storage
internal import Synchronization
internal import Text

/// What an address leads to.
package struct Download: Hashable, Sendable {
    /// The blob with the content.
    package let digest: Digest
    package let size: Int64
    /// A name that is safe as a last component.
    package let fileName: [UInt8]
    /// Seconds since 1970, from `Last-Modified`; 0 where the server does not say.
    package let modified: Int64
}

/// Files of web servers, remembered from build to build.
///
/// What was downloaded before is asked for on condition that it changed: where the server says that it did not, nothing is
/// transferred. Within one instance, which serves one build, an address leads to the same content however often it is asked for.
package final class Downloads: Sendable {
    private let store: Store
    private let lease: Lease
    private let web: WebClient
    private let client: ClientServices
    private let answers = Mutex<[Digest: Answer]>([:])

    /// Says how many bytes came, out of how many (0 if unknown).
    package typealias Report = @Sendable (_ received: Int64, _ total: Int64) -> Void

    /// What a server said of a request.
    private struct Answer: Sendable {
        var digest: Digest
        var size: Int64
        var etag: String?
        var lastModified: String?
        var name: [UInt8]?
    }

    private struct NotModified: Error {}

    /// - Parameters:
    ///   - store: where files are kept.
    ///   - lease: what holds them.
    ///   - web: speaks with servers.
    ///   - client: what the client offers to prove who it is.
    package init(store: Store, lease: Lease, web: WebClient, client: ClientServices) {
        self.store = store
        self.lease = lease
        self.web = web
        self.client = client
    }

    /// Makes an address lead to a blob of the store instead of a server.
    package func provide(_ digest: Digest, size: Int64, at url: [UInt8]) {
        answers.withLock { $0[key(of: HTTPSource(url: url))] = Answer(digest: digest, size: size) }
    }

    /// Finds out what an address leads to now; the content may have to be transferred for that.
    /// - Throws: `HTTPError`, `DownloadError`, `StorageError`.
    package func resolve(
        _ source: HTTPSource,
        report: @escaping Report = { _, _ in }
    ) async throws -> Download {
        let key = key(of: source)
        if let known = answers.withLock({ $0[key] }) { return download(known, source) }
        let kept = try await keptAnswer(key)
        let answer: Answer
        do {
            answer = try await transfer(source, conditions: kept, report)
        } catch is NotModified {
            guard let kept else { throw DownloadError.unexpectedlyUnchanged(url: Self.shown(source.url)) }
            answer = kept
        }
        try await keep(answer, key)
        // Whoever was first decides what this build sees.
        let first = answers.withLock { answers in
            let first = answers[key] ?? answer
            answers[key] = first
            return first
        }
        return download(first, source)
    }

    /// Makes sure that the content of an address is in the store.
    ///
    /// Throws `DownloadError.digestMismatch` if the content is not the expected one, and what `resolve` throws.
    package func fetch(
        _ source: HTTPSource,
        expecting expected: Digest,
        report: @escaping Report = { _, _ in }
    ) async throws -> Download {
        let key = key(of: source)
        try await lease.hold([.blob(expected)])
        var known = answers.withLock { $0[key] }
        if known == nil { known = try await keptAnswer(key) }
        if let known, known.digest == expected, try await store.blobs.contains(expected) {
            return download(known, source)
        }
        var wanted = source
        wanted.checksum = expected
        let answer = try await transfer(wanted, conditions: nil, report)
        try await keep(answer, key)
        answers.withLock { $0[key] = answer }
        return download(answer, source)
    }

    /// Checks that a file is signed as its source wants it; that may be not at all.
    /// - Throws: `DownloadError.signature`, and what `fetch` throws.
    package func checkSignature(of source: HTTPSource, report: @escaping Report = { _, _ in }) async throws {
        guard let signature = source.signature else { return }
        let expected: Digest
        if let checksum = source.checksum {
            expected = checksum
        } else {
            expected = try await resolve(source, report: report).digest
        }
        let content = try await fetch(source, expecting: expected, report: report)
        let file = try await onBlockingPool { [store] in try store.blobs.open(content.digest) }
        do {
            try await SignatureCheck(publicKeys: signature.publicKeys).checkPGP(signature.content, of: file)
        } catch let failure as SignatureCheck.Failure {
            throw DownloadError.signature(url: Self.shown(source.url), reason: failure.description)
        }
    }

    // MARK: Asking servers

    private func transfer(
        _ source: HTTPSource,
        conditions: Answer?,
        _ report: @escaping Report
    ) async throws -> Answer {
        let address = try WebAddress(parsing: source.url)
        if address.url.host == uploadHost, let remote = client.remote {
            return try await upload(source, address.url, from: remote, report)
        }
        var request = WebClient.Request(address.url)
        request.authorization = try await authorization(source, address.url) ?? address.authorization
        request.headers = source.headers.sorted { $0.key < $1.key }.map {
            ($0.key, String(decoding: $0.value, as: UTF8.self))
        }
        let asksForGzip = Self.asksForGzip(source)
        if asksForGzip { request.headers.append(("Accept-Encoding", "gzip")) }
        if let etag = conditions?.etag {
            request.headers.append(("If-None-Match", etag))
        } else if let date = conditions?.lastModified {
            request.headers.append(("If-Modified-Since", date))
        }
        if let etag = conditions?.etag, try await isUnchanged(request, etag) { throw NotModified() }
        let asked = request
        let latest = Mutex<WebClient.Head?>(nil)
        let content: (digest: Digest, size: Int64)
        let encoded = EncodedBody(store)
        do {
            content = try await store.blobs.ingest(in: lease, expecting: source.checksum) { writer in
                let head = try await web.get(asked) { head in
                    // Some servers name the version that is known and yet send it again, whatever they were asked.
                    if let known = conditions?.etag, head.hasTag(known) { throw NotModified() }
                    if writer.offset > 0 { try await writer.restart() }
                    if asksForGzip { try await encoded.begin(head) }
                    latest.withLock { $0 = head }
                } receive: { bytes in
                    if try await encoded.write(bytes) { return }
                    try await writer.write(bytes)
                    report(writer.offset, latest.withLock { $0?.length } ?? 0)
                }
                if head.isNotModified { throw NotModified() }
                try await encoded.decode { bytes in
                    try await writer.write(bytes)
                    report(writer.offset, 0)
                }
            }
            try await encoded.end()
        } catch StorageError.digestMismatch(let expected, let actual, _) {
            try await encoded.end()
            throw DownloadError.digestMismatch(url: address.url.redacted, expected: expected, actual: actual)
        } catch {
            try? await encoded.end()
            throw error
        }
        let head = latest.withLock { $0 }
        return Answer(
            digest: content.digest,
            size: content.size,
            etag: head?.header("ETag"),
            lastModified: head?.header("Last-Modified"),
            name: head?.header("Content-Disposition").flatMap(fileName(inDisposition:))
        )
    }

    /// Whether a server says that it has the version of a tag still.
    ///
    /// As BuildKit does it: some servers send everything although a condition says that it need not be.
    private func isUnchanged(_ request: WebClient.Request, _ etag: String) async throws -> Bool {
        guard let head = try await web.head(request) else { return false }
        return head.hasTag(etag) || (head.isNotModified && head.header("ETag") == nil)
    }

    /// A file that is the client's own: it can be had once.
    private func upload(
        _ source: HTTPSource,
        _ url: HTTPURL,
        from client: any RemoteClient,
        _ report: @escaping Report
    ) async throws -> Answer {
        try await client.upload(String(url.target.prefix { $0 != "?" })) { [store, lease] pieces in
            let (digest, size) = try await store.blobs.ingest(in: lease, expecting: source.checksum) { writer in
                for try await bytes in pieces {
                    try await writer.write(bytes)
                    report(writer.offset, 0)
                }
            }
            return Answer(digest: digest, size: size)
        }
    }

    /// What the client offers for the host: `HTTP_AUTH_TOKEN_<host>`, else `HTTP_AUTH_HEADER_<host>`, or what the source names.
    private func authorization(_ source: HTTPSource, _ url: HTTPURL) async throws -> Secret? {
        func text(_ id: [UInt8], _ scheme: String = "") async throws -> Secret? {
            guard let secret = try await client.headerSecret(id) else { return nil }
            guard let text = String(validating: secret.revealBytes(), as: UTF8.self) else {
                throw ClientServiceError.secretIsNoHeader(id)
            }
            return Secret(scheme + text)
        }
        if let id = source.authorizationSecret {
            guard let secret = try await text(id) else { throw ClientServiceError.secretNotFound(id) }
            return secret
        }
        let host = Array(url.host.utf8)
        if let token = try await text("HTTP_AUTH_TOKEN_" + host, "Bearer ") { return token }
        return try await text("HTTP_AUTH_HEADER_" + host)
    }

    private func download(_ answer: Answer, _ source: HTTPSource) -> Download {
        let name = source.file.name.flatMap(HTTPSource.safeName) ?? answer.name ?? source.nameInAddress
        return Download(
            digest: answer.digest,
            size: answer.size,
            fileName: name ?? "download",
            modified: answer.lastModified.flatMap(RetryPolicy.secondsSince1970(httpDate:)) ?? 0
        )
    }

    /// Whether the transfer may be compressed: not where the source itself says which encodings it takes.
    private static func asksForGzip(_ source: HTTPSource) -> Bool {
        !source.headers.keys.contains { $0.lowercased() == "accept-encoding" }
    }

    private static func shown(_ url: [UInt8]) -> String {
        escapedForDisplay(Array(url.prefix { $0 != "?" }))
    }

    // MARK: Memory

    /// What decides the answer: the address and the headers.
    ///
    /// Secrets take no part; the digest may be seen by anybody.
    private func key(of source: HTTPSource) -> Digest {
        var text = source.url + Array(Self.asksForGzip(source) ? "\naccept-encoding: gzip".utf8 : "".utf8)
        for (name, value) in source.headers.sorted(by: { $0.key < $1.key }) {
            text += "\n\(name): " + value
        }
        return Digest.sha256(of: text)
    }

    private func keptAnswer(_ key: Digest) async throws -> Answer? {
        try await store.database.read { db in
            guard let row = try DownloadTable.find(key, in: db), let digest = try? Digest(parsing: row.digest) else {
                return nil
            }
            return Answer(
                digest: digest,
                size: row.size,
                etag: row.etag,
                lastModified: row.lastModified,
                name: row.name.map(Array.init)
            )
        }
    }

    private func keep(_ answer: Answer, _ key: Digest) async throws {
        // Without a condition to ask by, the answer is of no use the next time.
        guard answer.etag != nil || answer.lastModified != nil else { return }
        try await store.database.writeLazily { db in
            let now = currentTime()
            let row = DownloadTable.Download(
                request: key.description,
                digest: answer.digest.description,
                size: answer.size,
                etag: answer.etag,
                lastModified: answer.lastModified,
                name: answer.name.map { Data($0) },
                checked: now
            )
            try DownloadTable.keep(row, forgettingBefore: now - 90 * 86_400, in: db)
        }
    }
}

extension WebClient.Head {
    /// Whether a tag is the answer's; a weak one is as good as a strong one.
    fileprivate func hasTag(_ tag: String) -> Bool {
        func strong(_ tag: String) -> Substring { tag.hasPrefix("W/") ? tag.dropFirst(2) : tag[...] }
        return header("ETag").map { strong($0) == strong(tag) } ?? false
    }
}
