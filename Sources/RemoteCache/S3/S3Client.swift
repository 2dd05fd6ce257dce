internal import HTTP
internal import Images
internal import LinuxSystem
internal import OCI
internal import Storage
internal import Text

/// The objects of one bucket.
struct S3Client: Sendable {
    /// Bytes of one request: more goes up in parts.
    static let partSize: Int64 = 16 << 20
    /// The most that the server copies in one request.
    private static let copyLimit: Int64 = 5 << 30

    /// What is known of an object without its content.
    struct ObjectStatus: Sendable {
        /// Seconds since 1970.
        let modified: Int64
        let size: Int64
    }

    let place: S3CachePlace
    let client: ObjectClient

    // MARK: Reading

    /// The content of a small object, or nil.
    func object(_ key: String, limit: Int) async throws -> [UInt8]? {
        let (head, body) = try await send(call("GET", key), accepting: [200, 404], limit: limit)
        if head.status == 200 { return body }
        // A missing bucket is a mistake, a missing object is not.
        if S3Answer.field("Code", in: body) == "NoSuchBucket" {
            throw RemoteCacheError.bucket(address: place.shown, reason: "the bucket does not exist")
        }
        return nil
    }

    func status(of key: String) async throws -> ObjectStatus? {
        let (head, _) = try await send(call("HEAD", key), accepting: [200, 404])
        guard head.status == 200 else { return nil }
        let modified = head.header("Last-Modified").flatMap { RetryPolicy.secondsSince1970(httpDate: $0) } ?? 0
        return ObjectStatus(modified: modified, size: head.header("Content-Length").flatMap { Int64($0) } ?? 0)
    }

    /// Gives out an object from an offset on.
    func read(_ key: String, from offset: Int64, _ receive: ([UInt8]) async throws -> Void) async throws {
        var skip: Int64?
        try await wording {
            try await client.read(accepting: [200, 206]) {
                var request = self.request(call("GET", key))
                // A header that is not signed: what it says changes nothing but how much of the object comes.
                if offset > 0 { request.headers.append(("Range", "bytes=\(offset)-")) }
                return request
            } receive: { head, bytes in
                let rest = skip ?? (head.status == 206 ? 0 : offset)
                let dropped = min(rest, Int64(bytes.count))
                skip = rest - dropped
                if dropped < bytes.count { try await receive(Array(bytes.dropFirst(Int(dropped)))) }
            }
        }
    }

    // MARK: Writing

    func put(_ bytes: [UInt8], at key: String) async throws {
        _ = try await send(call("PUT", key) { $0.body = bytes })
    }

    /// Writes a blob of the store, whose content is verified on its way.
    func put(_ blob: Descriptor, of store: BlobStore, at key: String) async throws {
        let reader = BlobParts(digest: blob.digest, store: store)
        guard blob.size > Self.partSize else {
            return try await put(try await reader.next(Self.partSize, isLast: true), at: key)
        }
        try await inParts(key) { upload in
            var tags: [String] = []
            var rest = blob.size
            while rest > 0 {
                let bytes = try await reader.next(min(Self.partSize, rest), isLast: rest <= Self.partSize)
                let part = call("PUT", key) {
                    $0.query = [("partNumber", "\(tags.count + 1)"), ("uploadId", upload)]
                    $0.body = bytes
                }
                let (head, _) = try await send(part)
                tags.append(head.header("ETag") ?? "")
                rest -= Int64(bytes.count)
            }
            return tags
        }
    }

    /// Makes an object as if it had been written now, so that rules that remove old objects pass it over.
    func touch(_ key: String, size: Int64) async throws {
        let source = "/" + S3Signer.encodedPath("\(place.bucket)/\(key)")
        guard size > Self.copyLimit else {
            let copy = call("PUT", key) {
                $0.headers = [("x-amz-copy-source", source), ("x-amz-metadata-directive", "REPLACE")]
            }
            return try check(try await send(copy).body)
        }
        try await inParts(key) { upload in
            var tags: [String] = []
            for start in stride(from: Int64(0), to: size, by: Int64.Stride(Self.copyLimit)) {
                let range = "bytes=\(start)-\(min(start + Self.copyLimit, size) - 1)"
                let part = call("PUT", key) {
                    $0.query = [("partNumber", "\(tags.count + 1)"), ("uploadId", upload)]
                    $0.headers = [("x-amz-copy-source", source), ("x-amz-copy-source-range", range)]
                }
                let (_, body) = try await send(part)
                try check(body)
                tags.append(S3Answer.field("ETag", in: body) ?? "")
            }
            return tags
        }
    }

    /// Writes an object in parts, which appears when all are there; `body` gives their tags.
    private func inParts(_ key: String, _ body: (_ upload: String) async throws -> [String]) async throws {
        let (_, begun) = try await send(call("POST", key) { $0.query = [("uploads", "")] })
        guard let upload = S3Answer.field("UploadId", in: begun) else {
            throw RemoteCacheError.bucket(address: place.shown, reason: "it did not begin an upload of \(key)")
        }
        do {
            let parts = try await body(upload).enumerated().map { index, tag in
                "<Part><PartNumber>\(index + 1)</PartNumber><ETag>\(S3Answer.escaped(tag))</ETag></Part>"
            }
            let list = "<CompleteMultipartUpload>\(parts.joined())</CompleteMultipartUpload>"
            let end = call("POST", key) {
                $0.query = [("uploadId", upload)]
                $0.body = Array(list.utf8)
            }
            try check(try await send(end).body)
        } catch {
            // The parts would cost money until someone removes them; only the first error matters.
            _ = try? await send(call("DELETE", key) { $0.query = [("uploadId", upload)] }, accepting: [204, 404])
            throw error
        }
    }

    /// An answer with the status of success may still tell of a failure.
    private func check(_ body: [UInt8]) throws(RemoteCacheError) {
        guard let code = S3Answer.errorCode(in: body) else { return }
        throw .bucket(address: place.shown, reason: S3Answer.message(in: body) ?? code)
    }

    // MARK: Requests

    /// A request for an object of the bucket, with what `change` adds to it.
    private func call(
        _ method: String,
        _ key: String,
        _ change: (inout S3Signer.Request) -> Void = { _ in }
    ) -> S3Signer.Request {
        var request = S3Signer.Request(method, place.address(of: key))
        change(&request)
        return request
    }

    private func send(
        _ call: S3Signer.Request,
        accepting: Set<Int> = [200],
        limit: Int = 1 << 20
    ) async throws -> (head: ObjectClient.Head, body: [UInt8]) {
        try await wording {
            try await client.exchange(accepting: accepting, limit: limit) { self.request(call) }
        }
    }

    /// A call as it is sent, signed at this moment.
    private func request(_ call: S3Signer.Request) -> ObjectClient.Request {
        let url = call.url
        let text = S3Signer.encoded(call.query)
        let full = HTTPURL(
            scheme: url.scheme,
            host: url.host,
            port: url.port,
            target: text.isEmpty ? url.target : "\(url.target)?\(text)"
        )
        let headers = place.signer.headers(for: call, at: currentTime())
        return ObjectClient.Request(method: call.method, url: full, headers: headers, body: call.body)
    }

    /// Tells of a failure in the server's words and with a remedy where there is one.
    private func wording<Value>(_ body: () async throws -> Value) async throws -> Value {
        do {
            return try await body()
        } catch let failure as ObjectFailure {
            let said = S3Answer.message(in: failure.body)
            let remedy: String? =
                switch failure.status {
                case 301, 307:
                    "the bucket is in another region than \(place.signer.region), or has another endpoint_url"
                case 401, 403: "check access_key_id, secret_access_key and their permissions"
                case 404: "no such bucket or object"
                default: nil
                }
            let reason = [said ?? "\(failure)", remedy].compactMap(\.self).joined(separator: "; ")
            throw RemoteCacheError.bucket(address: place.shown, reason: reason)
        }
    }
}

/// The few things that are read of the server's XML.
///
/// An answer is small and flat, and nothing that it says is taken for more than text to show or an id to give back.
enum S3Answer {
    /// The text of the first element of a name.
    static func field(_ name: String, in body: [UInt8]) -> String? {
        let text = String(decoding: body, as: UTF8.self)
        guard let start = text.firstRange(of: "<\(name)>")?.upperBound,
            let end = text[start...].firstRange(of: "</\(name)>")?.lowerBound
        else { return nil }
        return unescaped(String(text[start..<end]))
    }

    static func errorCode(in body: [UInt8]) -> String? {
        let text = String(decoding: body.prefix(512), as: UTF8.self)
        return text.contains("<Error>") ? field("Code", in: body) ?? "unknown error" : nil
    }

    /// What a failure is called and why, fit to be shown.
    static func message(in body: [UInt8]) -> String? {
        guard let code = field("Code", in: body) else { return nil }
        let message = field("Message", in: body).map { ": \($0.prefix(300))" } ?? ""
        return escapedForDisplay((code + message).utf8)
    }

    static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    }

    private static func unescaped(_ text: String) -> String {
        text.replacing("&quot;", with: "\"").replacing("&#34;", with: "\"").replacing("&lt;", with: "<")
            .replacing("&gt;", with: ">").replacing("&amp;", with: "&")
    }
}

/// A blob of the store in parts, compared with its digest before the last of them is given out.
private actor BlobParts {
    private let digest: Digest
    private let store: BlobStore
    private var file: OpenFile?
    private var digester: Digester

    init(digest: Digest, store: BlobStore) {
        self.digest = digest
        self.store = store
        digester = Digester(digest.algorithm)
    }

    /// The next bytes; what is shorter than it should be is damaged.
    func next(_ count: Int64, isLast: Bool) async throws -> [UInt8] {
        let (opened, bytes) = try await onBlockingPool { [store, digest, file] in
            let opened = try file ?? store.open(digest)
            var bytes = [UInt8](repeating: 0, count: Int(count))
            var filled = 0
            while filled < bytes.count {
                let read = try bytes.withUnsafeMutableBytes {
                    try opened.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[filled...]))
                }
                if read == 0 { break }
                filled += read
            }
            bytes.removeLast(bytes.count - filled)
            return (opened, bytes)
        }
        file = opened
        digester.update(bytes)
        if isLast || bytes.isEmpty {
            let actual = digester.finalize()
            guard actual == digest else {
                throw StorageError.blobDamaged(digest, actual: actual, path: store.path(of: digest))
            }
        }
        return bytes
    }
}
