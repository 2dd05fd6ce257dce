internal import Attestations
package import BuildEngine
internal import BuildKitService
internal import HTTP
package import Images
internal import LinuxSystem
package import Logging
internal import Manual
internal import OCI
package import Registry
internal import RemoteCache
internal import Sandboxes
internal import Settings
package import Snapshots
package import Storage
internal import SystemPackage
internal import Terminal

/// The engine's parts over one store, opened when a command needs them.
package struct Engine: Sendable {
    package let store: Store
    package let snapshots: SnapshotStore
    package let images: ImageStore
    package let remote: RemoteImages
    /// For registries.
    let credentials: any CredentialSource

    /// What `save`, `load` and `import` work with.
    package var archiver: ImageArchiver { ImageArchiver(images: images, layers: snapshots) }
}

extension SlipwayEnvironment {
    /// Opens the store and everything on it.
    ///
    /// Registries are not spoken to before something asks for them. What `freesSpace`, or only looks, works on a full disk, too.
    package func engine(freesSpace: Bool = false) async throws -> Engine {
        let store = try await Store.open(
            at: try root(),
            tables: .all,
            identities: FileIdentities(privileges.level),
            durability: try await durability(),
            freesSpace: freesSpace
        )
        return try await self.engine(over: store, credentials: try credentials())
    }

    /// The parts over a store that is open, with the given credentials for registries.
    func engine(over store: Store, credentials: any CredentialSource) async throws -> Engine {
        let logger = logger()
        let client = RegistryClient(try await registryConfiguration(credentials), logger: logger)
        let blobs = RegistryBlobProvider(store: store, client: client, web: WebClient(webConfiguration()))
        let snapshots = SnapshotStore(
            store: store,
            blobProvider: blobs,
            level: privileges.level,
            means: try snapshotMeans()
        )
        let images = ImageStore(store: store)
        let remote = RemoteImages(images: images, snapshots: snapshots, client: client, blobs: blobs, logger: logger)
        return Engine(store: store, snapshots: snapshots, images: images, remote: remote, credentials: credentials)
    }

    /// When what is made in the store has to be on the disk.
    private func durability() async throws -> Durability {
        if let durability = global.durability { return durability }
        let configuration = try await configuration()
        guard let name = configuration.durability else { return .reported }
        if let durability = Durability(rawValue: name) { return durability }
        let known = Durability.allCases.map { "\"\($0.rawValue)\"" }.joined(separator: ", ")
        throw SettingsError.invalid(
            file: configuration.file,
            key: "store.durability",
            reason: "\"\(name)\" is not one of \(known)"
        )
    }

    /// How trees are shown and changed: as `SLIPWAY_SNAPSHOTTER` says, else what works best where the store is.
    private func snapshotMeans() throws -> SnapshotMeans? {
        guard let name = variable(.snapshotter) else { return nil }
        guard let means = SnapshotMeans.allCases.first(where: { Array($0.rawValue.utf8) == name }) else {
            throw CommandError.unknownSnapshotter(name)
        }
        return means
    }

    /// What builds images.
    package func buildEngine(_ engine: Engine) async throws -> BuildEngine {
        BuildEngine(try await engineParts(engine))
    }

    /// What an engine that builds images works with.
    /// - Parameters:
    ///   - engine: the store and what is on it.
    ///   - userAgent: what web servers are told that it is; nil for the usual.
    /// - Returns: its parts.
    /// - Throws: what opening them throws.
    func engineParts(_ engine: Engine, userAgent: String? = nil) async throws -> BuildEngine.Parts {
        let scratch = try await onBlockingPool { try engine.store.temporaryDirectory() }
        var web = webConfiguration()
        if let userAgent { web.userAgent = userAgent }
        let configuration = try await configuration()
        let devices = configuration.devices
        var parts = BuildEngine.Parts(
            remote: engine.remote,
            caches: try await remoteCaches(engine, web, engine.credentials),
            sandboxes: SandboxRunner(scratch: scratch, level: privileges.level),
            networks: try configuration.networks(
                tag: StoreLayout(root: engine.store.root).tag,
                level: privileges.level,
                scratch: { try engine.store.temporaryDirectory() }
            )
        )
        parts.history = try configuration.historyLimits()
        parts.web = WebClient(web)
        parts.variables = variables
        // What a frontend names is not reached with what this process has in its environment.
        let surroundings = CacheOption.Surroundings(path: { self.path($0) }, variable: { _ in nil })
        parts.imageFrontends = LocalImageFrontends { type, attributes in
            try CacheOption(type: type, attributes: attributes.mapValues { Array($0.utf8) }).source(surroundings)
        }
        parts.devices = {
            if devices.isDisabled { return DeviceRegistry(reading: []) }
            return DeviceRegistry(
                reading: devices.directories ?? DeviceRegistry.usualDirectories,
                autoAllowed: Set(devices.autoAllowed)
            )
        }
        let directory = configuration.daemon.provenanceDirectory ?? "/etc/slipway/provenance.d"
        parts.surroundings = { try Provenance.surroundings(in: directory) }
        return parts
    }

    /// The same parts for a client with credentials of its own.
    func engineParts(_ engine: Engine, like others: BuildEngine.Parts) async throws -> BuildEngine.Parts {
        var parts = others
        parts.remote = engine.remote
        parts.bases = RemoteBaseImages(images: engine.remote)
        parts.caches = try await remoteCaches(engine, webConfiguration(), engine.credentials)
        return parts
    }

    /// How web servers are reached.
    private func webConfiguration() -> WebClient.Configuration {
        var web = WebClient.Configuration()
        web.systemAuthorities = variable(.authorities).map { path($0) }
        web.proxies = ProxySettings(environment: textVariables)
        return web
    }

    private func remoteCaches(
        _ engine: Engine,
        _ web: WebClient.Configuration,
        _ credentials: any CredentialSource
    ) async throws -> RemoteCaches {
        let configuration = try await registryConfiguration(credentials)
        let logger = logger()
        return RemoteCaches(remote: engine.remote, web: web) { host in
            var configuration = configuration
            configuration.endpoints = configuration.endpoints.trusting(host)
            return RegistryClient(configuration, logger: logger)
        }
    }

    /// What logs in to registries and out of them.
    package func registryLogin() async throws -> RegistryLogin {
        let known = try credentials()
        let configuration = try await registryConfiguration(known)
        let logger = logger()
        return RegistryLogin(credentials: known) { source in
            var configuration = configuration
            configuration.credentials = source
            return RegistryClient(configuration, logger: logger)
        }
    }

    /// The variables of the environment as texts, for those that only ever are.
    var textVariables: [String: String] {
        variables.reduce(into: [:]) { texts, variable in
            texts[String(decoding: variable.key, as: UTF8.self)] = String(decoding: variable.value, as: UTF8.self)
        }
    }

    /// How registries are reached: `slipway.toml` (of `SLIPWAY_CONFIG`, else of `/etc/slipway`), certificates, credentials.
    private func registryConfiguration(_ credentials: any CredentialSource) async throws -> RegistryClient.Configuration
    {
        var configuration = try await RegistryClient.Configuration.standard(
            file: configurationFile,
            environment: textVariables
        )
        configuration.credentials = credentials
        return configuration
    }

    /// The proxies that docker's configuration file sets for builds and containers, under both of their spellings.
    func proxyVariables() async throws -> [(name: String, value: String)] {
        let path = try configurationDirectory().appending("config.json")
        let proxies = try await onBlockingPool { try DockerConfigurationFile(reading: path).defaultProxies() }
        return proxies.flatMap { [($0.name, $0.value), ($0.name.lowercased(), $0.value)] }
    }

    /// What `DOCKER_DEFAULT_PLATFORM` says; none where it is not set.
    func defaultPlatforms() throws -> [Platform] {
        guard let value = variable(.defaultPlatform) else { return [] }
        do throws(FlagValueError) {
            return try platformValues(value)
        } catch {
            throw CommandFailure("ERROR: DOCKER_DEFAULT_PLATFORM: \(error.reason)")
        }
    }

    func credentials() throws -> DockerCredentials {
        DockerCredentials(path: try configurationDirectory().appending("config.json"))
    }

    /// Messages for those who look inside, on the standard error output.
    package func logger() -> Logger {
        var logger = Logger(label: "slipway") { StreamLogHandler(label: $0, stream: SafeErrorStream()) }
        logger.logLevel =
            switch global.isDebugging ? .debug : global.logLevel {
            case .debug?: .debug
            case .info?: .info
            case nil, .warn?: .warning
            case .error?: .error
            case .fatal?: .critical
            }
        return logger
    }
}

/// The standard error output, for messages in which others' texts may stand.
private struct SafeErrorStream: TextOutputStream, Sendable {
    func write(_ text: String) {
        do throws(SystemCallError) {
            try StandardStream.error.writeAll(Array(safeLines(text).utf8))
        } catch {
            // There is nowhere else to say it.
        }
    }
}
