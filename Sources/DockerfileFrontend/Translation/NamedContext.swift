package import LLB
package import OCI

/// What a name of the Dockerfile leads to because the request says so (`--build-context`).
package enum NamedContext: Sendable {
    /// Files, which bring no configuration.
    case tree(Output)
    /// What another build gave, with the configuration of its image; nil files are the empty tree.
    case result(Output?, ImageConfiguration)
    /// No files, as `FROM scratch`.
    case scratch
    /// Another image than the name says.
    case image(ImageReference)
    /// An image, by its digest, of a layout directory that the request names.
    case layout(ImageReference, store: [UInt8])
}

/// The named contexts of a request.
package struct NamedContexts: Sendable {
    private var contexts: [String: NamedContext] = [:]

    package init() {}

    /// Adds a context under its name, or under `name::platform` for one platform only.
    /// - Throws: `OCIError` for a name that could be no image's.
    package mutating func add(_ context: NamedContext, as name: String) throws(OCIError) {
        contexts[try Self.key(name)] = context
    }

    /// The context that replaces a stage or an image; nil where none does.
    func context(named name: String, for platform: Platform) -> NamedContext? {
        if contexts.isEmpty { return nil }
        let key: String
        do throws(OCIError) { key = try Self.key(name) } catch { return nil }
        return contexts["\(key)::\(platform.normalized)"] ?? contexts[key]
    }

    /// Names are those of images: `docker.io/library/alpine:latest` and `alpine` are one.
    private static func key(_ name: String) throws(OCIError) -> String {
        guard let separator = name.firstRange(of: "::") else {
            let familiar = try ImageReference(parsing: name.lowercased()).familiar
            return familiar.hasSuffix(":latest") ? String(familiar.dropLast(":latest".count)) : familiar
        }
        let platform = try Platform(parsing: String(name[separator.upperBound...])).normalized
        return "\(try key(String(name[..<separator.lowerBound])))::\(platform)"
    }
}
