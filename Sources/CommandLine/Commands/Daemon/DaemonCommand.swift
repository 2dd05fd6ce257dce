internal import BuildEngine
internal import BuildKitClient
internal import BuildKitService
internal import Containers
internal import DockerAPI
internal import Images
internal import LinuxSystem
import NIOCore
internal import OCI
internal import RPC
internal import Registry
internal import Settings
internal import Storage
internal import SystemPackage
internal import Terminal
internal import Text

/// `slipway daemon`: the engine for other programs, with the flags of `buildkitd`.
struct DaemonCommand: RunnableCommand {
    static let about = CommandSummary(
        usage: "",
        summary: "Serve Docker's API, and builds to buildctl, buildx and other clients of BuildKit",
        arguments: .none,
        mounts: true,
        place: .anywhere
    )
    static let flags: [Flag<DaemonCommand>] = [
        .list(
            "addr",
            \.addresses,
            placeholder: "stringArray",
            help: "Listening address (unix://PATH, tcp://HOST:PORT or fd://)"
        ),
        .list(
            "allow-insecure-entitlement",
            \.entitlements,
            placeholder: "stringArray",
            help: "Allows insecure entitlements e.g. network.host, security.insecure, device"
        ),
        .bytes("config", \.configuration, completion: .files, help: "Path to config file"),
        .bytes("root", \.root, completion: .directories, help: "Path to state directory"),
        .bytes("group", \.group, help: "Group (name or gid) which will own all Unix socket listening addresses"),
        .bytes("tlscert", \.certificate, completion: .files, help: "Certificate file to use"),
        .bytes("tlskey", \.key, completion: .files, help: "Key file to use"),
        .bytes("tlscacert", \.authority, completion: .files, help: "CA certificate to verify clients"),
        .toggle("debug", \.isDebugging, help: "Enable debug output in logs"),
        .toggle("oci-worker", \.hasWorker, help: "Build with crun (always on)"),
        .toggle("oci-worker-gc", \.collects, help: "Collect garbage in the build cache"),
        .list("oci-worker-labels", \.labels, placeholder: "stringSlice", help: "User-specific annotation labels"),
        .toggle("containerd-worker", \.hasContainerd, help: "Build with containerd (not supported)"),
    ]

    var arguments: [[UInt8]] = []
    var addresses: [[UInt8]] = []
    var entitlements: [[UInt8]] = []
    var configuration: [UInt8]?
    var root: [UInt8]?
    var group: [UInt8]?
    var certificate: [UInt8]?
    var key: [UInt8]?
    var authority: [UInt8]?
    var isDebugging = false
    var hasWorker = true
    var collects = true
    var labels: [[UInt8]] = []
    var hasContainerd = false

    func run(_ environment: SlipwayEnvironment) async throws -> CommandStatus {
        if hasContainerd || !hasWorker {
            throw CommandFailure(
                "Error: this daemon builds with crun: leave --oci-worker on and --containerd-worker off"
            )
        }
        let settings = try await environment.replacing(root: nil, configurationFile: configuration).configuration()
            .daemon
        let root = root ?? settings.root.map { $0.bytes }
        let environment = environment.replacing(root: root, configurationFile: configuration)
        for key in settings.unusedKeys {
            try await environment.errorOutput.write("WARNING: \(key) has no meaning for this daemon\n")
        }
        let listeners = try await listeners(environment, settings)
        let engine = try await environment.engine()
        let server = try await buildServer(environment, engine, settings)
        let docker = DockerDoor(
            server: server,
            facts: try await facts(environment, engine),
            engine: try dockerEngine(environment, engine)
        )
        try await docker.resume()
        let door = RPCServer(
            services: server.services,
            web: docker.webDoor,
            grace: .seconds(1),
            failure: serviceFailure
        )
        let output = environment.errorOutput
        let end = DaemonEnd(door: door, server: server, output: output)
        try await environment.router.handling({ end.receive($0) }) {
            try await door.serve(listeners) { addresses in
                let names = addresses.map { address in
                    address.map { $0.pathname.map { "unix://\($0)" } ?? "tcp://\($0)" } ?? "an activated socket"
                }
                Task { try await output.write(names.map { "running server on \($0)\n" }.joined()) }
            }
        }
        try? await engine.store.flushRest(everything: true)
        await engine.store.close()
        return .success
    }

    // MARK: Parts

    private func buildServer(
        _ environment: SlipwayEnvironment,
        _ engine: Engine,
        _ settings: SlipwayConfiguration.DaemonTable
    ) async throws -> BuildServer {
        let userAgent = "\(BuildKitVersion.userAgent) slipway/\(SlipwayVersion.number)"
        let parts = try await environment.engineParts(engine, userAgent: userAgent)
        let shared = BuildEngine(parts)
        var configuration = BuildServer.Configuration(
            store: engine.store,
            platforms: [.current.normalized],
            workerID: StoreLayout(root: engine.store.root).tag,
            version: SlipwayVersion.number
        ) { credentials in
            let own = try await environment.engine(over: engine.store, credentials: credentials)
            return BuildEngine(try await environment.engineParts(own, like: parts), sharingWith: shared)
        }
        configuration.labels = settings.labels.merging(try workerLabels(engine.store)) { $1 }
        // A client's caches are not reached with what this process has in its environment.
        let surroundings = CacheOption.Surroundings(path: { environment.path($0) }, variable: { _ in nil })
        configuration.cacheSource = { type, attributes in
            try Self.forClients {
                try CacheOption(type: type, attributes: attributes.mapValues { Array($0.utf8) }).source(surroundings)
            }
        }
        configuration.cacheExport = { type, attributes in
            try Self.forClients {
                try CacheOption(type: type, attributes: attributes.mapValues { Array($0.utf8) }).export(surroundings)
            }
        }
        configuration.devices = parts.devices
        configuration.history = try await environment.configuration().historyLimits()
        configuration.policies = collects ? try await environment.cachePolicies(of: engine.store) : []
        let given =
            entitlements.isEmpty ? settings.entitlements : entitlements.map { String(decoding: $0, as: UTF8.self) }
        // As in BuildKit, clients may always ask for devices.
        configuration.grant(.allDevices)
        for text in given {
            do throws(FlagValueError) {
                configuration.grant(try Allowance(parsing: Array(text.utf8)))
            } catch {
                throw CommandFailure("Error: unknown entitlement \(safeText(text))")
            }
        }
        return BuildServer(configuration)
    }

    /// Turns what would end a command into an error for a client.
    private static func forClients<Value>(_ body: () throws -> Value) throws -> Value {
        do {
            return try body()
        } catch let failure as CommandFailure {
            let text = failure.message.trimmingPrefix("ERROR: failed to build: ")
            throw ServiceError.cache(String(text.filter { $0 != "\n" }))
        }
    }

    /// What Docker's clients are told of this daemon.
    private func facts(_ environment: SlipwayEnvironment, _ engine: Engine) async throws -> EngineFacts {
        let containers = try environment.containers(engine)
        let root = engine.store.root
        return EngineFacts(
            version: SlipwayVersion.number,
            id: StoreLayout(root: root).tag,
            root: String(decoding: root.bytes, as: UTF8.self),
            hostname: ProcessContext.hostname,
            architecture: Platform.current.architecture,
            machine: await onBlockingPool { MachineFacts.current() }
        ) {
            let running = try await containers.list().map { $0.state.status == .running }
            return EngineFacts.Counts(
                images: Set(try await engine.images.list().map(\.id)).count,
                runningContainers: running.count { $0 },
                stoppedContainers: running.count { !$0 }
            )
        }
    }

    /// The images, containers and volumes that Docker's clients see.
    private func dockerEngine(_ environment: SlipwayEnvironment, _ engine: Engine) throws -> DockerEngine {
        DockerEngine(
            store: engine.store,
            images: engine.images,
            archiver: engine.archiver,
            containers: try environment.containers(engine),
            level: environment.privileges.level,
            remote: { try await environment.engine(over: engine.store, credentials: $0).remote },
            logIn: { domain, credential in
                let given = GivenCredentials([domain: credential])
                let remote = try await environment.engine(over: engine.store, credentials: given).remote
                return try await remote.client.logIn(to: domain)
            }
        )
    }

    private func workerLabels(_ store: Store) throws -> [String: String] {
        var all = [
            "org.mobyproject.buildkit.worker.executor": "oci",
            "org.mobyproject.buildkit.worker.hostname": ProcessContext.hostname,
            "org.mobyproject.buildkit.worker.oci.process-mode": "sandbox",
            "org.mobyproject.buildkit.worker.snapshotter": "overlayfs",
            RemoteBuilder.versionLabel: SlipwayVersion.number,
        ]
        for label in labels.flatMap({ $0.split(separator: ",") }) {
            guard let equals = label.firstIndex(of: "="), equals > label.startIndex else {
                throw CommandFailure("Error: --oci-worker-labels: \(escapedForDisplay(Array(label))) is not NAME=VALUE")
            }
            all[String(decoding: label[..<equals], as: UTF8.self)] =
                String(decoding: label[label.index(after: equals)...], as: UTF8.self)
        }
        return all
    }

    // MARK: Addresses

    private func listeners(
        _ environment: SlipwayEnvironment,
        _ settings: SlipwayConfiguration.DaemonTable
    ) async throws -> [RPCListener] {
        var owner = settings.group.flatMap { UInt32(exactly: $0) }
        if let group { owner = try await onBlockingPool { try Self.groupID(group) } }
        let written = settings.addresses.map { Array($0.utf8) }
        let asked = [addresses, written].first { !$0.isEmpty } ?? [environment.usualDaemonAddress]
        let identity = try identity(environment, settings)
        return try asked.flatMap { try Self.listeners(at: $0, group: owner, identity) }
    }

    private func identity(
        _ environment: SlipwayEnvironment,
        _ settings: SlipwayConfiguration.DaemonTable
    ) throws -> ServerIdentity? {
        let certificate = certificate ?? settings.certificate?.bytes
        let key = key ?? settings.key?.bytes
        let authority = authority ?? settings.clientAuthority?.bytes
        guard certificate != nil || key != nil || authority != nil else { return nil }
        guard let certificate, let key else {
            throw CommandFailure("Error: a TLS server needs --tlscert and --tlskey")
        }
        return ServerIdentity(
            certificate: environment.path(certificate),
            key: environment.path(key),
            clientAuthority: authority.map { environment.path($0) }
        )
    }

    @available(*, noasync, message: "blocks a thread; call it inside `onBlockingPool`")
    private static func groupID(_ name: [UInt8]) throws -> UInt32 {
        let text = String(decoding: name, as: UTF8.self)
        if let number = UInt32(text) { return number }
        guard let number = ProcessContext.groupID(named: text) else {
            throw CommandFailure("Error: no such group: \(safeText(text))")
        }
        return number
    }

    private static func listeners(
        at address: [UInt8],
        group: UInt32?,
        _ identity: ServerIdentity?
    ) throws -> [RPCListener] {
        let text = String(decoding: address, as: UTF8.self)
        if text.hasPrefix("unix://") {
            return [.unix(FilePath(bytes: Array(address.dropFirst("unix://".utf8.count))), group: group, mode: 0o660)]
        }
        if text.hasPrefix("fd://") {
            let sockets = ProcessContext.activatedSockets()
            if sockets.isEmpty {
                throw CommandFailure("Error: \(safeText(text)): systemd handed over no socket")
            }
            return sockets.map { .descriptor($0) }
        }
        if text.hasPrefix("tcp://"), let colon = text.lastIndex(of: ":"),
            let port = UInt16(text[text.index(after: colon)...])
        {
            let host = String(text["tcp://".endIndex..<colon].filter { $0 != "[" && $0 != "]" })
            return [.tcp(host: host, port: Int(port), tls: identity)]
        }
        throw CommandFailure(
            "Error: invalid address \(safeText(text)); give unix://PATH, tcp://HOST:PORT or fd://"
        )
    }
}
