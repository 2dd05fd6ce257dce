package import LinuxSystem

/// A network of a process's own: a namespace joined by a cable to a router, which is the host itself or stands before it.
package struct SandboxNetwork: Sendable {
    /// Open as long as the network is to exist.
    package let namespace: NetworkNamespace
    /// The host, as the process sees it.
    package let host: String
    /// Answers as the host's own name servers do; nil where those that have no loopback address are reached themselves, and no other.
    package let nameServer: String?
}

/// A network that is being made.
package struct PendingNetwork: Sendable {
    let task: Task<SandboxNetwork, any Error>

    /// Waits until it is made.
    package func network() async throws -> SandboxNetwork { try await task.value }
}
