import DockerfileFrontend
import LLB

/// What RUN steps may do besides what every step may: `--allow`.
package enum Entitlement: String, Sendable, Hashable, CaseIterable {
    case hostNetwork = "network.host"
    case insecure = "security.insecure"
    case device
}

/// How much RUN steps may take: `--resource` and docker's older flags.
///
/// Nil is no limit.
package struct RunResources: Sendable, Hashable {
    /// Bytes.
    package var memory: Int64?
    /// Bytes of memory and swap together; -1 is no limit.
    package var memoryAndSwap: Int64?
    package var processorShares: UInt64?
    /// Microseconds.
    package var processorPeriod: UInt64?
    /// Microseconds of processor time in each period.
    package var processorQuota: Int64?
    /// Which processors and memory nodes, as `0-2,4`.
    package var processors: String?
    package var memoryNodes: String?

    package init() {}
}

/// A limit of setrlimit(2) by ulimit's name; -1 is no limit.
package struct RunLimit: Sendable, Hashable {
    package let name: String
    package let soft: Int64
    package let hard: Int64

    package init(name: String, soft: Int64, hard: Int64) {
        self.name = name
        self.soft = soft
        self.hard = hard
    }
}

extension BuildRequest {
    /// What the request says of RUN steps.
    func applyRunLimits(to options: inout BuildOptions) {
        switch network {
        case .default: options.network = .sandbox
        case .none: options.network = .none
        case .host: options.network = .host
        }
        // As in buildx, who asks for the host's network on the command line allows it.
        options.allowsHostNetwork = network == .host || entitlements.contains(.hostNetwork)
        options.allowsInsecure = entitlements.contains(.insecure)
        options.allowsDevices = entitlements.contains(.device)
        options.limits = limits.map { ResourceLimit(name: Array($0.name.utf8), soft: $0.soft, hard: $0.hard) }
        options.sharedMemorySize = sharedMemorySize
        options.cgroupParent = controlGroupParent
        if resources != RunResources() { options.resources = resources.limits }
    }
}

extension RunResources {
    fileprivate var limits: Resources {
        var limits = Resources()
        limits.memory = memory ?? 0
        limits.memoryAndSwap = memoryAndSwap ?? 0
        limits.processorShares = processorShares ?? 0
        limits.processorPeriod = processorPeriod ?? 0
        limits.processorQuota = processorQuota ?? 0
        limits.processors = processors ?? ""
        limits.memoryNodes = memoryNodes ?? ""
        return limits
    }
}
