internal import Containers
internal import DockerObjects
internal import LinuxSystem
internal import SystemPackage
internal import Terminal
internal import Text

/// `HostConfig` of a container that is to be made.
struct HostDocument: Sendable {
    let volumesFrom: [VolumesFrom]
    private let network: ContainerConfiguration.Network
    private let ports: [PublishedPort]
    private let publishesAll: Bool
    private let isRemovedAtEnd: Bool
    private let mounts: [ContainerMount]
    private let options: ContainerOptions

    /// - Throws: `DockerAPIError`, `ContainerError`.
    init(_ fields: DocumentFields) throws {
        try FieldRefusal.check(fields, Self.refused, known: Self.known)
        try Self.checkPolicies(fields)
        network = try Self.network(fields)
        ports = try Self.ports(fields)
        publishesAll = try fields.truth("PublishAllPorts")
        isRemovedAtEnd = try fields.truth("AutoRemove")
        let sources = try fields.texts("VolumesFrom") ?? []
        volumesFrom = try Self.inWords(fields.path("VolumesFrom")) { () throws(FlagValueError) in
            try sources.map { text throws(FlagValueError) in try VolumesFrom(Array(text.utf8)) }
        }
        mounts = try Self.mounts(fields)
        options = try Self.options(fields)
    }

    func apply(to request: inout ContainerRequest) {
        request.network = network
        request.ports = ports
        request.publishesExposedPorts = publishesAll
        request.isRemovedAtEnd = isRemovedAtEnd
        request.mounts = mounts
        request.options = options
    }

    // MARK: Networks

    private static func network(_ fields: DocumentFields) throws(DockerAPIError) -> ContainerConfiguration.Network {
        let name = try fields.text("NetworkMode") ?? ""
        if ["", "default"].contains(name) { return .bridge }
        guard let network = ContainerConfiguration.Network(rawValue: name) else {
            throw .unsupportedField(
                "\(fields.path("NetworkMode")) \"\(name)\"",
                reason: "the networks are bridge, host and none"
            )
        }
        return network
    }

    private static func ports(_ fields: DocumentFields) throws -> [PublishedPort] {
        let bindings = try fields.fields("PortBindings")
        var ports: [PublishedPort] = []
        for name in try fields.names("PortBindings").sorted() {
            let places = try bindings.list(name)
            if places.isEmpty { ports += try PublishedPort.parse(name) }
            for place in places {
                let address = try place.text("HostIp") ?? ""
                let shown = address.contains(":") ? "[\(address)]" : address
                let port = try place.text("HostPort") ?? ""
                ports += try PublishedPort.parse((shown.isEmpty ? "" : shown + ":") + port + ":" + name)
            }
        }
        return ports
    }

    // MARK: Files

    private static func mounts(_ fields: DocumentFields) throws -> [ContainerMount] {
        var mounts: [ContainerMount] = []
        for text in try fields.texts("Binds") ?? [] {
            mounts.append(try ContainerMount(parsingVolume: Array(text.utf8)))
        }
        for (target, written) in try fields.map("Tmpfs").sorted(by: { $0.key < $1.key }) {
            mounts.append(try ContainerMount(parsingTemporary: target + (written.isEmpty ? "" : ":" + written)))
        }
        for mount in try fields.list("Mounts") { mounts.append(try self.mount(mount)) }
        return mounts
    }

    private static func mount(_ fields: DocumentFields) throws -> ContainerMount {
        try FieldRefusal.check(
            fields,
            [
                "consistency": .init(
                    "it is for machines of other systems",
                    accepting: Set(["default", "consistent", "cached", "delegated"].map { JSONValue.string($0) })
                )
            ],
            known: ["type", "source", "target", "readonly", "bindoptions", "volumeoptions", "tmpfsoptions"]
        )
        let target = try fields.text("Target") ?? ""
        guard target.hasPrefix("/") else {
            throw ContainerError.invalidMount(
                target,
                reason:
                    "invalid mount config for type \"\(try fields.text("Type") ?? "")\": invalid mount path: '\(target)' mount path must be absolute"
            )
        }
        let source = try fields.text("Source") ?? ""
        var mount = ContainerMount(.tmpfs(size: nil), at: target, isReadOnly: try fields.truth("ReadOnly"))
        switch try fields.text("Type") ?? "" {
        case "bind":
            guard source.hasPrefix("/") else {
                throw ContainerError.invalidMount(
                    source,
                    reason:
                        "invalid mount config for type \"bind\": invalid mount path: '\(source)' mount path must be absolute"
                )
            }
            let options = try fields.fields("BindOptions")
            try FieldRefusal.check(
                options,
                [
                    "nonrecursive": .init("what is mounted below comes along"),
                    "readonlynonrecursive": .init("what is mounted below is read-only, too"),
                    "readonlyforcerecursive": .init("what is mounted below is read-only where the kernel can do that"),
                ],
                known: ["propagation", "createmountpoint"]
            )
            let propagation = try options.text("Propagation") ?? ""
            guard propagation.isEmpty || ContainerMount.propagations.contains(propagation) else {
                throw DockerAPIError.invalidField(options.path("Propagation"), expected: "a propagation of mounts")
            }
            if !propagation.isEmpty { mount.options.append(propagation) }
            mount.createsSource = try options.truth("CreateMountpoint")
            mount.kind = .bind(source: FilePath(source))
        case "volume":
            let options = try fields.fields("VolumeOptions")
            try FieldRefusal.check(
                options,
                [
                    "labels": .init("make the volume with its labels first"),
                    "driverconfig": .init("volumes have no drivers with options"),
                    "subpath": .init("volumes are mounted whole"),
                ],
                known: ["nocopy"]
            )
            mount.copiesNothing = try options.truth("NoCopy")
            guard source.isEmpty || ContainerNames.isValid(source) else {
                throw ContainerError.invalidVolumeName(source)
            }
            mount.kind =
                source.isEmpty
                ? .volume(name: ContainerNames.makeID(), isAnonymous: true) : .volume(name: source, isAnonymous: false)
        case "tmpfs":
            let options = try fields.fields("TmpfsOptions")
            try FieldRefusal.check(
                options,
                ["options": .init("use HostConfig.Tmpfs for options")],
                known: ["sizebytes", "mode"]
            )
            let size = try options.number("SizeBytes")
            if let mode = try options.number("Mode"), mode != 0 {
                mount.options.append("mode=" + String(mode & 0o7777, radix: 8))
            }
            mount.kind = .tmpfs(size: size == 0 ? nil : size)
        case let type:
            throw DockerAPIError.unsupportedField(
                fields.path("Type") + " \"\(type)\"",
                reason: "mounts are of type bind, volume or tmpfs"
            )
        }
        return mount
    }

    // MARK: Confinement and limits

    private static func options(_ fields: DocumentFields) throws -> ContainerOptions {
        var options = ContainerOptions()
        func values<Value>(
            _ name: String,
            _ read: ([UInt8]) throws(FlagValueError) -> Value
        ) throws -> [Value] {
            var values: [Value] = []
            for text in try fields.texts(name) ?? [] {
                values.append(
                    try inWords(fields.path(name)) { () throws(FlagValueError) in try read(Array(text.utf8)) }
                )
            }
            return values
        }
        options.addedCapabilities = try fields.texts("CapAdd") ?? []
        options.droppedCapabilities = try fields.texts("CapDrop") ?? []
        options.nameServers = try values("Dns", ContainerFlagValues.address)
        options.resolverOptions = try fields.texts("DnsOptions") ?? []
        options.searchDomains = try values("DnsSearch", ContainerFlagValues.searchDomain)
        options.hosts = try values("ExtraHosts", ContainerFlagValues.host)
        options.additionalGroups = try fields.texts("GroupAdd") ?? []
        options.isPrivileged = try fields.truth("Privileged")
        options.isRootReadOnly = try fields.truth("ReadonlyRootfs")
        options.usesInit = try fields.truth("Init")
        for text in try fields.texts("SecurityOpt") ?? [] {
            var changed = options
            try inWords(fields.path("SecurityOpt")) { () throws(FlagValueError) in
                try ContainerFlagValues.apply(securityOption: Array(text.utf8), to: &changed)
            }
            options = changed
        }
        // How clients from Docker 23 on say `systempaths=unconfined`.
        if case .array([]) = fields.value("MaskedPaths"), case .array([]) = fields.value("ReadonlyPaths") {
            options.masksKernelFiles = false
        }
        if let size = try fields.number("ShmSize"), size != 0 {
            guard size > 0 else { throw DockerAPIError.invalidField(fields.path("ShmSize"), expected: "a size") }
            options.sharedMemorySize = size
        }
        if let mode = try fields.text("UsernsMode"), !mode.isEmpty {
            options.userNamespace = try inWords(fields.path("UsernsMode")) { () throws(FlagValueError) in
                try ContainerFlagValues.userNamespace(Array(mode.utf8))
            }
        }
        for limit in try fields.list("Ulimits") {
            func number(_ value: Int64) -> UInt64 { value < 0 ? .max : UInt64(value) }
            let (soft, hard) = (try limit.number("Soft") ?? 0, try limit.number("Hard") ?? 0)
            let name = try limit.text("Name") ?? ""
            options.limits.append(
                try inWords(fields.path("Ulimits")) { () throws(FlagValueError) in
                    try ContainerFlagValues.limit(Array("\(name)=\(soft):\(hard)".utf8))
                }
            )
        }
        options.resources = try resources(fields)
        return options
    }

    private static func resources(_ fields: DocumentFields) throws -> ContainerResources {
        var resources = ContainerResources()
        let memory = try fields.number("Memory") ?? 0
        resources.memory = try inWords(fields.path("Memory")) { () throws(FlagValueError) in
            try ContainerFlagValues.memory(memory)
        }
        let processors = Double(try fields.number("NanoCpus") ?? 0) / 1e9
        resources.processors = try inWords(fields.path("NanoCpus")) { () throws(FlagValueError) in
            try ContainerFlagValues.processors(processors)
        }
        if let processes = try fields.number("PidsLimit"), processes > 0 { resources.processes = processes }
        return resources
    }

    private static func checkPolicies(_ fields: DocumentFields) throws(DockerAPIError) {
        let restart = try fields.fields("RestartPolicy")
        if let name = try restart.text("Name"), !["", "no"].contains(name) {
            throw .unsupportedField(
                "\(restart.path("Name")) \"\(name)\"",
                reason: "containers that end are not started again"
            )
        }
        let log = try fields.fields("LogConfig")
        if let type = try log.text("Type"), !["", "json-file", "local"].contains(type) {
            throw .unsupportedField(
                "\(log.path("Type")) \"\(type)\"",
                reason: "logs are kept in a file; there are no other drivers"
            )
        }
        if let option = try log.fields("Config").meaningful.first {
            throw .unsupportedField(log.path("Config.\(option)"), reason: "a log grows until its container is removed")
        }
    }

    /// Says what a value is refused for in the words of what refused it.
    private static func inWords<Value>(
        _ place: String,
        _ body: () throws(FlagValueError) -> Value
    ) throws(DockerAPIError) -> Value {
        do throws(FlagValueError) { return try body() } catch {
            throw .refusedValue(place, reason: error.reason)
        }
    }
}
