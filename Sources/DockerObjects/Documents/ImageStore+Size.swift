package import Images
package import OCI

extension ImageStore {
    /// The bytes of an image; 0 of one that is gone.
    package func size(of id: Digest?) async throws -> Int64 {
        guard let id else { return 0 }
        return try await image(id: id)?.size ?? 0
    }
}
