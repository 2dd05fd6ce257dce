internal import HTTP
internal import NIOHTTP1
package import OCI

extension RegistryClient {
    /// The manifests that say of themselves that they are about another one, such as signatures.
    ///
    /// Registries without an interface for that keep the list under a tag. See the OCI distribution specification,
    /// "Listing Referrers".
    /// - Returns: what names them; nothing where the repository has none.
    /// - Throws: `RegistryError`.
    package func referrers(of digest: Digest, in repository: Repository) async throws -> [Descriptor] {
        do {
            return try await reading(repository) { endpoint in
                try await self.retrier.run {
                    var request = Request(.GET, endpoint, repository, "referrers/\(digest)", accepting: [200])
                    request.headers.add(name: "Accept", value: MediaType.ociIndex.rawValue)
                    let answer = try await self.attempt(request)
                    let bytes = try await answer.collect(limit: Self.manifestLimit, what: "the list of referrers")
                    return try Self.referrers(bytes, url: answer.url.redacted)
                }
            }
        } catch let error as RegistryError where error.isMissing {
            return try await taggedReferrers(of: digest, in: repository)
        }
    }

    private func taggedReferrers(of digest: Digest, in repository: Repository) async throws -> [Descriptor] {
        let tag = "\(digest.algorithm.rawValue)-\(digest.hex)"
        do {
            let list = try await manifest(ImageReference(parsing: "\(repository):\(tag)"))
            guard list.mediaType == .ociIndex else { return [] }
            return try Self.referrers(list.bytes, url: list.host)
        } catch let error as RegistryError where error.isMissing {
            return []
        }
    }

    private static func referrers(_ bytes: [UInt8], url: String) throws(RegistryError) -> [Descriptor] {
        do throws(OCIError) {
            return try Index(parsing: bytes, declaredAs: .ociIndex).manifests
        } catch {
            throw .invalidResponse(url: url, reason: "it is not a list of referrers: \(error)")
        }
    }
}
