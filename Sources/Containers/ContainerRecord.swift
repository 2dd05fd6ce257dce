package import LinuxSystem
import OCI

/// One container as the store knows it.
package struct ContainerRecord: Sendable, Identifiable {
    package let id: String
    package let name: String
    /// Seconds since 1970.
    package let created: Int64
    package let configuration: ContainerConfiguration
    package var state: ContainerState

    /// The first 12 digits of the id, as `docker ps` shows it.
    package var shortID: String { String(id.prefix(12)) }

    /// Whether the image or its caller wants the container's health to be checked.
    package var wantsHealthChecks: Bool {
        let kind = configuration.options.healthcheck?.test?.first
        return kind == "CMD" || kind == "CMD-SHELL"
    }
}

/// Where a container is in its life.
package struct ContainerState: Sendable, Codable, Hashable {
    package enum Status: String, Sendable, Codable, Hashable { case created, running, exited }

    package var status = Status.created
    /// The process to signal: the container's first one, or the runtime that waits for it and hands signals on.
    package var process: ProcessReference?
    /// Whether the runtime is process 1 of a namespace around the container, as with attached ones.
    package var isNested = false
    package var exitCode: CInt?
    /// Seconds since 1970.
    package var started: Int64?
    package var finished: Int64?
    /// In the network of all containers; nil without one.
    package var address: String?
    package var gateway: String?
    package var prefixLength: Int?
    /// Of its interface in that network.
    package var macAddress: String?
    /// The process that prepares the container, or runs it in its own keeping; what it leaves when it dies is put away by the next.
    package var keeper: ProcessReference?
    /// The directories of the cgroups that limit it.
    package var controlGroups: [String]?
    /// The name of the cgroup that keeps it from the host's devices; nil where nothing does.
    package var deviceGroup: String?
    /// The ports with the numbers that were found free.
    package var ports: [PublishedPort] = []
    /// Whether the kernel killed one of its processes for want of memory; nil before it has ended.
    package var ranOutOfMemory: Bool?
    /// Whether it is started again once it has ended, and is not to be removed then.
    package var isRestarting: Bool?
    /// Whether its removal has begun: where that was cut short, the next command goes on with it.
    package var isBeingRemoved: Bool?
    /// Why it could not be started.
    package var error: String?
    /// Where the runtime keeps its own state.
    package var runtimeState: String?

    package init() {}
}

/// How a container came to run no more.
enum ContainerEnd: Sendable, Hashable {
    case exited(CInt)
    /// With the exit code that docker gives for the reason.
    case neverStarted(CInt)
}
