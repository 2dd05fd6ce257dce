import Attestations
import BuildEngine
import LLB
import OCI

/// How results came to be.
extension BuildJob {
    /// How a result that is exported came to be.
    /// - Parameters:
    ///   - id: the result.
    ///   - exported: the ids of all results that are exported with it.
    ///   - platform: what the image is for, where there are images for several.
    ///   - platforms: what there are images for.
    /// - Returns: what provenance tells of it.
    /// - Throws: what looking up what has no digest throws.
    func origin(
        of id: String,
        among exported: Set<String>,
        for platform: Platform?,
        of platforms: [Platform]
    ) async throws -> ImageOrigin {
        let definition = try definition(of: id)
        let scope = scope(of: id)
        // What else was made to answer the request had a part in it.
        let others = scope.results.filter { !exported.contains($0) && $0 != id && isEvaluated($0) }
        var materials = try await build.materials(of: [definition] + others.map { try self.definition(of: $0) })
        materials.merge(scope.reads)
        let images = scope.images
        for image in platform.map({ images.only(for: $0, of: platforms) }) ?? images { materials.add(image) }
        return ImageOrigin(definition, scope.told(madeOf: materials), madeOf: materials)
    }
}
