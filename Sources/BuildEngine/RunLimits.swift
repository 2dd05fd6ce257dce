import DockerfileFrontend
import LLB

/// What RUN steps and outputs may do besides what all may: `--allow`.
package enum Entitlement: String, Sendable, Hashable, CaseIterable {
    case hostNetwork = "network.host"
    case insecure = "security.insecure"
    case device
    /// That an output to a directory deletes what else is in it; a matter of the client alone.
    case localDelete = "buildx.local.delete"
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
        if resources != Resources() { options.resources = resources }
    }
}
