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
        for (_, image) in result.images.sorted(by: { $0.key < $1.key }) { try add(image) }
    }

    private mutating func add(_ image: ExportedImage) throws {
        if let configuration = image.configuration {
            exporterResponse["containerimage.config.digest"] = configuration.description
        }
        if let descriptor = image.descriptor {
            exporterResponse["containerimage.descriptor"] = try Self.encoded(descriptor)
        }
        // An image that is kept without a manifest is known by its id.
        exporterResponse["containerimage.digest"] = (image.descriptor?.digest ?? image.id).description
        if !image.names.isEmpty {
            exporterResponse["image.name"] = image.names.map(\.description).joined(separator: ",")
        }
    }

    private static func encoded(_ descriptor: Descriptor) throws -> String {
        Data(try StrictJSON.encode(descriptor)).base64EncodedString()
    }
}
