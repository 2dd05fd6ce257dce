package import LinuxSystem

/// What the daemon tells Docker's clients of itself and of its machine.
package struct EngineFacts: Sendable {
    /// How many containers and images there are.
    package struct Counts: Sendable, Hashable {
        package var images: Int
        package var runningContainers: Int
        package var stoppedContainers: Int

        package init(images: Int, runningContainers: Int, stoppedContainers: Int) {
            self.images = images
            self.runningContainers = runningContainers
            self.stoppedContainers = stoppedContainers
        }
    }

    /// Slipway's own version.
    package var version: String
    /// What tells the daemon from others; stays the same as long as the store does.
    package var id: String
    /// The directory of the store.
    package var root: String
    package var hostname: String
    /// The processor as images name it: `amd64`.
    package var architecture: String
    package var machine: MachineFacts
    package var counts: @Sendable () async throws -> Counts

    package init(
        version: String,
        id: String,
        root: String,
        hostname: String,
        architecture: String,
        machine: MachineFacts,
        counts: @escaping @Sendable () async throws -> Counts
    ) {
        self.version = version
        self.id = id
        self.root = root
        self.hostname = hostname
        self.architecture = architecture
        self.machine = machine
        self.counts = counts
    }
}
