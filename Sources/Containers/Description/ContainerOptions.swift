package import OCI
package import Sandboxes

/// What a container may do and use, where that can differ from docker's defaults.
package struct ContainerOptions: Sendable, Codable, Hashable {
    /// One more line of `/etc/hosts`.
    package struct Host: Sendable, Codable, Hashable {
        package var name: String
        package var address: String

        package init(name: String, address: String) {
            self.name = name
            self.address = address
        }
    }

    /// A limit of setrlimit(2), by docker's name for it, as `nofile`.
    package struct Limit: Sendable, Codable, Hashable {
        package var name: String
        package var soft: UInt64
        package var hard: UInt64

        package init(name: String, soft: UInt64, hard: UInt64) {
            self.name = name
            self.soft = soft
            self.hard = hard
        }
    }

    /// The command and the entrypoint apart, as `inspect` shows them.
    package var command: [String]?
    package var entrypoint: [String]?
    package var exposedPorts: [String] = []
    package var hosts: [Host] = []
    package var nameServers: [String] = []
    package var searchDomains: [String] = []
    package var resolverOptions: [String] = []
    /// By name, with or without `CAP_`, or `ALL`.
    package var addedCapabilities: [String] = []
    package var droppedCapabilities: [String] = []
    package var additionalGroups: [String] = []
    package var isPrivileged = false
    package var isRootReadOnly = false
    package var usesInit = false
    package var gainsNoPrivileges = false
    package var confinesSystemCalls = true
    package var masksKernelFiles = true
    package var limits: [Limit] = []
    package var resources: ContainerResources
    /// Bytes; nil is docker's default.
    package var sharedMemorySize: Int64?
    /// How to see whether the container is healthy, the image's and what was given, joined.
    package var healthcheck: Healthcheck?
    /// The places that the image declares as volumes, and those given without a source.
    package var declaredVolumes: [String]?
    /// Which of its streams the command that made it was attached to; nil is docker's default, both outputs.
    package var attachedStreams: [String]?

    /// What was said of its user namespace; nil is docker's default.
    package var userNamespace: UserNamespaceMode?

    package static let defaultSharedMemorySize: Int64 = 64 << 20
    /// Seconds.
    package static let defaultStopTimeout = 10

    package init() { resources = ContainerResources() }
}

/// Whose user namespace a container is in, by docker's and podman's names.
package enum UserNamespaceMode: String, Sendable, Codable, Hashable, CaseIterable {
    /// The one that Slipway is in: the machine's or, without root, the user's.
    case host
    /// One in which the user keeps the number that it has outside.
    case keepID = "keep-id"
}

extension KeyedDecodingContainer {
    /// The same for what came later.
    func decode(_ type: ContainerResources.Type, forKey key: Key) throws -> ContainerResources {
        try decodeIfPresent(type, forKey: key) ?? ContainerResources()
    }

    /// Containers of stores written before there were options have docker's defaults.
    func decode(_ type: ContainerOptions.Type, forKey key: Key) throws -> ContainerOptions {
        try decodeIfPresent(type, forKey: key) ?? ContainerOptions()
    }
}

extension ContainerOptions {
    /// What root may do in the container: docker's default, with what is added and without what is dropped.
    /// - Parameter available: all that the container could be given.
    /// - Returns: what it is given.
    /// - Throws: `ContainerError.unknownCapability`.
    package func capabilities(available: Set<Capability>) throws(ContainerError) -> Set<Capability> {
        let added = try Self.capabilities(named: addedCapabilities, all: available)
        if isPrivileged { return available }
        let dropped = try Self.capabilities(named: droppedCapabilities, all: Set(Capability.allCases))
        if addedCapabilities.contains(where: Self.isAll) { return available.subtracting(dropped) }
        // Dropping all leaves what is added, whichever comes first.
        if droppedCapabilities.contains(where: Self.isAll) { return added }
        return Capability.dockerDefaults.subtracting(dropped).union(added)
    }

    private static func isAll(_ name: String) -> Bool { ["ALL", "CAP_ALL"].contains(name.uppercased()) }

    private static func capabilities(
        named names: [String],
        all: Set<Capability>
    ) throws(ContainerError) -> Set<Capability> {
        var found: Set<Capability> = []
        for name in names {
            if isAll(name) {
                found.formUnion(all)
                continue
            }
            let upper = name.uppercased()
            let full = upper.hasPrefix("CAP_") ? upper : "CAP_" + upper
            guard let capability = Capability(rawValue: full) else { throw .unknownCapability(full) }
            found.insert(capability)
        }
        return found
    }

    /// What is said of the container's confinement to its sandbox.
    func apply(to sandbox: inout SandboxConfiguration) throws {
        sandbox.capabilities = try capabilities(available: Capability.available())
        sandbox.isRootReadOnly = isRootReadOnly
        sandbox.gainsNoPrivileges = gainsNoPrivileges
        sandbox.confinesSystemCalls = confinesSystemCalls && !isPrivileged
        sandbox.masksKernelFiles = masksKernelFiles && !isPrivileged
        sandbox.usesAllDevices = isPrivileged
        sandbox.additionalGroups = additionalGroups.map { Array($0.utf8) }
        sandbox.resourceLimits = limits.map {
            .init(name: "RLIMIT_" + $0.name.uppercased(), soft: $0.soft, hard: $0.hard)
        }
        if let sharedMemorySize { sandbox.sharedMemorySize = sharedMemorySize }
        if !nameServers.isEmpty || !searchDomains.isEmpty || !resolverOptions.isEmpty {
            var lines = nameServers.map { "nameserver \($0)" }
            let domains = searchDomains.filter { $0 != "." }
            if !domains.isEmpty { lines.append("search \(domains.joined(separator: " "))") }
            if !resolverOptions.isEmpty { lines.append("options \(resolverOptions.joined(separator: " "))") }
            sandbox.resolverLines = .init(lines, replacesNameServers: !nameServers.isEmpty)
        }
    }
}
