internal import HTTP
internal import Logging
internal import NIOCore
internal import NIOHTTP1
package import OCI

extension RegistryClient {
    /// How much of a blob is handed on at once, in bytes.
    package static let chunkSize = 256 << 10
    /// As many bytes of progress make the count of attempts start again.
    static let progressStep: Int64 = 1 << 20

    /// Streams a blob from `offset` on.
    ///
    /// A broken or stalled transfer goes on where it stopped, by a range request; where the server ignores ranges, what is known already is
    /// read again and dropped. The size is checked here, the digest by the receiver, who alone has all of the bytes.
    /// - Parameters:
    ///   - descriptor: the blob.
    ///   - repository: where it is.
    ///   - offset: how many bytes the receiver has already.
    ///   - receive: takes the next bytes; what it throws ends the transfer.
    /// - Throws: `RegistryError`, what `receive` throws.
    package func blob(
        _ descriptor: Descriptor,
        from repository: Repository,
        offset: Int64 = 0,
        receive: ([UInt8]) async throws -> Void
    ) async throws {
        guard offset >= 0, offset <= descriptor.size else {
            throw RegistryError.sizeMismatch(
                what: "blob \(descriptor.digest)",
                expected: descriptor.size,
                actual: offset
            )
        }
        // Shared by all hosts: what one delivered, the next need not.
        var position = offset
        try await reading(repository) { endpoint in
            var attempts = 1
            var lastStep = position
            while position < descriptor.size || descriptor.size == 0 {
                do {
                    try await self.transfer(descriptor, repository, endpoint, &position, receive)
                    return
                } catch let failure as AttemptFailure {
                    try Task.checkCancellation()
                    if position - lastStep >= Self.progressStep {
                        lastStep = position
                        attempts = 1
                    }
                    let policy = self.retrier.policy
                    switch policy.verdict(on: failure.retryCase, attempt: attempts, jitter: self.timekeeper.jitter()) {
                    case .fail: throw Self.wordedForBlob(failure, repository, descriptor)
                    case .retry(let delay): try await self.timekeeper.sleep(delay)
                    }
                    attempts += 1
                    self.logger.debug(
                        "transfer goes on",
                        metadata: ["blob": "\(descriptor.digest)", "offset": "\(position)", "attempt": "\(attempts)"]
                    )
                }
            }
        }
    }

    /// A whole small blob, checked against its digest.
    /// - Throws: `RegistryError`; `tooLarge` where the descriptor says more than `limit` bytes.
    package func smallBlob(_ descriptor: Descriptor, from repository: Repository, limit: Int64 = 4 << 20) async throws
        -> [UInt8]
    {
        guard descriptor.size <= limit else {
            throw RegistryError.tooLarge(what: "blob \(descriptor.digest) of \(repository)", limit: limit)
        }
        var bytes: [UInt8] = []
        try await blob(descriptor, from: repository) { bytes += $0 }
        var digester = Digester(descriptor.digest.algorithm)
        digester.update(bytes)
        let actual = digester.finalize()
        guard actual == descriptor.digest else {
            throw RegistryError.digestMismatch(
                what: "blob of \(repository.familiar)",
                expected: descriptor.digest,
                actual: actual
            )
        }
        return bytes
    }

    private static func wordedForBlob(_ failure: AttemptFailure, _ repository: Repository, _ descriptor: Descriptor)
        -> any Error
    {
        if case .status(404, _, let document, _) = failure.reason, document.code != "NAME_UNKNOWN" {
            return RegistryError.blobUnknown(repository: repository.familiar, digest: descriptor.digest)
        }
        return failure
    }

    /// One request for the rest of a blob; `position` moves with what was handed on.
    private func transfer(
        _ descriptor: Descriptor,
        _ repository: Repository,
        _ endpoint: Endpoint,
        _ position: inout Int64,
        _ receive: ([UInt8]) async throws -> Void
    ) async throws {
        var request = Request(.GET, endpoint, repository, "blobs/\(descriptor.digest)", accepting: [200, 206])
        if position > 0 { request.headers.add(name: "Range", value: "bytes=\(position)-\(descriptor.size - 1)") }
        let answer = try await attempt(request)
        var skip = try Self.bytesToSkip(answer, position: position, size: descriptor.size)
        var pending: [UInt8] = []
        var lastHandedOn = timekeeper.now()
        var received = position - skip
        var isOver = false
        var moved = position
        func handOn() async throws {
            guard !pending.isEmpty else { return }
            do { try await receive(pending) } catch { throw ReceiverFailure(underlying: error) }
            moved += Int64(pending.count)
            pending.removeAll(keepingCapacity: true)
            lastHandedOn = timekeeper.now()
        }
        do {
            try await answer.forEachPart { part in
                received += Int64(part.readableBytes)
                if received > descriptor.size {
                    isOver = true
                    return false
                }
                var view = part.readableBytesView[...]
                if skip > 0 {
                    let dropped = min(skip, Int64(view.count))
                    skip -= dropped
                    view = view.dropFirst(Int(dropped))
                }
                pending.append(contentsOf: view)
                if pending.count >= Self.chunkSize || timekeeper.now() - lastHandedOn > .milliseconds(500) {
                    try await handOn()
                }
                return true
            }
        } catch let failure as AttemptFailure {
            // What did arrive need not be sent again.
            try await handOn()
            position = moved
            throw failure
        }
        if isOver {
            throw RegistryError.tooLarge(what: "blob \(descriptor.digest) of \(repository)", limit: descriptor.size)
        }
        try await handOn()
        position = moved
        guard position == descriptor.size else { throw AttemptFailure(url: answer.url, reason: .connection(.closed)) }
    }

    /// How many bytes of an answer come before the position that was asked for.
    private static func bytesToSkip(_ answer: HTTPTransport.Answer, position: Int64, size: Int64) throws -> Int64 {
        func invalid(_ reason: String) -> RegistryError { .invalidResponse(url: answer.url.redacted, reason: reason) }
        guard answer.status == 206 else {
            if let length = answer.header("Content-Length").flatMap({ Int64($0) }), length != size {
                throw RegistryError.sizeMismatch(what: "blob at \(answer.url.redacted)", expected: size, actual: length)
            }
            return position
        }
        guard let range = answer.header("Content-Range").flatMap(ContentRange.init(parsing:)) else {
            throw invalid("a partial answer without a usable Content-Range")
        }
        guard range.first <= position, range.last < size, range.last >= position,
            range.total.map({ $0 == size }) ?? true
        else {
            throw invalid("it sends another part of the blob than was asked for")
        }
        return position - range.first
    }

    /// How many bytes a blob of a repository has.
    /// - Throws: `RegistryError`.
    package func size(of digest: Digest, in repository: Repository) async throws -> Int64 {
        try await reading(repository) { endpoint in
            try await self.retrier.run {
                let request = Request(.HEAD, endpoint, repository, "blobs/\(digest)", accepting: [200, 404])
                let answer = try await self.attempt(request)
                guard answer.status == 200 else {
                    throw RegistryError.blobUnknown(repository: repository.familiar, digest: digest)
                }
                guard let size = answer.header("Content-Length").flatMap({ Int64($0) }) else {
                    throw RegistryError.invalidResponse(
                        url: answer.url.redacted,
                        reason: "it does not say how large a blob is"
                    )
                }
                return size
            }
        }
    }

    /// Whether a repository holds a blob.
    /// - Throws: `RegistryError`.
    package func contains(_ digest: Digest, in repository: Repository) async throws -> Bool {
        try await writing(repository) { endpoint in
            try await self.retrier.run {
                let request = Request(
                    .HEAD,
                    endpoint,
                    repository,
                    "blobs/\(digest)",
                    push: true,
                    accepting: [200, 404]
                )
                return try await self.attempt(request).status == 200
            }
        }
    }
}

/// `bytes first-last/total`.
///
/// See RFC 9110, section 14.4.
struct ContentRange: Hashable, Sendable {
    let first: Int64
    let last: Int64
    /// nil where the server does not say.
    let total: Int64?

    init?(parsing text: String) {
        let words = text.split(separator: " ")
        guard words.count == 2, words[0].lowercased() == "bytes" else { return nil }
        let halves = words[1].split(separator: "/", omittingEmptySubsequences: false)
        let ends = halves[0].split(separator: "-", omittingEmptySubsequences: false)
        guard halves.count == 2, ends.count == 2, let first = Int64(ends[0]), let last = Int64(ends[1]), first <= last,
            first >= 0
        else { return nil }
        self.first = first
        self.last = last
        if halves[1] == "*" {
            total = nil
        } else {
            guard let number = Int64(halves[1]) else { return nil }
            total = number
        }
    }
}
