internal import BuildKitProto
internal import LLB
internal import SwiftProtobuf
internal import Text

extension RemoteBuild {
    /// The request for the build.
    /// - Parameters:
    ///   - session: the id of the session that offers what the build needs.
    ///   - frontend: the frontend; nil where the client asks it by itself.
    /// - Returns: the request.
    /// - Throws: `LLBError` for a graph that cannot be written.
    func message(
        session: String,
        frontend: String? = "dockerfile.v0"
    ) throws(LLBError) -> Moby_Buildkit_V1_SolveRequest {
        let inputs = try inputMessages()
        return .with { message in
            message.frontendInputs = inputs
            message.ref = reference
            message.session = session
            message.frontend = frontend ?? ""
            message.frontendAttrs = frontendAttributes
            message.entitlements = entitlements
            message.exporters = outputs.map { output in
                .with {
                    $0.type = output.type
                    $0.attrs = output.attributes
                }
            }
            // What daemons read that know of one output only.
            if let first = outputs.first {
                message.exporterDeprecated = first.type
                message.exporterAttrsDeprecated = first.attributes
            }
            message.cache.exports = cacheDestinations.map { Moby_Buildkit_V1_CacheOptionsEntry($0) }
            message.cache.imports = cacheSources.map { Moby_Buildkit_V1_CacheOptionsEntry($0) }
            message.internal = frontend == nil
        }
    }
}

extension RemoteBuild {
    func inputMessages() throws(LLBError) -> [String: Pb_Definition] {
        var messages: [String: Pb_Definition] = [:]
        for (name, definition) in inputs { messages[name] = try definition.message() }
        return messages
    }
}

extension RemoteBuild {
    /// The attributes as frontends read them, which look for caches by themselves.
    var frontendAttributes: [String: String] {
        var all = attributes
        if !cacheSources.isEmpty {
            let entries = cacheSources.map { entry in
                JSONValue.object([
                    .init("Type", .string(entry.type)),
                    .init("Attrs", .object(sorting: entry.attributes.mapValues { .string($0) })),
                ])
            }
            all["cache-imports"] = JSONValue.array(entries).text()
        }
        return all
    }
}

extension Moby_Buildkit_V1_CacheOptionsEntry {
    fileprivate init(_ entry: RemoteCacheEntry) {
        self.init()
        type = entry.type
        attrs = entry.attributes
    }
}
