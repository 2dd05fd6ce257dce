internal import RPC

/// A request of Docker's API that is answered.
package struct Route: Sendable {
    typealias Handler = @Sendable (DockerDoor, DockerCall) async throws -> WebAnswer

    private enum Part: Hashable {
        case literal(String)
        /// One part of a path.
        case one(String)
        /// One or more: names of images have slashes.
        case several(String)
    }

    package let method: String
    /// The path without the version, in which `{id}` stands for one part, and `{name*}` for one or more.
    package let pattern: String
    private let parts: [Part]
    let handler: Handler

    init(_ method: String, _ pattern: String, _ handler: @escaping Handler) {
        self.method = method
        self.pattern = pattern
        self.handler = handler
        parts = pattern.split(separator: "/").map { part in
            guard part.hasPrefix("{"), part.hasSuffix("}") else { return .literal(String(part)) }
            let name = part.dropFirst().dropLast()
            return name.hasSuffix("*") ? .several(String(name.dropLast())) : .one(String(name))
        }
    }

    /// What the names in the pattern stand for in a path; nil where it is another request's.
    package func match(_ method: String, _ path: [String]) -> [String: String]? {
        guard method == self.method else { return nil }
        var values: [String: String] = [:]
        var rest = path[...]
        for (index, part) in parts.enumerated() {
            switch part {
            case .literal(let text):
                guard rest.popFirst() == text else { return nil }
            case .one(let name):
                guard let value = rest.popFirst(), !value.isEmpty else { return nil }
                values[name] = value
            case .several(let name):
                // As much as what follows in the pattern leaves.
                let count = rest.count - (parts.count - index - 1)
                guard count > 0 else { return nil }
                values[name] = rest.prefix(count).joined(separator: "/")
                rest = rest.dropFirst(count)
            }
        }
        return rest.isEmpty ? values : nil
    }
}

/// The requests that are answered, the first that matches first.
package enum RouteTable {
    /// All of them.
    package static let all: [Route] = Array(tables.joined())

    private static let tables: [[Route]] = [
        DockerDoor.systemRoutes, DockerDoor.buildRoutes, DockerDoor.imageRoutes, DockerDoor.containerRoutes,
        DockerDoor.execRoutes, DockerDoor.volumeRoutes, DockerDoor.networkRoutes, DockerDoor.swarmRoutes,
        DockerDoor.swarmObjectRoutes, DockerDoor.pluginRoutes, DockerDoor.pluginActionRoutes,
    ]

    /// By method, so that a request is not compared with all.
    private static let byMethod = Dictionary(grouping: all, by: \.method)

    /// The route of a request, with what the names in its pattern stand for; nil for none.
    package static func find(_ method: String, _ path: String) -> (route: Route, values: [String: String])? {
        guard path.first == "/" else { return nil }
        let parts = path.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        for route in byMethod[method] ?? [] {
            if let values = route.match(method, parts) { return (route, values) }
        }
        return nil
    }
}
