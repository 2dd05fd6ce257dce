package import LinuxSystem

/// A network of a process's own: a namespace joined to the host by a cable, with the host as its gateway.
package struct SandboxNetwork: Sendable {
    /// Open as long as the network is to exist.
    package let namespace: NetworkNamespace
    /// The host, as the process sees it.
    package let gateway: String
}

/// A network that is being made.
package struct PendingNetwork: Sendable {
    let task: Task<SandboxNetwork, any Error>

    /// Waits until it is made.
    package func network() async throws -> SandboxNetwork { try await task.value }
}
