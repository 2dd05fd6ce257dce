internal import LinuxSystem
internal import OCI
internal import RPC
internal import Settings
internal import Text

extension DockerDoor {
    static let systemRoutes: [Route] = [
        Route("GET", "/_ping") { door, _ in door.ping },
        Route("HEAD", "/_ping") { door, _ in door.ping },
        Route("GET", "/version") { door, _ in await door.version() },
        Route("GET", "/info") { door, _ in try await door.info() },
        Route("POST", "/auth") { try await $0.logIn($1) },
        Route("GET", "/events") { try await $0.events($1) },
        Route("GET", "/system/df") { try await $0.diskUsage($1) },
        // With an upgrade they do not come here.
        Route("POST", "/grpc") { _, _ in throw DockerAPIError.noUpgrade },
        Route("POST", "/session") { _, _ in throw DockerAPIError.noUpgrade },
    ]

    static let buildRoutes: [Route] = [
        Route("POST", "/build") { try await $0.build($1) },
        Route("POST", "/build/cancel") { try $0.cancelBuild($1) },
        Route("POST", "/build/prune") { try await $0.pruneBuildCache($1) },
    ]

    /// What the API has and this daemon does not: each is told by what it would do.
    static func lacking(_ method: String, _ pattern: String, _ what: String) -> Route {
        Route(method, pattern) { _, _ in throw DockerAPIError.notYet(what) }
    }

    static let networkRoutes: [Route] = [
        lacking("GET", "/networks", "listing networks"),
        lacking("POST", "/networks/create", "making networks"),
        lacking("POST", "/networks/prune", "removing unused networks"),
        lacking("GET", "/networks/{id}", "looking into networks"),
        lacking("DELETE", "/networks/{id}", "removing networks"),
        lacking("POST", "/networks/{id}/connect", "connecting containers with networks"),
        lacking("POST", "/networks/{id}/disconnect", "disconnecting containers from networks"),
    ]

    // MARK: What an engine outside of a swarm says

    private static func ofManager(_ method: String, _ pattern: String) -> Route {
        Route(method, pattern) { _, _ in throw DockerAPIError.noSwarmManager }
    }

    static let swarmRoutes: [Route] = [
        Route("POST", "/swarm/leave") { _, _ in throw DockerAPIError.notInSwarm },
        lacking("POST", "/swarm/init", "making a swarm"),
        lacking("POST", "/swarm/join", "joining a swarm"),
        ofManager("GET", "/swarm"), ofManager("GET", "/swarm/unlockkey"), ofManager("POST", "/swarm/update"),
        ofManager("POST", "/swarm/unlock"),
        ofManager("GET", "/nodes"), ofManager("GET", "/nodes/{id}"), ofManager("DELETE", "/nodes/{id}"),
        ofManager("POST", "/nodes/{id}/update"),
        ofManager("GET", "/services/{id}/logs"),
        ofManager("GET", "/tasks"), ofManager("GET", "/tasks/{id}"), ofManager("GET", "/tasks/{id}/logs"),
    ]

    static let swarmObjectRoutes: [Route] = ["services", "secrets", "configs"].flatMap { (kind: String) -> [Route] in
        [
            ofManager("GET", "/\(kind)"), ofManager("POST", "/\(kind)/create"), ofManager("GET", "/\(kind)/{id}"),
            ofManager("DELETE", "/\(kind)/{id}"), ofManager("POST", "/\(kind)/{id}/update"),
        ]
    }

    static let pluginRoutes: [Route] = [
        Route("GET", "/plugins") { _, _ in .json(200, JSONValue.array([])) },
        Route("GET", "/plugins/{name*}/json") { throw DockerAPIError.noSuchPlugin($1["name"]) },
        Route("DELETE", "/plugins/{name*}") { throw DockerAPIError.noSuchPlugin($1["name"]) },
        lacking("GET", "/plugins/privileges", "installing plugins"),
        lacking("POST", "/plugins/pull", "installing plugins"),
        lacking("POST", "/plugins/create", "making plugins"),
    ]

    static let pluginActionRoutes: [Route] = ["enable", "disable", "push", "set", "upgrade"].map { (action: String) in
        Route("POST", "/plugins/{name*}/\(action)") { throw DockerAPIError.noSuchPlugin($1["name"]) }
    }

    // MARK: Registries

    /// `POST /auth`.
    func logIn(_ call: DockerCall) async throws -> WebAnswer {
        let fields = try await call.document()
        let domain = DockerCredentials.domain(ofServer: try fields.text("serveraddress"))
        guard let credential = try RegistryAuthentication.credential(fields) else {
            throw DockerAPIError.invalidField("username", expected: "a name")
        }
        let token = try await engine.logIn(domain, credential)
        return .json(
            200,
            .object([
                .init("Status", .string("Login Succeeded")),
                .init("IdentityToken", .string(token?.reveal() ?? "")),
            ])
        )
    }
}

/// Credentials as clients send them with a request.
enum RegistryAuthentication {
    /// What a header `X-Registry-Auth` gives for the registry of an image.
    static func source(_ header: String?, for reference: ImageReference) throws(DockerAPIError) -> GivenCredentials {
        guard let header, !header.isEmpty else { return GivenCredentials() }
        let standard = String(header.map { $0 == "-" ? "+" : $0 == "_" ? "/" : $0 })
        // As the engine: what cannot be read is none.
        guard let decoded = bytes(ofBase64: standard), let fields = try? DocumentFields(parsing: decoded),
            let found = try credential(fields)
        else { return GivenCredentials() }
        return GivenCredentials([reference.domain: found])
    }

    /// Nil where there is none.
    static func credential(_ fields: DocumentFields) throws(DockerAPIError) -> Credential? {
        if let token = try fields.text("registrytoken"), !token.isEmpty { return .registryToken(Secret(token)) }
        if let token = try fields.text("identitytoken"), !token.isEmpty { return .identityToken(Secret(token)) }
        if let user = try fields.text("username"), !user.isEmpty {
            return .password(user: user, password: Secret(try fields.text("password") ?? ""))
        }
        // `name:password`, as docker's configuration file has it.
        guard let text = try fields.text("auth"), let decoded = bytes(ofBase64: text) else { return nil }
        let pair = String(decoding: decoded, as: UTF8.self).split(separator: ":", maxSplits: 1).map(String.init)
        guard pair.count == 2 else { return nil }
        return .password(user: pair[0], password: Secret(pair[1]))
    }
}
