internal import BuildEngine
internal import BuildKitClient
internal import BuildKitService
internal import Exporters
internal import LLB
internal import LinuxSystem
internal import OCI
internal import Settings
internal import SystemPackage
internal import Terminal
internal import Text

/// Says to a daemon what a request says to the engine of this process.
struct RemoteTranslation {
    let request: BuildRequest
    let environment: SlipwayEnvironment
    let scratch: ScratchDirectory
    var build: RemoteBuild
    /// What the frontend must be able to do.
    var capabilities: Set<String> = []

    init(
        _ request: BuildRequest,
        _ environment: SlipwayEnvironment,
        credentials: any CredentialSource,
        scratch: ScratchDirectory
    ) {
        self.request = request
        self.environment = environment
        self.scratch = scratch
        build = RemoteBuild(credentials: credentials)
    }

    /// Translates everything but outputs.
    mutating func translate(_ command: BuildCommand, caches: RemoteCacheOptions) async throws {
        try await addContext()
        try await addDockerfile()
        for (name, value) in request.namedContexts { try await addNamedContext(Self.text(name), value) }
        try addValues()
        addUse()
        addLimits()
        for option in command.attestations { build.attributes["attest:\(option.kind.rawValue)"] = option.written }
        build.entitlements = command.allowances.compactMap(\.asWritten)
        if request.network == .host { build.entitlements.append(Entitlement.hostNetwork.rawValue) }
        try await addCaches(caches)
        set("frontend.caps", capabilities.sorted().joined(separator: ","))
    }

    /// Sets an attribute; one without a value is left out.
    mutating func set(_ name: String, _ value: String) {
        if !value.isEmpty { build.attributes[name] = value }
    }

    /// Attributes of a message are text.
    static func text(_ bytes: [UInt8]) throws -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw failedBuild("\"\(escapedForDisplay(bytes))\" is not valid UTF-8 and cannot be sent to a daemon")
        }
        return text
    }

    // MARK: Attributes

    private mutating func addValues() throws {
        set("target", try Self.text(request.target ?? []))
        for (name, value) in request.buildArguments {
            build.attributes["build-arg:" + (try Self.text(name))] = try Self.text(value)
        }
        for (name, value) in request.labels {
            build.attributes["label:" + (try Self.text(name))] = try Self.text(value)
        }
        set("platform", request.platforms.map(\.description).joined(separator: ","))
        if request.isMultiPlatform, request.platforms.count <= 1 { set("multi-platform", "true") }
    }

    /// Which caches and images are used.
    private mutating func addUse() {
        if request.ignoresCache {
            build.attributes["no-cache"] = ""
        } else {
            set("no-cache", request.uncachedStages.sorted().joined(separator: ","))
        }
        // As in this process: images that the builder has stand in for those of registries. Stock daemons have none.
        set("image-resolve-mode", request.pullsBaseImages ? "pull" : "local")
    }

    /// What steps may do, see and take.
    private mutating func addLimits() {
        if request.network != .default { set("force-network-mode", request.network.rawValue) }
        let hosts = request.extraHosts.map { $0.name + "=" + $0.address }
        set("add-hosts", hosts.map { String(decoding: $0, as: UTF8.self) }.joined(separator: ","))
        let limits = request.limits.map { "\(String(decoding: $0.name, as: UTF8.self))=\($0.soft):\($0.hard)" }
        set("ulimit", limits.joined(separator: ","))
        let resources = request.resources
        let numbers: [(String, Int64)] = [
            ("shm-size", request.sharedMemorySize), ("memory", resources.memory),
            ("memswap", resources.memoryAndSwap), ("cpushares", Int64(clamping: resources.processorShares)),
            ("cpuperiod", Int64(clamping: resources.processorPeriod)), ("cpuquota", resources.processorQuota),
        ]
        for (name, number) in numbers where number != 0 { set(name, "\(number)") }
        set("cpusetcpus", resources.processors)
        set("cpusetmems", resources.memoryNodes)
        set("cgroup-parent", String(decoding: request.controlGroupParent, as: UTF8.self))
    }
}

extension Allowance {
    /// As a daemon takes it; nil for what concerns the client alone.
    fileprivate var asWritten: String? {
        switch self {
        case .entitlement(.localDelete): nil
        case .entitlement(let entitlement): entitlement.rawValue
        case .allDevices: "device"
        case .device(let name, nil): "device=\(name)"
        case .device(let name, let alias?): "device=\(name),alias=\(alias)"
        }
    }
}
