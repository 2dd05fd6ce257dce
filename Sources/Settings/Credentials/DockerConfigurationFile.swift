internal import LinuxSystem
package import SystemPackage
internal import Text

/// `config.json` of the docker command line: who the user is at which registry.
///
/// Fields that Slipway does not know are kept when it writes the file.
package struct DockerConfigurationFile: Sendable {
    package let path: FilePath
    private var root: [String: JSONValue]

    /// Reads the file; one that does not exist is empty.
    /// - Throws: `SettingsError.invalid`, `SystemCallError`.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package init(reading path: FilePath) throws {
        self.path = path
        guard let bytes = try contentsIfPresent(of: path, limit: 4 << 20), bytes.contains(where: { $0 > 0x20 }) else {
            root = [:]
            return
        }
        do {
            root = try JSONValue.byName(JSONValue.members(parsing: bytes))
        } catch {
            throw SettingsError.invalid(
                file: escapedForDisplay(path.bytes),
                key: nil,
                reason: "it is not a JSON object"
            )
        }
    }

    /// The names under which docker stores the credentials of a registry, most usual first.
    static func keys(for domain: String) -> [String] {
        if domain == "docker.io" || domain == "index.docker.io" || domain == "registry-1.docker.io" {
            return ["https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io"]
        }
        return [domain]
    }

    /// The program that keeps the credentials of a registry: `x` for `docker-credential-x`.
    package func helper(for domain: String) throws(SettingsError) -> String? {
        let helpers = try strings("credHelpers")
        for key in Self.keys(for: domain) {
            if let helper = helpers[key], !helper.isEmpty { return helper }
        }
        switch root["credsStore"] {
        case nil, .null?: return nil
        case .string(let name)?: return name.isEmpty ? nil : name
        default: throw invalid("credsStore", "expected a string")
        }
    }

    /// The proxies under `proxies.default`, by the names of the variables they are meant for, as `HTTP_PROXY`.
    package func defaultProxies() throws(SettingsError) -> [(name: String, value: String)] {
        switch try objects("proxies")["default"] {
        case nil, .null?: return []
        case .object(let members)?:
            let fields = JSONValue.byName(members)
            var proxies: [(name: String, value: String)] = []
            for (key, name) in [
                ("httpProxy", "HTTP_PROXY"), ("httpsProxy", "HTTPS_PROXY"), ("noProxy", "NO_PROXY"),
                ("ftpProxy", "FTP_PROXY"), ("allProxy", "ALL_PROXY"),
            ] {
                switch fields[key] {
                case nil, .null?, .string("")?: continue
                case .string(let value)?: proxies.append((name, value))
                default: throw invalid("proxies.default.\(key)", "expected a string")
                }
            }
            return proxies
        default: throw invalid("proxies.default", "expected an object")
        }
    }

    /// The credential that stands in the file itself.
    package func credential(for domain: String) throws(SettingsError) -> Credential? {
        guard let (key, entry) = try entry(for: domain) else { return nil }
        func field(_ name: String) -> String? {
            guard case .string(let text)? = entry[name], !text.isEmpty else { return nil }
            return text
        }
        if let token = field("registrytoken") { return .registryToken(Secret(token)) }
        if let token = field("identitytoken") { return .identityToken(Secret(token)) }
        if let auth = field("auth") {
            let text = bytes(ofBase64: auth).flatMap { String(validating: $0.filter { $0 != 0 }, as: UTF8.self) }
            guard let text, let colon = text.firstIndex(of: ":") else {
                throw invalid("auths.\(key).auth", "expected base64 of user:password")
            }
            return .password(user: String(text[..<colon]), password: Secret(String(text[text.index(after: colon)...])))
        }
        if let user = field("username"), let password = field("password") {
            return .password(user: user, password: Secret(password))
        }
        return nil
    }

    /// Sets the credential of a registry in the file; nil removes it.
    /// - Returns: whether anything changed.
    @discardableResult
    package mutating func set(_ credential: Credential?, for domain: String) throws(SettingsError) -> Bool {
        var auths = try objects("auths")
        let old = try entry(for: domain)?.key
        guard let credential else {
            guard let old else { return false }
            auths[old] = nil
            root["auths"] = .object(sorting: auths)
            return true
        }
        let key = old ?? Self.keys(for: domain)[0]
        switch credential {
        case .password(let user, let password):
            auths[key] = .object(sorting: ["auth": .string(base64("\(user):\(password.reveal())"))])
        case .identityToken(let token):
            // Docker keeps the pair that its own reader expects beside the token.
            auths[key] = .object(sorting: [
                "auth": .string(base64("00000000-0000-0000-0000-000000000000:")),
                "identitytoken": .string(token.reveal()),
            ])
        case .registryToken(let token): auths[key] = .object(sorting: ["registrytoken": .string(token.reveal())])
        }
        root["auths"] = .object(sorting: auths)
        return true
    }

    /// Notes that a helper keeps the registry's credential, as docker does with an empty entry.
    package mutating func markStoredByHelper(_ domain: String) throws(SettingsError) {
        var auths = try objects("auths")
        auths[try entry(for: domain)?.key ?? Self.keys(for: domain)[0]] = .object([])
        root["auths"] = .object(sorting: auths)
    }

    /// Writes the file, readable by its owner only, so that a reader sees the old or the new one and never a part.
    ///
    /// A symbolic link is kept: the file it names is replaced.
    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    package func write() throws {
        let text = JSONValue.object(sorting: root).text(indentation: "\t", escapesHTML: false)
        try replaceFile(at: path, with: Array((text + "\n").utf8), mode: 0o600)
    }

    private func entry(for domain: String) throws(SettingsError) -> (key: String, fields: [String: JSONValue])? {
        let auths = try objects("auths")
        let wanted = Self.keys(for: domain)
        var match: String?
        for key in wanted where auths[key] != nil && match == nil { match = key }
        // Old files have whole URLs as keys.
        if match == nil { match = auths.keys.sorted().first { wanted.contains(Self.host(ofKey: $0)) } }
        guard let match else { return nil }
        guard case .object(let members)? = auths[match] else { throw invalid("auths.\(match)", "expected an object") }
        return (match, JSONValue.byName(members))
    }

    private static func host(ofKey key: String) -> String {
        var rest = key[...]
        for scheme in ["https://", "http://"] where rest.hasPrefix(scheme) { rest = rest.dropFirst(scheme.count) }
        return String(rest.prefix { $0 != "/" })
    }

    private func objects(_ key: String) throws(SettingsError) -> [String: JSONValue] {
        switch root[key] {
        case nil, .null?: return [:]
        case .object(let members)?: return JSONValue.byName(members)
        default: throw invalid(key, "expected an object")
        }
    }

    private func strings(_ key: String) throws(SettingsError) -> [String: String] {
        var result: [String: String] = [:]
        for (name, value) in try objects(key) {
            guard case .string(let text) = value else { throw invalid("\(key).\(name)", "expected a string") }
            result[name] = text
        }
        return result
    }

    private func invalid(_ key: String, _ reason: String) -> SettingsError {
        .invalid(file: escapedForDisplay(path.bytes), key: key, reason: reason)
    }
}
