internal import LinuxSystem
package import SystemPackage

/// The credentials that `docker login` and `slipway login` share: `config.json` and the helpers that it names.
package struct DockerCredentials: CredentialSource {
    /// Where a login was written.
    package enum Keeper: Hashable, Sendable {
        /// In the file itself, where it can be read by whoever can read the file.
        case file(FilePath)
        /// By the program `docker-credential-NAME`.
        case helper(String)
    }

    package let path: FilePath
    private let helper: any CredentialHelper

    /// - Parameters:
    ///   - path: of `config.json`.
    ///   - helper: runs the helpers.
    package init(path: FilePath, helper: any CredentialHelper = InstalledCredentialHelpers()) {
        self.path = path
        self.helper = helper
    }

    /// Where `config.json` is: in `DOCKER_CONFIG`, or in `.docker` of the home directory.
    package static func defaultPath(environment: [String: String]) -> FilePath {
        if let directory = environment["DOCKER_CONFIG"], !directory.isEmpty {
            return FilePath(directory).appending("config.json")
        }
        return FilePath(environment["HOME"] ?? "/root").appending(".docker/config.json")
    }

    /// The registry that the argument of `login` or `logout` means: docker.io without one, and whatever URL docker accepts.
    package static func domain(ofServer server: String?) -> String {
        guard let server, !server.isEmpty else { return "docker.io" }
        var rest = server[...]
        for scheme in ["https://", "http://"] where rest.hasPrefix(scheme) { rest = rest.dropFirst(scheme.count) }
        let host = String(rest.prefix { $0 != "/" })
        return ["index.docker.io", "registry-1.docker.io"].contains(host) ? "docker.io" : host
    }

    package func credential(for domain: String) async throws -> Credential? {
        let file = try await read()
        if let name = try file.helper(for: domain) {
            let helper = try HelperProtocol(name: name, helper: helper)
            for key in DockerConfigurationFile.keys(for: domain) {
                if let found = try await helper.get(key) { return found }
            }
        }
        return try file.credential(for: domain)
    }

    /// Keeps a credential with the helper that is set for the registry, or in the file.
    /// - Returns: where it is kept now.
    package func store(_ credential: Credential, for domain: String) async throws -> Keeper {
        var file = try await read()
        if let name = try file.helper(for: domain) {
            try await HelperProtocol(name: name, helper: helper).store(
                credential,
                for: DockerConfigurationFile.keys(for: domain)[0]
            )
            try file.markStoredByHelper(domain)
            try await write(file)
            return .helper(name)
        }
        try file.set(credential, for: domain)
        try await write(file)
        return .file(path)
    }

    /// Forgets a registry's credential.
    /// - Returns: whether there was one.
    package func erase(for domain: String) async throws -> Bool {
        var file = try await read()
        var existed = false
        if let name = try file.helper(for: domain) {
            let helper = try HelperProtocol(name: name, helper: helper)
            let key = DockerConfigurationFile.keys(for: domain)[0]
            existed = try await helper.get(key) != nil
            try await helper.erase(key)
        }
        if try file.set(nil, for: domain) {
            existed = true
            try await write(file)
        }
        return existed
    }

    private func read() async throws -> DockerConfigurationFile {
        let path = path
        return try await onBlockingPool { try DockerConfigurationFile(reading: path) }
    }

    private func write(_ file: DockerConfigurationFile) async throws { try await onBlockingPool { try file.write() } }
}
