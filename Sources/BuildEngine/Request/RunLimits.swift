import DockerfileFrontend
package import LLB

/// What RUN steps and outputs may do besides what all may: `--allow`.
package enum Entitlement: String, Sendable, Hashable, CaseIterable {
    case hostNetwork = "network.host"
    case insecure = "security.insecure"
    /// That an output to a directory deletes what else is in it; a matter of the client alone.
    case localDelete = "buildx.local.delete"
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
        options.limits = limits
        options.hostname = hostname
        options.sharedMemorySize = sharedMemorySize
        options.cgroupParent = controlGroupParent
        if resources != Resources() { options.resources = resources }
    }
}

extension BuildRequest {
    /// Refuses graphs whose steps ask for what the request does not allow.
    func checkEntitlements(of definitions: [Definition]) throws(BuildError) {
        for node in definitions.lazy.flatMap(\.nodes) {
            guard case .exec(let exec) = node.operation else { continue }
            try check(exec.network, exec.security)
        }
    }

    /// Refuses a process that asks for what the request does not allow.
    package func check(_ network: NetworkMode, _ security: SecurityMode) throws(BuildError) {
        if network == .host, self.network != .host, !entitlements.contains(.hostNetwork) {
            throw .notAllowed(.hostNetwork)
        }
        if security == .insecure, !entitlements.contains(.insecure) { throw .notAllowed(.insecure) }
    }
}
