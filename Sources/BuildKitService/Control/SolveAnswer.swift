import BuildEngine
import BuildKitProto
import Exporters
import FoundationEssentials
import OCI
import Text

extension Moby_Buildkit_V1_SolveResponse {
    /// What a client is told of a build that is done.
    /// - Parameters:
    ///   - result: what the build gave.
    ///   - frontend: what its frontend said; what is meant for clients goes on to them.
    /// - Throws: `OCIError` for a document that cannot be written.
    init(_ result: Build.Result, _ frontend: FrontendResult) throws {
        self.init()
        for (key, value) in frontend.metadata where key.hasPrefix("frontend.") {
            exporterResponse[key] = String(decoding: value, as: UTF8.self)
        }
        if let manifest = result.cacheManifest {
            exporterResponse["cache.manifest"] = String(decoding: try StrictJSON.encode(manifest), as: UTF8.self)
        }
        // As BuildKit has it: of several outputs the last one is told.
        for (_, image) in result.images.sorted(by: { $0.key < $1.key }) {
            exporterResponse.merge(try image.responses) { $1 }
        }
    }
}

extension ExportedImage {
    /// What a client is told of the image.
    var responses: [String: String] {
        get throws {
            // An image that is kept without a manifest is known by its id.
            var responses = ["containerimage.digest": (descriptor?.digest ?? id).description]
            responses["containerimage.config.digest"] = configuration?.description
            responses["containerimage.descriptor"] = try descriptor.map {
                Data(try StrictJSON.encode($0)).base64EncodedString()
            }
            if !names.isEmpty { responses["image.name"] = names.map(\.description).joined(separator: ",") }
            return responses
        }
    }
}
