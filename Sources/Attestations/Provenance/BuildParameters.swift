internal import DockerfileFrontend
internal import LLB
internal import OCI
internal import Text

/// What a build was asked for: a frontend with its arguments, and the graphs that it was given.
package struct BuildParameters: Sendable, Hashable {
    /// Empty for a client that brings its own.
    package var frontend: String
    package var arguments: [String: String]
    /// What produced the graphs that stand for contexts, by their names; those of which that is known.
    package var inputs: [String: RequestProvenance] = [:]
    /// The root, in a list because a value cannot hold one of its own kind.
    private var roots: [RequestProvenance] = []

    package init(frontend: String = "", arguments: [String: String] = [:]) {
        self.frontend = frontend
        self.arguments = arguments
    }

    /// A request to a frontend, by what of it says something of the result.
    ///
    /// The frontend that is built in goes by its own name, also where a client asks the gateway for it.
    package init(asking frontend: String, _ attributes: [String: String]) {
        var attributes = attributes
        let isBuiltIn = frontend == "gateway.v0" && attributes["source"] == "dockerfile.v0"
        if isBuiltIn { attributes["source"] = nil }
        self.init(frontend: isBuiltIn ? "dockerfile.v0" : frontend, arguments: Self.telling(attributes))
    }

    /// What the client asked for whose frontend asked for this; nil where it is the same.
    package var root: RequestProvenance? {
        get { roots.first }
        set { roots = newValue.map { [$0] } ?? [] }
    }

    /// The arguments that say something of the result, without credentials.
    ///
    /// Left out: what is about the machine or the builder alone, and what attestations are asked for.
    static func telling(_ attributes: [String: String]) -> [String: String] {
        let hostSpecific: Set<String> = ["cgroup-parent", "image-resolve-mode", "platform", "cache-imports"]
        let contextKey = attributes["contextkey"].flatMap { $0.isEmpty ? nil : $0 } ?? "context"
        var result: [String: String] = [:]
        for (key, value) in attributes {
            if hostSpecific.contains(key) || AttestationOptions.isAttribute(key) { continue }
            let isAddress = key == contextKey || key.hasPrefix("context:")
            result[key] = isAddress ? redacted(value) : value
        }
        return result
    }

    /// Without what may be private: build arguments and labels.
    /// - Returns: whether something was left out.
    mutating func reduce() -> Bool {
        let count = arguments.count
        arguments = arguments.filter { !$0.key.hasPrefix("build-arg:") && !$0.key.hasPrefix("label:") }
        var isReduced = arguments.count < count
        for name in inputs.keys where inputs[name]?.parameters.reduce() ?? false { isReduced = true }
        if var root {
            if root.parameters.reduce() { isReduced = true }
            self.root = root
        }
        return isReduced
    }

    /// The members of the document but for those that only the whole build has.
    var members: [JSONValue.Member] {
        var members: [JSONValue.Member] = []
        if !frontend.isEmpty { members.append(.init("frontend", .string(frontend))) }
        if !arguments.isEmpty {
            members.append(.init("args", .object(sorting: arguments.mapValues { .string($0) })))
        }
        return members
    }

    var lastMembers: [JSONValue.Member] {
        var members: [JSONValue.Member] = []
        if !inputs.isEmpty { members.append(.init("inputs", .object(sorting: inputs.mapValues(\.json)))) }
        if let root { members.append(.init("root", root.json)) }
        return members
    }
}

/// Where a request's Dockerfile comes from.
package struct ConfigurationSource: Sendable, Hashable {
    package var address = ""
    /// `algorithm: hexadecimal`.
    package var digest: [String: String] = [:]
    package var path = ""

    func json(pathKey: String) -> JSONValue {
        var members: [JSONValue.Member] = []
        if !address.isEmpty { members.append(.init("uri", .string(address))) }
        if !digest.isEmpty { members.append(.init("digest", .object(sorting: digest.mapValues { .string($0) }))) }
        if !path.isEmpty { members.append(.init(pathKey, .string(path))) }
        return .object(members)
    }
}

/// A request, with the source of its Dockerfile told apart from its other arguments.
package struct RequestProvenance: Sendable, Hashable {
    package let source: ConfigurationSource
    package var parameters: BuildParameters

    /// - Parameters:
    ///   - parameters: the request.
    ///   - materials: what its result was made of: the commit or content behind the source's address.
    package init(_ parameters: BuildParameters, madeOf materials: Materials) {
        var rest = parameters
        var source = ConfigurationSource()
        let key = Self.contextKey(in: parameters.arguments)
        if let address = parameters.arguments[key], !address.isEmpty {
            (source.address, source.digest) = Self.material(at: address, in: materials)
            rest.arguments[key] = nil
        }
        if let path = parameters.arguments["filename"], !path.isEmpty {
            source.path = path
            rest.arguments["filename"] = nil
        }
        self.source = source
        self.parameters = rest
    }

    /// The request by itself, without the requests that led to it.
    package var withoutRoot: RequestProvenance {
        var copy = self
        copy.parameters.root = nil
        return copy
    }

    private static func contextKey(in arguments: [String: String]) -> String {
        if let key = arguments["contextkey"], !key.isEmpty { return key }
        if let key = arguments["input:context"], !key.isEmpty { return "input:context" }
        return "context"
    }

    private static func material(at address: String, in materials: Materials) -> (String, [String: String]) {
        if let source = try? GitSource(parsing: Array(address.utf8)) {
            let remote = String(decoding: source.remote.address, as: UTF8.self)
            let reference = source.reference.map { String(decoding: $0, as: UTF8.self) } ?? ""
            let plain = redacted(remote + (reference.isEmpty ? "" : "#\(reference)"))
            if let commit = materials.commits.first(where: { $0.address == plain }) {
                let directory = source.subdirectory.map { String(decoding: $0, as: UTF8.self) } ?? ""
                let components = directory.split(separator: "/").filter { $0 != "." }
                let suffix = components.isEmpty ? "" : ":" + components.joined(separator: "/")
                let fragment = reference.isEmpty && suffix.isEmpty ? "" : "#\(reference)\(suffix)"
                return (redacted(remote + fragment), commit.digest)
            }
        }
        if let download = materials.downloads.first(where: { $0.address == address }) {
            return (address, [download.digest.algorithm.rawValue: download.digest.hex])
        }
        return (redacted(address), [:])
    }

    var json: JSONValue {
        .object([
            .init("configSource", source.json(pathKey: "path")),
            .init("request", .object(parameters.members + parameters.lastMembers)),
        ])
    }
}

extension Materials.Commit {
    var digest: [String: String] { [id.utf8.count == 64 ? "sha256" : "sha1": id] }
}
