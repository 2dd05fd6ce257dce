internal import AsyncHTTPClient
internal import FoundationEssentials
internal import HTTP
internal import NIOHTTP1
package import OCI

/// A manifest or index as a registry delivered it, checked against its digest.
package struct FetchedManifest: Hashable, Sendable {
    package let bytes: [UInt8]
    package let mediaType: MediaType
    package let digest: Digest
    /// The host that it came from, as the configuration names it.
    package let host: String

    package init(bytes: [UInt8], mediaType: MediaType, digest: Digest, host: String) {
        self.bytes = bytes
        self.mediaType = mediaType
        self.digest = digest
        self.host = host
    }

    package var descriptor: Descriptor { Descriptor(mediaType: mediaType, digest: digest, size: Int64(bytes.count)) }
}

extension RegistryClient {
    /// How long a manifest or index may be, in bytes.
    package static let manifestLimit = 4 << 20

    private static let manifestTypes: [MediaType] = [.ociIndex, .dockerList, .ociManifest, .dockerManifest]

    /// Fetches the manifest or index that a reference names; by its digest where it has one, else by its tag, else `latest`.
    /// - Throws: `RegistryError`.
    package func manifest(_ reference: ImageReference) async throws -> FetchedManifest {
        let name = reference.withDefaultTag
        return try await reading(Repository(name), naming: name) { endpoint in
            try await self.retrier.run { try await self.fetchManifest(name, endpoint) }
        }
    }

    /// Asks for a manifest's type, digest and size only.
    /// - Throws: `RegistryError`.
    package func manifestDescriptor(_ reference: ImageReference) async throws -> Descriptor {
        let name = reference.withDefaultTag
        let found = try await reading(Repository(name), naming: name) { endpoint in
            try await self.retrier.run { () async throws -> Descriptor? in
                let answer = try await self.attempt(Self.manifestRequest(.HEAD, name, endpoint))
                guard let digest = try Self.statedDigest(answer), let type = Self.mediaType(answer),
                    let size = answer.header("Content-Length").flatMap({ Int64($0) }), size > 0
                else { return nil }
                return Descriptor(mediaType: type, digest: digest, size: size)
            }
        }
        guard let found else { return try await manifest(reference).descriptor }
        if let wanted = name.digest, wanted != found.digest {
            throw RegistryError.digestMismatch(
                what: "manifest \(name.familiar)",
                expected: wanted,
                actual: found.digest
            )
        }
        return found
    }

    private static func manifestRequest(_ method: HTTPMethod, _ name: ImageReference, _ endpoint: Endpoint) -> Request {
        let reference = name.digest?.description ?? name.tag ?? ImageReference.defaultTag
        var request = Request(method, endpoint, Repository(name), "manifests/\(reference)", accepting: [200])
        for type in manifestTypes { request.headers.add(name: "Accept", value: type.rawValue) }
        return request
    }

    private func fetchManifest(_ name: ImageReference, _ endpoint: Endpoint) async throws -> FetchedManifest {
        let answer = try await attempt(Self.manifestRequest(.GET, name, endpoint))
        let url = answer.url.redacted
        guard let type = Self.mediaType(answer), Self.manifestTypes.contains(type) else {
            let stated = answer.header("Content-Type") ?? "nothing"
            let remedy = stated.contains("manifest.v1+") ? "; images of manifest schema 1 must be pushed anew" : ""
            throw RegistryError.invalidResponse(
                url: url,
                reason: "a manifest of type \"\(stated)\" is not supported\(remedy)"
            )
        }
        let bytes = try await answer.collect(limit: Self.manifestLimit, what: "manifest \(name.familiar)")
        var digester = Digester(name.digest?.algorithm ?? .sha256)
        digester.update(bytes)
        let actual = digester.finalize()
        if let wanted = name.digest, wanted != actual {
            throw RegistryError.digestMismatch(what: "manifest \(name.familiar)", expected: wanted, actual: actual)
        }
        if let stated = try Self.statedDigest(answer), stated.algorithm == actual.algorithm, stated != actual {
            throw RegistryError.digestMismatch(what: "manifest \(name.familiar)", expected: stated, actual: actual)
        }
        return FetchedManifest(bytes: bytes, mediaType: type, digest: actual, host: endpoint.domain)
    }

    private static func mediaType(_ answer: HTTPTransport.Answer) -> MediaType? {
        let types = answer.headers["Content-Type"]
        guard types.count == 1, let type = types.first else { return nil }
        let name = type.prefix { $0 != ";" }.filter { $0 != " " }
        return name.isEmpty ? nil : MediaType(rawValue: name.lowercased())
    }

    private static func statedDigest(_ answer: HTTPTransport.Answer) throws -> Digest? {
        guard let text = answer.header("Docker-Content-Digest") else { return nil }
        do throws(OCIError) {
            return try Digest(parsing: text)
        } catch {
            throw RegistryError.invalidResponse(url: answer.url.redacted, reason: "\(error)")
        }
    }

    /// Stores a manifest or index under the reference's tag, or under its digest where it has no tag.
    ///
    /// Everything it names must be in the repository already.
    /// - Throws: `RegistryError`, also where the registry says that it stored something else.
    package func push(manifest bytes: [UInt8], mediaType: MediaType, to reference: ImageReference) async throws
        -> Digest
    {
        let digest = Digest.sha256(of: bytes)
        let target = reference.tag ?? digest.description
        return try await writing(Repository(reference), naming: reference) { endpoint in
            try await self.retrier.run {
                var request = Request(
                    .PUT,
                    endpoint,
                    Repository(reference),
                    "manifests/\(target)",
                    push: true,
                    accepting: [200, 201, 202]
                )
                request.headers.add(name: "Content-Type", value: mediaType.rawValue)
                request.body = .bytes(bytes)
                request.isUpload = true
                let answer = try await self.attempt(request)
                if let stated = try Self.statedDigest(answer), stated.algorithm == digest.algorithm, stated != digest {
                    throw RegistryError.digestMismatch(
                        what: "manifest \(reference.familiar)",
                        expected: digest,
                        actual: stated
                    )
                }
                return digest
            }
        }
    }

    /// All tags of a repository, in the registry's order, following its pages.
    /// - Throws: `RegistryError`; at most 10,000 pages are read.
    package func tags(of repository: Repository) async throws -> [String] {
        struct Page: Decodable { var tags: [String]? }
        return try await reading(repository) { endpoint in
            var tags: [String] = []
            var next: HTTPURL?
            for _ in 0..<10_000 {
                var request = Request(.GET, endpoint, repository, "tags/list", accepting: [200])
                request.location = next
                let page = request
                let answer: HTTPTransport.Answer
                let bytes: [UInt8]
                (answer, bytes) = try await self.retrier.run {
                    let answer = try await self.attempt(page)
                    return (answer, try await answer.collect(limit: Self.manifestLimit, what: "the list of tags"))
                }
                do {
                    tags += try JSONDecoder().decode(Page.self, from: Data(bytes)).tags ?? []
                } catch {
                    throw RegistryError.invalidResponse(url: answer.url.redacted, reason: "it is not a list of tags")
                }
                guard let link = Self.nextPage(answer.headers["Link"]) else { return tags }
                // The next page must be of the same origin: its request carries credentials.
                let page2 = try RedirectPolicy(origin: answer.url).follow(from: answer.url, location: link)
                guard page2.isOrigin else {
                    throw RegistryError.unsafeRedirect(
                        from: answer.url.redacted,
                        to: page2.url.redacted,
                        reason: "the next page is at another host"
                    )
                }
                next = page2.url
            }
            return tags
        }
    }

    /// The target of `<…>; rel="next"`.
    ///
    /// See RFC 8288.
    static func nextPage(_ headers: [String]) -> String? {
        for header in headers {
            guard let open = header.firstIndex(of: "<"), let close = header.firstIndex(of: ">"), open < close else {
                continue
            }
            let parameters = header[close...]
            guard parameters.contains("rel=\"next\"") || parameters.contains("rel=next") else { continue }
            return String(header[header.index(after: open)..<close])
        }
        return nil
    }
}
