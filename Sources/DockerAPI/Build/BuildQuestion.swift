package import BuildKitProto
internal import BuildKitService
internal import OCI
internal import SwiftProtobuf
internal import Text

/// What `POST /build` asks for, read from its query.
///
/// It means what Docker's engine makes of it for BuildKit. Limits of steps, which Docker 20.10 passes over, are kept.
package struct BuildQuestion: Sendable {
    /// What the client calls the build when it cancels it; empty where it does not.
    package let id: String
    /// Where the context comes from.
    package let context: ContextOrigin
    /// Whether only the id of the image is asked for.
    package let isQuiet: Bool
    /// Whether the image is kept, whose id is told.
    package let keepsImage: Bool
    /// The same in BuildKit's words.
    package private(set) var request: Moby_Buildkit_V1_SolveRequest

    /// - Throws: `DockerAPIError`.
    package init(_ query: FormQuery) throws(DockerAPIError) {
        try Self.check(query)
        id = query["buildid"]
        context = ContextOrigin(remote: query["remote"])
        isQuiet = query.truth("q")
        var request = Moby_Buildkit_V1_SolveRequest()
        request.ref = hexadecimal((0..<16).map { _ in UInt8.random(in: 0...255) })
        request.frontend = "dockerfile.v0"
        request.session = query["session"]
        if let exporter = try Self.exporter(query) { request.exporters = [exporter] }
        keepsImage = request.exporters.first?.type == "moby"
        request.frontendAttrs = try Self.attributes(query)
        if query["networkmode"] == "host" { request.entitlements = ["network.host"] }
        if let value = request.frontendAttrs["build-arg:BUILDKIT_INLINE_CACHE"], ["1", "true"].contains(value) {
            request.cache.exports = [.with { $0.type = "inline" }]
        }
        self.request = request
    }

    /// The same request, whose context is what a request brings.
    func request(readingContextFrom upload: Upload?) -> Moby_Buildkit_V1_SolveRequest {
        var request = request
        if let upload { request.frontendAttrs["context"] = upload.address }
        return request
    }

    private static func check(_ query: FormQuery) throws(DockerAPIError) {
        switch query["version"] {
        case "2": break
        case "", "1": throw .classicBuilder
        case let version: throw .invalidBuilderVersion(version)
        }
        if query.all("securityopt").contains(where: { !$0.isEmpty }) { throw .securityOptions }
        if query.truth("squash") { throw .squash }
        let isolation = query["isolation"]
        guard ["", "default"].contains(isolation.lowercased()) else { throw .unsupportedIsolation(isolation) }
    }

    /// The build for which a request brings the context and nothing else; nil for a request to build.
    package static func build(waitingForContextOf query: FormQuery) -> String? {
        let prefix = ContextOrigin.upload + ":"
        let id = query["buildid"]
        return id.hasPrefix(prefix) ? String(id.dropFirst(prefix.count)) : nil
    }

    // MARK: Outputs

    private static func exporter(_ query: FormQuery) throws(DockerAPIError) -> Moby_Buildkit_V1_Exporter? {
        var exporter = Moby_Buildkit_V1_Exporter()
        let outputs = try query.json("outputs")
        if outputs.count > 1 { throw .severalOutputs }
        if let output = outputs.first {
            let members = try members(of: output, "outputs")
            if case .string(let type)? = members["Type"] { exporter.type = type }
            exporter.attrs = try texts(members["Attrs"] ?? .null, "outputs")
            if exporter.type == "cacheonly" { return nil }
            // Where the client puts what it gets, which Docker's client tells all the same.
            exporter.attrs["dest"] = nil
        } else {
            exporter.type = "moby"
        }
        let names = query.all("t").filter { !$0.isEmpty }
        if exporter.type == "moby", !names.isEmpty { exporter.attrs["name"] = names.joined(separator: ",") }
        return exporter
    }

    // MARK: Attributes of the frontend

    private static func attributes(_ query: FormQuery) throws(DockerAPIError) -> [String: String] {
        var attributes: [String: String] = [:]
        func take(_ parameter: String, as name: String) {
            if !query[parameter].isEmpty { attributes[name] = query[parameter] }
        }
        take("target", as: "target")
        take("platform", as: "platform")
        if query["dockerfile"] != "." { take("dockerfile", as: "filename") }
        if case .address(let address) = ContextOrigin(remote: query["remote"]) { attributes["context"] = address }
        for (name, value) in try texts(query.document("buildargs"), "buildargs") {
            attributes["build-arg:\(name)"] = value
        }
        for (name, value) in try texts(query.document("labels"), "labels") { attributes["label:\(name)"] = value }
        if query.truth("nocache") { attributes["no-cache"] = "" }
        attributes["image-resolve-mode"] = query.truth("pull") ? "pull" : "default"
        let caches = try query.json("cachefrom").compactMap { if case .string(let name) = $0 { name } else { nil } }
        if !caches.isEmpty { attributes["cache-from"] = caches.joined(separator: ",") }
        switch query["networkmode"] {
        case "host", "none": attributes["force-network-mode"] = query["networkmode"]
        case "", "default": break
        case let mode: throw .unsupportedNetwork(mode)
        }
        let hosts = try query.all("extrahosts").map { host throws(DockerAPIError) in try self.host(host) }
        if !hosts.isEmpty { attributes["add-hosts"] = hosts.joined(separator: ",") }
        for (name, value) in try limits(query) { attributes[name] = value }
        return attributes
    }

    /// `NAME:ADDRESS`, as the frontend has it.
    private static func host(_ text: String) throws(DockerAPIError) -> String {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[0].isEmpty, !parts[1].isEmpty, !text.contains(where: { ",\"\n\r".contains($0) })
        else { throw .invalidHost(text) }
        return "\(parts[0])=\(parts[1])"
    }

    private static func limits(_ query: FormQuery) throws(DockerAPIError) -> [String: String] {
        var attributes: [String: String] = [:]
        for name in ["memory", "memswap", "cpushares", "cpuperiod", "cpuquota"] {
            if let number = try query.number(name) { attributes[name] = "\(number)" }
        }
        if let size = try query.number("shmsize") { attributes["shm-size"] = "\(size)" }
        for (parameter, name) in [
            ("cpusetcpus", "cpusetcpus"), ("cpusetmems", "cpusetmems"), ("cgroupparent", "cgroup-parent"),
        ] where !query[parameter].isEmpty {
            attributes[name] = query[parameter]
        }
        let limits = try query.json("ulimits").map { limit throws(DockerAPIError) in
            let members = try members(of: limit, "ulimits")
            guard case .string(let name)? = members["Name"], case .number(let soft)? = members["Soft"],
                case .number(let hard)? = members["Hard"]
            else { throw .invalidJSON(parameter: "ulimits", reason: "each needs Name, Soft and Hard") }
            return "\(name)=\(soft):\(hard)"
        }
        if !limits.isEmpty { attributes["ulimit"] = limits.joined(separator: ",") }
        return attributes
    }

    // MARK: JSON

    private static func members(of value: JSONValue, _ parameter: String) throws(DockerAPIError) -> [String: JSONValue]
    {
        switch value {
        case .object(let members): return JSONValue.byName(members)
        case .null: return [:]
        default: throw .invalidJSON(parameter: parameter, reason: "an object is expected")
        }
    }

    /// An object whose values are texts; those that are null are left out.
    private static func texts(_ value: JSONValue, _ parameter: String) throws(DockerAPIError) -> [String: String] {
        var texts: [String: String] = [:]
        for (name, value) in try members(of: value, parameter) {
            switch value {
            case .string(let text): texts[name] = text
            case .null: continue
            default: throw .invalidJSON(parameter: parameter, reason: "the value of \(name) is not a string")
            }
        }
        return texts
    }
}

extension FormQuery {
    /// A parameter that is a JSON document; null where it is not given.
    func document(_ name: String) throws(DockerAPIError) -> JSONValue {
        let text = self[name]
        if text.isEmpty { return .null }
        do { return try JSONValue(parsing: Array(text.utf8)) } catch {
            throw .invalidJSON(parameter: name, reason: "it is not JSON")
        }
    }

    /// A parameter that is a list.
    func json(_ name: String) throws(DockerAPIError) -> [JSONValue] {
        switch try document(name) {
        case .array(let values): return values
        case .null: return []
        default: throw .invalidJSON(parameter: name, reason: "a list is expected")
        }
    }
}

/// Where the context of a build comes from.
package enum ContextOrigin: Sendable, Hashable {
    /// The client's session offers it.
    case session
    /// The body of the request is its archive.
    case body
    /// Another request brings it.
    case otherRequest
    case address(String)

    /// How Docker's client calls another request, in the parameter and in the id of the build that the other request names.
    fileprivate static let upload = "upload-request"

    init(remote: String) {
        self =
            switch remote {
            case "": .body
            case "client-session": .session
            case Self.upload: .otherRequest
            default: .address(remote)
            }
    }
}
